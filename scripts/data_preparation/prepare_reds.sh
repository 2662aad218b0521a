#!/usr/bin/env bash
# Make the training stores of REDS: scripts/data_preparation/prepare_reds.sh [FOLDER] [flags of dlvr data prepare]
# FOLDER (default: datasets/REDS) holds the official folders: train_sharp with clips 000 to 239, and train_sharp_bicubic
# for super-resolution, train_blur for deblurring, or both. The partitions REDS4 and official of the option files choose
# clips while training; val_sharp, val_sharp_bicubic and val_blur are read as they are.
set -euo pipefail
root=datasets/REDS
source "$(dirname "$0")/root_argument.sh"

dlvr data prepare "$root/train_sharp" "$root/train_sharp.lmdb" "$@"
if [ -d "$root/train_sharp_bicubic/X4" ]; then
  dlvr data prepare "$root/train_sharp_bicubic/X4" "$root/train_sharp_bicubic_X4.lmdb" "$@"
fi
if [ -d "$root/train_blur" ]; then dlvr data prepare "$root/train_blur" "$root/train_blur.lmdb" "$@"; fi
for lq in train_sharp_bicubic_X4 train_blur; do
  if [ -d "$root/$lq.lmdb" ]; then dlvr data check "$root/train_sharp.lmdb" --lq "$root/$lq.lmdb"; fi
done
