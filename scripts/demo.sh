#!/usr/bin/env bash
# The whole job on demo clips: make clips, pretrain a tiny EDVR, train T, alternate, test, restore a video, sum up.
# About ten minutes on one or two CPU cores, once the environment is set up.
# scripts/demo.sh [--seed N] [--lpips-weights FILE]: LPIPS downloads its weights (233 MB, once), unless a file is named.
set -euo pipefail
seed=0 lpips=()
while [ $# -gt 0 ]; do
  case $1 in
    --seed) seed=${2:?--seed takes a number} && shift 2 ;;
    --lpips-weights)
      file=$(realpath -e -- "${2:?--lpips-weights takes a file}")
      lpips=(--lpips-weights "$file")
      shift 2
      ;;
    -h | --help)
      sed -n '2,4s/^# //p' "$0"
      exit
      ;;
    *)
      printf 'Unknown argument: %s. %s --help shows the known ones.\n' "$1" "$0" >&2
      exit 2
      ;;
  esac
done
cd "$(dirname "$0")/.."
source scripts/setup_env.sh
pair='discriminative space:pretrained'
logs=results/demo_logs
mkdir -p "$logs"

step() {  # step TITLE LOG COMMAND...: run a command, its whole output to a log, what moves to the screen
  local title=$1 log=$logs/$2
  shift 2
  printf '\n== %s\n' "$title"
  if ! "$@" > >(tee "$log" | grep --line-buffered -E 'iter:|From iteration|# psnr|# ssim|# tof|frames of|ERROR') 2>&1; then
    printf 'Failed. The whole output is in %s; its end:\n' "$log" >&2
    tail -n 15 "$log" >&2
    return 1
  fi
}

printf '\n== Demo clips (real texture, known motion), as PNG frames and as stores of raw ones\n'
if [ ! -d datasets/demo ]; then "$PYTHON" scripts/data_preparation/make_demo_clips.py datasets/demo; fi
"$PYTHON" -m dlvr_plugin.cli data prepare datasets/demo/train_sharp datasets/demo/train_sharp.lmdb \
  --lq-source datasets/demo/train_sharp_bicubic/X4 --lq-target datasets/demo/train_sharp_bicubic_X4.lmdb
"$PYTHON" -m dlvr_plugin.cli data show options/demo/2_discriminative_space.yml --out results/demo_samples.png

step 'Pretrain a tiny EDVR (x4) with a pixel loss: 800 iterations' 1_pretrain.log \
  "$PYTHON" -m dlvr_plugin.train -opt options/demo/1_pretrain.yml --force_yml "manual_seed=$seed"
step 'Train T alone for 150 iterations, then T and EDVR in alternation for 350' 2_discriminative_space.log \
  "$PYTHON" -m dlvr_plugin.train -opt options/demo/2_discriminative_space.yml --force_yml "manual_seed=$seed"
step 'Restore the validation clip with the pretrained EDVR (half a minute)' 3_test_pretrained.log \
  "$PYTHON" -m dlvr_plugin.test -opt options/demo/3_test.yml --force_yml name=demo_3_test_pretrained \
  path:pretrain_network_g=experiments/demo_1_pretrain/models/net_g_latest.pth path:param_key_g=params
step 'Restore it with the EDVR trained in the discriminative space (half a minute)' 3_test.log \
  "$PYTHON" -m dlvr_plugin.test -opt options/demo/3_test.yml

step 'Make a video of that clip, as dlvr restore does of any video' 4_restore.log \
  "$PYTHON" -m dlvr_plugin.cli restore datasets/demo/train_sharp_bicubic/X4/000 --fps 24 \
  --model experiments/demo_2_discriminative_space/models/net_g_latest.pth -o results/demo_restored.mp4 --force

printf '\n== Compare them with bicubic upsampling, on clip 000, which no step trained on\n'
clips=datasets/demo
"$PYTHON" scripts/data_preparation/upsample_bicubic.py $clips/train_sharp_bicubic/X4 results/demo_bicubic --clips 000
"$PYTHON" -m dlvr_plugin.cli evaluate --gt $clips/train_sharp --clips 000 --out results/demo_evaluation \
  --metrics lpips niqe psnr ssim tof grid --missing leave-out "${lpips[@]}" --results bicubic=results/demo_bicubic \
  pretrained=results/demo_3_test_pretrained/visualization/reds4 'discriminative space=results/demo_3_test/visualization/reds4'
"$PYTHON" -m dlvr_plugin.cli figure crops --evaluation results/demo_evaluation --clip 000 --frame 50 --box 60 90 90 120 \
  --out results/demo_comparison.png
"$PYTHON" -m dlvr_plugin.cli report results/demo_evaluation --title 'Demo' --pairs "$pair"

"$PYTHON" scripts/demo_summary.py "$pair"
