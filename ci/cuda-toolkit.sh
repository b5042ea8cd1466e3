#!/usr/bin/env bash
# The parts of the CUDA toolkit that compile kernels, as Python wheels in target/cuda; no GPU, no driver, nothing outside target/.
# Prints the toolkit's folder. Usage: export CUDA_HOME=$(ci/cuda-toolkit.sh)
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
venv=target/cuda
parts="cuda-toolkit[nvcc,cudart,nvrtc,cublas,curand,cccl,crt,nvvm]==13.0.*"
if [ "$(cat "$venv/installed" 2>/dev/null)" != "$parts" ]; then
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check "$parts" >&2
  echo "$parts" >"$venv/installed"
fi
echo "$PWD"/"$venv"/lib/python3*/site-packages/nvidia/cu13
