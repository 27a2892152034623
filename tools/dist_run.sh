#!/usr/bin/env bash
# What dist_train.sh and dist_test.sh share: dist_run.sh SCRIPT CONFIG GPUS ...
set -euo pipefail
if [[ $# -lt 3 ]]; then
    echo "usage: bash tools/dist_${1%.py}.sh CONFIG GPUS [options]" >&2
    exit 2
fi
tools=$(cd "$(dirname "$0")" && pwd)
script=$1 config=$2 gpus=$3
shift 3

# One thread a process unless the user knows better: processes share the cores.
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
export PYTHONPATH="$tools/..${PYTHONPATH:+:$PYTHONPATH}"
exec "${PYTHON:-python}" -m torch.distributed.run \
    --nnodes="${NNODES:-1}" \
    --node-rank="${NODE_RANK:-0}" \
    --master-addr="${MASTER_ADDR:-127.0.0.1}" \
    --master-port="${PORT:-29500}" \
    --nproc-per-node="$gpus" \
    "$tools/$script" "$config" "$@" --launcher pytorch
