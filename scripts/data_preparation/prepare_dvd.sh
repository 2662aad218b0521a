#!/usr/bin/env bash
# Make the training stores and the test sets of DVD (DeepVideoDeblurring_Dataset) for deblurring:
# scripts/data_preparation/prepare_dvd.sh [FOLDER] [flags of dlvr data prepare]
# FOLDER (default: datasets/DVD) holds quantitative_datasets/<scene>/{input,GT} and, if at hand,
# qualitative_datasets/<scene>/input. It gets train_GT.lmdb and train_input.lmdb of 61 scenes, test/GT and test/input of
# 10 scenes, and qualitative/input.
set -euo pipefail
root=datasets/DVD
source "$(dirname "$0")/root_argument.sh"
scenes=$root/quantitative_datasets
test_scenes=(720p_240fps_2 IMG_0003 IMG_0021 IMG_0030 IMG_0031 IMG_0032 IMG_0033 IMG_0037 IMG_0039 IMG_0049)

pair() {  # pair GT_TARGET LQ_TARGET FLAG...: make ground truth and blurred frames
  dlvr data prepare "$scenes" "$1" --subfolder GT --lq-source "$scenes" --lq-subfolder input --lq-target "$2" "${@:3}"
}

pair "$root/train_GT.lmdb" "$root/train_input.lmdb" --exclude-clips "${test_scenes[@]}" "$@"
pair "$root/test/GT" "$root/test/input" --clips "${test_scenes[@]}" "$@"
if [ -d "$root/qualitative_datasets" ]; then
  dlvr data prepare "$root/qualitative_datasets" "$root/qualitative/input" --subfolder input "$@"
fi
