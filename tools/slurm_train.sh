#!/usr/bin/env bash
# Trains on a Slurm cluster:
#   GPUS=8 bash tools/slurm_train.sh PARTITION JOB_NAME CONFIG WORK_DIR [options of tools/train.py]
set -euo pipefail
if [[ $# -lt 4 ]]; then
    echo "usage: [GPUS=8] bash tools/slurm_train.sh PARTITION JOB_NAME CONFIG WORK_DIR [options]" >&2
    exit 2
fi
partition=$1 job_name=$2 config=$3 work_dir=$4
shift 4
exec "$(dirname "$0")/slurm_run.sh" "$partition" "$job_name" train.py \
    "$config" --work-dir "$work_dir" "$@"
