#!/usr/bin/env bash
# What slurm_train.sh and slurm_test.sh share: slurm_run.sh PARTITION JOB_NAME SCRIPT ...
set -euo pipefail
tools=$(cd "$(dirname "$0")" && pwd)
partition=$1 job_name=$2 script=$3
shift 3

gpus=${GPUS:-8}
gpus_per_node=${GPUS_PER_NODE:-8}
((gpus_per_node <= gpus)) || gpus_per_node=$gpus
export PYTHONPATH="$tools/..${PYTHONPATH:+:$PYTHONPATH}"
# SRUN_ARGS is a list of words on purpose.
# shellcheck disable=SC2086
exec srun --partition="$partition" --job-name="$job_name" \
    --gres=gpu:"$gpus_per_node" --ntasks="$gpus" \
    --ntasks-per-node="$gpus_per_node" \
    --cpus-per-task="${CPUS_PER_TASK:-5}" --kill-on-bad-exit=1 \
    ${SRUN_ARGS:-} \
    "${PYTHON:-python}" -u "$tools/$script" "$@" --launcher slurm
