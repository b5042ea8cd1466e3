#!/usr/bin/env bash
# Builds with CUDA on a machine that has neither a GPU nor a driver: the toolkit comes from ci/cuda-toolkit.sh (or CUDA_HOME), names stand in for
# the driver's library while linking. About 7 minutes on 2 cores.
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
# The driver's library, as far as a linker sees it: the names of its functions. With an empty one nothing would be needed of it, and a program
# that does not need it does not load it.
grep -ohE '\bcu[A-Z][A-Za-z0-9]*(_v[0-9]+)?\b' "$CUDA_HOME/include/cuda.h" | sort -u | sed 's/.*/void &(void) {}/' |
  cc -shared -fno-builtin -x c - -Wl,-soname,libcuda.so.1 -o "$links/libcuda.so"
export RUSTFLAGS="-L native=$links -C link-arg=-Wl,--allow-shlib-undefined"
# A folder of its own: other flags would build everything anew, there and back.
export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$PWD/target/cuda-target}
if [ $# -eq 0 ]; then
  set -- clippy --release --locked -p outpace-kernels --features cuda -- -D warnings
fi
exec cargo "$@"
