#!/usr/bin/env bash
# Formatting, lint, types and every test, in one command: tools/check.sh (under 10 minutes on 2 cores)
set -euo pipefail
cd "$(dirname "$0")/.."
ruff format --check .
ruff check .
mypy
tf_style fetch_weights
python -m pytest "$@"
