#!/usr/bin/env bash
# Trains on several GPUs, or in several processes on CPUs:
#   bash tools/dist_train.sh CONFIG GPUS [options of tools/train.py]
# Over several machines: NNODES, NODE_RANK, MASTER_ADDR and PORT, on each.
exec "$(dirname "$0")/dist_run.sh" train.py "$@"
