#!/usr/bin/env bash
# Make the test set Vid4 with its low-quality frames: scripts/data_preparation/prepare_vid4.sh SOURCE [FOLDER] [flags]
# SOURCE holds the folders calendar, city, foliage and walk; FOLDER (default: datasets/Vid4) gets GT, BIx4 and BDx4.
set -euo pipefail
if [ $# -eq 0 ] || [ "$1" = -h ] || [ "$1" = --help ]; then
  sed -n '2,3s/^# //p' "$0"
  exit $(($# == 0 ? 2 : 0))
fi
source=$1 root=datasets/Vid4
shift
if [ $# -gt 0 ] && [ "${1#-}" = "$1" ]; then root=$1 && shift; fi
for degradation in BI BD; do
  dlvr data prepare "$source" "$root/GT" --degradation $degradation --lq-target "$root/${degradation}x4" "$@"
done
