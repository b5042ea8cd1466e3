#!/usr/bin/env bash
# Builds with CUDA on a machine that has neither a GPU nor a driver: the toolkit comes from ci/cuda-toolkit.sh (or CUDA_HOME), an empty libcuda stands
# in for the driver's while linking. About 7 minutes on 2 cores.
# Usage: ci/cuda-build.sh [CARGO COMMAND...]     default: clippy of outpace-kernels with its feature cuda
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
: "${CUDA_HOME:=$(ci/cuda-toolkit.sh)}"
export CUDA_HOME CUDA_COMPUTE_CAP=${CUDA_COMPUTE_CAP:-90}
export PATH="$CUDA_HOME/bin:$PATH"
links=$PWD/target/cuda-links
mkdir -p "$links"
for name in nvrtc curand cublas cublasLt cudart; do
  for library in "$CUDA_HOME"/lib*/lib"$name".so.[0-9]*; do
    ln -sf "$library" "$links/lib$name.so"
  done
done
echo | cc -shared -x c - -Wl,-soname,libcuda.so.1 -o "$links/libcuda.so"
export RUSTFLAGS="-L native=$links -C link-arg=-Wl,--unresolved-symbols=ignore-all -C link-arg=-Wl,--allow-shlib-undefined"
# A folder of its own: other flags would build everything anew, there and back.
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target/cuda-target}
if [ $# -eq 0 ]; then
  set -- clippy --release --locked -p outpace-kernels --features cuda -- -D warnings
fi
exec cargo "$@"
