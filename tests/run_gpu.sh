#!/usr/bin/env bash
# Every check that wants a GPU, in one call; prints the tables that
# docs/performance.md keeps. Uses $PYTHON (python) with the package installed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=${PYTHON:-python}
out=${1:-work_dirs/gpu}
pair=configs/cankd/cankd_retinanet-r101_retinanet-r50_2x_coco.py

"$python" -c 'import torch; assert torch.cuda.is_available(), "no GPU"; print(torch.cuda.get_device_name(), torch.__version__)'
"$python" -m pytest -q tests/test_compat tests/test_losses tests/test_algorithms
"$python" tools/quickstart.py --work-dir "$out/quickstart"
for size in '2 256 100 168' '1 256 200 336'; do
    # shellcheck disable=SC2086
    "$python" -m tests.bm_cankd --device cuda --size $size
done
"$python" -m tests.bm_tat --device cuda
"$python" -m tests.bm_lakd --device cuda --batch 8 --on output
"$python" -m tests.bm_step "$pair" --device cuda --batch 8 --size 800 1344
"$python" -m tests.bm_step "$pair" --device cuda --batch 8 --size 800 1344 \
    --amp bfloat16 --teacher-dtype bfloat16
