#!/usr/bin/env bash
# Train a small network for dlvr restore (EDSR, x4, under a megabyte), on photographs in the public domain: about an hour
# on a core. Started again, it goes on where it was.
# usage: train.sh clean|phone    for clean frames, or for compressed phone video, which goes on from the clean ones'
#                                pretraining. The result: experiments/bundled_MODEL/bundled_MODEL.safetensors
set -euo pipefail
cd "$(dirname "$0")/../.."
source scripts/setup_env.sh

model=${1:-}
if [ "$model" != clean ] && [ "$model" != phone ]; then echo 'usage: train.sh clean|phone' >&2; exit 2; fi

# The photographs have few saturated colours; without more of them, flat ones that are saturated get a grid.
clips=(
  datasets:train:color_jitter:saturation=0.9 datasets:train:color_jitter:hue=0.5
  datasets:train:color_jitter:contrast=0.2 datasets:train:permute_channels=true
)
data=datasets/photographs
if [ ! -d "$data" ]; then "$PYTHON" scripts/bundled_model/make_photo_clips.py "$data"; fi
if [ ! -d "${data}_BIx4.lmdb" ]; then
  "$PYTHON" -m dlvr_plugin.cli data prepare "$data" "$data.lmdb" --degradation BI
fi
stores=("datasets:train:dataroot_gt=$data.lmdb" "datasets:train:dataroot_lq=${data}_BIx4.lmdb")

train() {
  "$PYTHON" -m dlvr_plugin.train -opt "options/train/small/$1.yml" --auto_resume \
    --force_yml "${clips[@]}" "${stores[@]}" "${@:2}"
}

train pretrain_EDSR_small name=bundled_clean_pretrained
if [ "$model" = phone ]; then
  phone=${data}_phone
  if [ ! -d "${phone}_realisticx4_7.lmdb" ]; then
    "$PYTHON" -m dlvr_plugin.cli data prepare "$data" "$phone.lmdb" --degradation realistic --preset phone --copies 8
  fi
  versions=$(seq -s , -f "${phone}_realisticx4_%g.lmdb" 0 7)
  stores=("datasets:train:dataroot_gt=$phone.lmdb" "datasets:train:dataroot_lq=[$versions]")
  train pretrain_EDSR_small name=bundled_phone_pretrained train:total_iter=4000 'train:scheduler:periods=[4000]' \
    path:pretrain_network_g=experiments/bundled_clean_pretrained/models/net_g_latest.pth
fi
train train_EDSR_small_DiscriminativeSpace "name=bundled_$model" \
  "path:pretrain_network_g=experiments/bundled_${model}_pretrained/models/net_g_latest.pth" \
  train:init_t_iters=750 train:total_iter=3550 'train:scheduler:periods=[2800]' train:pixel_opt:loss_weight=3
"$PYTHON" scripts/bundled_model/blend.py "experiments/bundled_${model}_pretrained/models/net_g_latest.pth" \
  "experiments/bundled_$model/models/net_g_latest.pth" "experiments/bundled_$model/blended.pth"
"$PYTHON" -m dlvr_plugin.cli export "experiments/bundled_$model/blended.pth" \
  "experiments/bundled_$model/bundled_$model.safetensors" --force
