#!/usr/bin/env bash
# Puts together what ci/gpu-check needs on a machine with a GPU that has neither Rust nor a network: the two programs, and a small repository whose
# branch `slower` differs from `main` by needless work in one CUDA kernel, and `plain` from `hopper` by the version of attention that a Hopper
# is given. Takes what ci/cuda-build.sh takes, about 7 minutes the first time.
# Usage: ci/gpu-package.sh [CONFIG [PAIRS IN A BLOCK [NEEDLESS SUMS A ROW]]]     default: crates/gpt/configs/gpt-124m.toml 10 64
#        EVALUATE_TOKENS: validation tokens, by default one batch of gpt-124m
# Then carry the checkout with target/gpu-check/package.tar.xz to the machine, and run ci/gpu-check there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
config=${1:-crates/gpt/configs/gpt-124m.toml}
out=target/gpu-check
cargo build --release --locked -p outpace
ci/cuda-build.sh build --release --locked -p outpace-gpt --features cuda
rm -rf "$out"
mkdir -p "$out/package"
strip -o "$out/package/outpace" target/release/outpace
strip -o "$out/package/outpace-gpt" target/cuda-target/release/outpace-gpt
cp "$config" "$out/package/config.toml"
grep -q '^device = "cuda"' "$config" || printf '\n[run]\ndevice = "cuda"\nprecision = "bf16"\n' >>"$out/package/config.toml"
git describe --always --dirty --abbrev=12 >"$out/package/revision"

# A repository of its own: the gate then works on real revisions, and what differs is compiled on the GPU's machine by NVRTC.
repository=$out/package/repository
mkdir -p "$repository/kernels"
cp -r kernels/src "$repository/kernels/"
cp "$out/package/config.toml" "$repository/config.toml"
cat >"$repository/outpace.toml" <<TOML
version = 1

[workload.gpt]
build    = ["sh", "-c", "mkdir -p {target} && cp /tmp/outpace-gpu-check/outpace-gpt {target}/ && {target}/outpace-gpt compile --out {target}/kernels"]
run      = ["{target}/outpace-gpt", "train", "--config", "config.toml", "--kernels={target}/kernels"]
evaluate = ["{target}/outpace-gpt", "evaluate", "--config", "config.toml", "--kernels={target}/kernels", "--precision=f32", "--tokens=${EVALUATE_TOKENS:-16384}"]
reads    = ["config.toml"]
timeout  = "2m"
check_steps = 8

[policy]
editable = ["kernels/src/**"]

[gate]
pairs = ${2:-10}
max_blocks = 24
TOML
in_repository() { git -C "$repository" -c user.name=gpu-check -c user.email=gpu-check@localhost "$@"; }
in_repository init -q -b main
in_repository add -A
in_repository commit -qm "kernels as they are"
in_repository checkout -q -b slower
python3 ci/slow_down.py --cuda "${3:-64}" "$repository"
in_repository commit -qam "rms_norm: needless sums"
version() { # BRANCH VALUE
  in_repository checkout -q -b "$1" main
  ci/attention-version.sh "$2" "$repository/kernels/src"
  in_repository commit -q --allow-empty -am "attention on a Hopper: $1"
}
version plain 0
version hopper 1
in_repository checkout -q main
# One file, so that whatever copies it keeps the repository whole.
tar -C "$out/package" -cJf "$out/package.tar.xz" .
rm -rf "$out/package"
du -h "$out/package.tar.xz" >&2
