#!/usr/bin/env bash
# Makes .venv-jax with the JAX that this environment lacks: tools/exports/other_jax.sh (under a minute)
# Programs of `--format=stablehlo` are for JAX 0.10 and 0.11; tests run them with both. JAX 0.11 needs
# Python 3.12, so without one nothing is made, and the test of the other JAX says that it is skipped.
set -euo pipefail
cd "$(dirname "$0")/../.."
[ -x .venv-jax/bin/python ] && exit
wanted=$(python -c 'import jax; print("0.10" if jax.__version_info__ >= (0, 11) else "0.11")')
for python in python3.12 python3.13 python3.14 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.1[234].*/bin/python; do
  if "$python" -c '' 2>/dev/null; then
    "$python" -m venv .venv-jax.part
    .venv-jax.part/bin/python -m pip install --quiet "jax==$wanted.*" numpy
    mv .venv-jax.part .venv-jax
    exit
  fi
done
echo "No Python 3.12 or later was found: the programs are not run with JAX $wanted." >&2
