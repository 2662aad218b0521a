#!/usr/bin/env bash
# Train a small network for dlvr restore (EDSR, x4, under a megabyte), on photographs in the public domain: about an hour
# on two cores. Started again, it goes on where it was. The result: experiments/bundled_model/bundled_model.safetensors
set -euo pipefail
cd "$(dirname "$0")/../.."
source scripts/setup_env.sh

data=datasets/photographs
if [ ! -d "$data" ]; then "$PYTHON" scripts/bundled_model/make_photo_clips.py "$data"; fi
if [ ! -d "$data.lmdb" ]; then "$PYTHON" -m dlvr_plugin.cli data prepare "$data" "$data.lmdb" --degradation BI; fi
# The photographs have few saturated colours; without more of them, flat ones that are saturated get a grid.
clips=(
  "datasets:train:dataroot_gt=$data.lmdb" "datasets:train:dataroot_lq=${data}_BIx4.lmdb"
  datasets:train:color_jitter:saturation=0.9 datasets:train:color_jitter:hue=0.5
  datasets:train:color_jitter:contrast=0.2 datasets:train:permute_channels=true
)

"$PYTHON" -m dlvr_plugin.train -opt options/train/small/pretrain_EDSR_small.yml --auto_resume --force_yml \
  name=bundled_model_pretrained "${clips[@]}"
"$PYTHON" -m dlvr_plugin.train -opt options/train/small/train_EDSR_small_DiscriminativeSpace.yml --auto_resume \
  --force_yml name=bundled_model "${clips[@]}" \
  path:pretrain_network_g=experiments/bundled_model_pretrained/models/net_g_latest.pth \
  train:init_t_iters=750 train:total_iter=2150 'train:scheduler:periods=[1400]' train:pixel_opt:loss_weight=3
"$PYTHON" scripts/bundled_model/blend.py experiments/bundled_model_pretrained/models/net_g_latest.pth \
  experiments/bundled_model/models/net_g_latest.pth experiments/bundled_model/blended.pth
"$PYTHON" -m dlvr_plugin.cli export experiments/bundled_model/blended.pth \
  experiments/bundled_model/bundled_model.safetensors --force
