#!/usr/bin/env bash
# Tests on a Slurm cluster:
#   GPUS=8 bash tools/slurm_test.sh PARTITION JOB_NAME CONFIG CHECKPOINT [options of tools/test.py]
set -euo pipefail
if [[ $# -lt 4 ]]; then
    echo "usage: [GPUS=8] bash tools/slurm_test.sh PARTITION JOB_NAME CONFIG CHECKPOINT [options]" >&2
    exit 2
fi
partition=$1 job_name=$2
shift 2
exec "$(dirname "$0")/slurm_run.sh" "$partition" "$job_name" test.py "$@"
