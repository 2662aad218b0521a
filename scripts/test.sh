#!/usr/bin/env bash
# Set up the environment where needed, then run the checks and all tests, the slow ones, too.
set -euo pipefail
cd "$(dirname "$0")/.."
source scripts/setup_env.sh

"$PYTHON" -m ruff check .
"$PYTHON" -m ruff format --check --quiet .
"$PYTHON" -m mypy
# Two processes at a time, each with a thread, take the least time on two cores.
OMP_NUM_THREADS=1 "$PYTHON" -m pytest -q -m 'slow or not slow' --numprocesses 2 --dist loadfile --durations=10 "$@"
