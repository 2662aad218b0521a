#!/usr/bin/env bash
# Set up the environment where needed, then run the checks and all tests, the slow ones, too.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/setup_env.sh

"$PYTHON" -m ruff check .
"$PYTHON" -m ruff format --check --quiet .
"$PYTHON" -m mypy
"$PYTHON" -m pytest -q -m 'slow or not slow' --durations=10 "$@"
