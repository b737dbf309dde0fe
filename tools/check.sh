#!/usr/bin/env bash
# Checks formatting, lint, types and all tests: tools/check.sh (under 15 minutes on two cores)
set -euo pipefail
cd "$(dirname "$0")/.."
ruff format --check .
ruff check .
mypy
tf_style fetch_weights
tools/exports/other_jax.sh || echo "The programs are not run with another JAX." >&2
# Two processes: most test time is tracing, which uses one core.
python -m pytest --numprocesses=2 --dist=loadfile "$@"
