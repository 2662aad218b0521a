#!/usr/bin/env bash
# Train with several processes: scripts/dist_train.sh NPROC OPTION_FILE [flags of dlvr_plugin.train]
# On several nodes, set on each: NNODES, NODE_RANK, MASTER_ADDR and, if need be, MASTER_PORT.
set -euo pipefail
if [ $# -lt 2 ]; then
  sed -n '2,3s/^# //p' "$0" >&2
  exit 2
fi
num_processes=$1 option_file=$2
shift 2
if [ "${NNODES:-1}" -gt 1 ]; then
  where=(--nnodes "$NNODES" --node-rank "${NODE_RANK:?}" --master-addr "${MASTER_ADDR:?}"
    --master-port "${MASTER_PORT:-29500}")
else
  where=(--standalone)
fi
exec "${PYTHON:-python}" -m torch.distributed.run "${where[@]}" --nproc-per-node "$num_processes" \
  -m dlvr_plugin.train -opt "$option_file" --launcher pytorch "$@"
