#!/usr/bin/env bash
# Make the test set REDS4, clips 000, 011, 015 and 020 of REDS, as folders of PNG frames:
# scripts/data_preparation/prepare_reds4.sh [FOLDER] [flags of dlvr data prepare]
# FOLDER (default: datasets/REDS) holds train_sharp and train_sharp_bicubic/X4. REDS4/GT and REDS4/BIx4 are made beside it.
set -euo pipefail
root=datasets/REDS
source "$(dirname "$0")/root_argument.sh"
target=$(dirname "$root")/REDS4
exec dlvr data prepare "$root/train_sharp" "$target/GT" --clips 000 011 015 020 \
  --lq-source "$root/train_sharp_bicubic/X4" --lq-target "$target/BIx4" "$@"
