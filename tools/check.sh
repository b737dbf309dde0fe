#!/usr/bin/env bash
# Formatting, lint, types and every test, in one command: tools/check.sh (under 15 minutes on 2 cores)
set -euo pipefail
cd "$(dirname "$0")/.."
ruff format --check .
ruff check .
mypy
tf_style fetch_weights
# Two processes: most tests wait for tracing, which keeps one core busy at most.
python -m pytest --numprocesses=2 --dist=loadfile "$@"
