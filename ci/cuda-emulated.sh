#!/usr/bin/env bash
# Runs the CUDA build of outpace-gpt where no GPU is: NVRTC compiles the kernels as it would on one, and a driver that runs them on the CPU
# (kernels/tests/emulated_driver.cpp) stands in for NVIDIA's and for cuBLAS.
# Usage: ci/cuda-emulated.sh COMMAND...    for example: ci/cuda-emulated.sh outpace-gpt check --device cuda --config ...
#        ci/cuda-emulated.sh               its checks: all operations, gradients, training, checkpoints, the errors of a full device
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
: "${CUDA_HOME:=$(ci/cuda-toolkit.sh)}"
export CUDA_HOME
folder=$PWD/target/cuda-emulated
program=$PWD/target/cuda-target/release/outpace-gpt
mkdir -p "$folder"
cat >"$folder/versions" <<'VERSIONS'
libcublas.so.13 { global: cublas*; };
libcurand.so.10 { global: curand*; };
libcuda.so.1 { global: cu[A-Z]*; local: *; };
VERSIONS
"${CXX:-c++}" -std=c++20 -O2 -Wall -Wno-unknown-pragmas -Werror -shared -fPIC -I kernels/src/cuda \
  -Wl,--version-script="$folder/versions" -o "$folder/libcuda.so.1" kernels/tests/emulated_driver.cpp
"${CC:-cc}" -std=c11 -O1 -shared -fPIC -o "$folder/libnvidia-ml.so.1" crates/outpace/tests/nvml/fake.c
mkdir -p "$folder/gpu/pids"
printf 'gpus 1\nthrottle 0x4\n' >"$folder/gpu/settings"
export FAKE_GPU=$folder/gpu
ln -sf libcuda.so.1 "$folder/libcublas.so.13"
ln -sf libcuda.so.1 "$folder/libcurand.so.10"
export LD_LIBRARY_PATH="$folder:$CUDA_HOME/lib"
export PATH="${program%/*}:$PATH"
if [ $# -gt 0 ]; then
  exec "$@"
fi

ci/cuda-build.sh build --release --locked -p outpace-gpt --features cuda
config=crates/gpt/tests/emulated.toml
gpt() { # VERB ARGUMENTS: in a GPU's numbers
  local verb=$1
  shift
  "$program" "$verb" --config "$config" --device cuda --kernels "$folder/kernels" "$@"
}
echo "== needs the driver's library"
readelf -d "$program" | grep -q 'NEEDED.*libcuda\.so\.1'
echo "== kernels, compiled ahead"
"$program" compile --arch sm_90 --out "$folder/kernels"
echo "== every operation, gradients, training"
gpt check >"$folder/check.json"
python3 -c 'import json,sys; d=json.load(open(sys.argv[1])); print(len(d["checks"]), "checks hold")' "$folder/check.json"
echo "== a run that is cut in two is the same run, in bf16"
gpt train --precision bf16 --steps 6 --save "$folder/whole.safetensors"
gpt train --precision bf16 --steps 3 --save "$folder/half.safetensors"
gpt train --precision bf16 --steps 3 --checkpoint "$folder/half.safetensors" --save "$folder/again.safetensors"
cmp "$folder/whole.safetensors" "$folder/again.safetensors"
echo "== more parameters than a launch of AdamW takes: the CPU's losses"
sed 's/^layers = 2/layers = 7/; s/^sequence = 24/sequence = 8/' "$config" >"$folder/deep.toml"
grep -q '^layers = 7' "$folder/deep.toml"
for device in cpu cuda; do
  "$program" train --config "$folder/deep.toml" --device "$device" --precision f32 --steps 3 --kernels "$folder/kernels" 2>&1 | grep -o 'loss [0-9.]*' | tail -1 >"$folder/deep-$device.txt"
done
cat "$folder/deep-cuda.txt"
cmp "$folder"/deep-{cpu,cuda}.txt
echo "== both versions of attention train the same model, with heads of 64 in bf16"
sed 's/^width = 32/width = 128/; s/^sequence = 24/sequence = 150/' "$config" >"$folder/wide.toml"
for version in 0 1; do
  rm -rf "$folder/src" "$folder/launches-$version.txt"
  cp -r kernels/src "$folder/src"
  ci/attention-version.sh "$version" "$folder/src"
  OUTPACE_KERNELS=$folder/src "$program" compile --arch sm_90 --out "$folder/kernels-$version"
  EMULATED_LOG=$folder/launches-$version.txt "$program" train --config "$folder/wide.toml" --device cuda --precision bf16 --steps 2 \
    --kernels "$folder/kernels-$version" 2>&1 | grep -o 'loss [0-9.]*' | tail -1 >"$folder/wide-$version.txt"
done
for kernel in forward backward_keys backward_queries; do
  grep -q "^attention_${kernel}_bf16_64$" "$folder/launches-0.txt"
  grep -q "^attention_${kernel}_hopper$" "$folder/launches-1.txt"
done
cat "$folder/wide-1.txt"
cmp "$folder"/wide-{0,1}.txt
echo "== the CPU reads what the GPU wrote"
for device in cpu cuda; do
  "$program" evaluate --config "$config" --device "$device" --kernels "$folder/kernels" --tokens 96 \
    --checkpoint "$folder/whole.safetensors" --data-seed 3 >"$folder/evaluated-$device.json"
done
python3 - "$folder"/evaluated-{cpu,cuda}.json <<'PY'
import json, sys
cpu, cuda = (json.load(open(path)) for path in sys.argv[1:])
print("loss %.6f on the CPU, %.6f on the GPU" % (cpu["loss"], cuda["loss"]))
assert abs(cpu["loss"] - cuda["loss"]) < 1e-4 * cpu["loss"]
assert max(d[key] for d in (cpu, cuda) for key in ("probability_sum_error", "causality_error")) < 1e-4
PY
echo "== a full device says so"
if EMULATED_MEMORY=100000 gpt train --steps 1 2>"$folder/full.txt"; then exit 1; fi
grep -i "out of memory" "$folder/full.txt"
echo "== a gate over the step protocol, with a perturbed start in bf16 and an evaluation: nothing is faster, for the device runs its own kernels"
EVALUATE_TOKENS=96 ci/gpu-package.sh "$config" 3 2>/dev/null
ci/gpu-check --out "$folder/gpu-check" --minutes 30 --only machine --only "hopper kernels" --only noise
code=0
/tmp/outpace-gpu-check/outpace -C /tmp/outpace-gpu-check/repository compare slower main --max-blocks 2 || code=$?
[ "$code" -eq 1 ]
echo "== all hold"
