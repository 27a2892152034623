#!/usr/bin/env bash
# Every check that wants a GPU, in one call; prints the tables that
# docs/performance.md keeps. Uses $PYTHON (python) with the package installed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=${PYTHON:-python}
out=${1:-work_dirs/gpu}
pairs=(
    configs/cankd/cankd_retinanet-r101_retinanet-r50_2x_coco.py
    configs/cankd/cankd_faster-rcnn-r101_faster-rcnn-r50_2x_coco.py
)

"$python" -c 'import torch; assert torch.cuda.is_available(), "no GPU"; print(torch.cuda.get_device_name(), torch.__version__)'
"$python" -m pytest -q tests/test_compat tests/test_losses tests/test_algorithms
"$python" tools/quickstart.py --work-dir "$out/quickstart"
for dtype in float32 bfloat16; do
    "$python" tools/benchmark.py losses --device cuda --dtype $dtype \
        --json "$out/losses_$dtype.json"
    "$python" tools/benchmark.py scaling --device cuda --dtype $dtype \
        --json "$out/scaling_$dtype.json"
done
"$python" -m tests.bm_lakd --device cuda --batch 8 --on output
"$python" tools/benchmark.py step "${pairs[@]}" --device cuda --batch 8 \
    --size 800 1344 --json "$out/step.json"
"$python" tools/benchmark.py step "${pairs[@]}" --device cuda --batch 8 \
    --size 800 1344 --amp bfloat16 --teacher-dtype bfloat16 \
    --json "$out/step_bfloat16.json"
