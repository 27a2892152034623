#!/usr/bin/env bash
# From an empty machine to a distilled detector: sets the environment up, then
# runs tools/quickstart.py. Arguments are passed on.
#
#   bash tools/quickstart.sh
#   PYTHON=/path/to/python bash tools/quickstart.sh    # that environment

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
source tools/setup_env.sh
setup_env
exec "$PYTHON" tools/quickstart.py "$@"
