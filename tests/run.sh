#!/usr/bin/env bash
# Sets the environment up (once), lints, and runs the tests. Arguments are
# passed on to pytest; `--slow` includes the tests that take minutes.
#
#   bash tests/run.sh tests/test_losses -k cankd

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source tools/setup_env.sh
setup_env tests
echo '[lint] ruff check, ruff format --check'
"$PYTHON" -m ruff check .
"$PYTHON" -m ruff format --check .
# A process per core, each with one thread. Neighbours stay together where they
# can: they share fixtures.
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
exec "$PYTHON" -m pytest -n auto --maxprocesses 4 --dist worksteal "$@"
