#!/usr/bin/env bash
# Tests on several GPUs, or in several processes on CPUs:
#   bash tools/dist_test.sh CONFIG CHECKPOINT GPUS [options of tools/test.py]
# Over several machines: NNODES, NODE_RANK, MASTER_ADDR and PORT, on each.
set -euo pipefail
if [[ $# -lt 3 ]]; then
    echo "usage: bash tools/dist_test.sh CONFIG CHECKPOINT GPUS [options]" >&2
    exit 2
fi
config=$1 checkpoint=$2 gpus=$3
shift 3
exec "$(dirname "$0")/dist_run.sh" test.py "$config" "$gpus" "$checkpoint" "$@"
