#!/usr/bin/env bash
# PyTorch beside outpace-gpt on this machine: the same model from the same weights and batches, eager and compiled, one verdict each; then where
# our time goes, operation by operation, against what the machine can do.
# Usage: ci/pytorch.sh [CONFIG] [FOLDER FOR THE RESULTS]
# Needs Python 3.11 or newer and a C++ compiler. torch and safetensors are installed into a virtual environment in target/ unless it is there
# already; PYTORCH_PIP_ARGS is passed on to pip (an index with CPU builds saves gigabytes).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
config=$(realpath "${1:-crates/gpt/configs/gpt-micro.toml}")
out=${2:-target/pytorch}
venv=target/pytorch-venv
mkdir -p "$out"
cargo build --release --locked -p outpace -p outpace-gpt
if ! "$venv/bin/python" -c 'import torch, safetensors' 2>/dev/null; then
  python3 -m venv "$venv"
  # shellcheck disable=SC2086 # several arguments in one variable
  "$venv/bin/pip" install --quiet ${PYTORCH_PIP_ARGS:-} torch safetensors numpy setuptools
fi
"$venv/bin/python" -m unittest discover -s examples/pytorch
ours="$PWD/target/release/outpace-gpt train --config $config"
theirs="$PWD/$venv/bin/python $PWD/examples/pytorch/train.py --config $config --trainer $PWD/target/release/outpace-gpt"
for mode in eager compile; do
  flag=""
  [ "$mode" = compile ] && flag="--compile"
  target/release/outpace compare --base-cmd "$theirs $flag" --candidate-cmd "$ours" --json >"$out/$mode.json" || case $? in 1 | 3 | 4) ;; *) exit 5 ;; esac
done
target/release/outpace-gpt profile --config "$config" --steps 50 >"$out/profile.json"
"$venv/bin/python" - "$out" <<'PY'
import json, os, sys, time

import torch

print("| PyTorch | tokens/s | outpace-gpt, tokens/s | ratio | at least | verdict | blocks | peak MiB, theirs and ours | losses apart |")
print("|---|---|---|---|---|---|---|---|---|")
for mode in ("eager", "compile"):
    v = json.load(open(f"{sys.argv[1]}/{mode}.json"))
    if v["verdict"] == "rejected":
        print(f"| {mode} | rejected: {v['reason']} |")
        continue
    tokens = v["tokens_per_s"]
    checks = {c["name"]: c for c in v["checks"]}
    peaks = [max(b["peak_mib"][side] for b in v["blocks"]) for side in (0, 1)]
    bound = "-" if v["at_least"] is None else f"{1 + v['at_least']:.3f}"
    print(
        f"| {mode} | {tokens['base']:.0f} | {tokens['candidate']:.0f} | {1 + v['speedup']:.3f} | {bound} | {v['verdict']}"
        f" | {v['n_blocks']} | {peaks[0]:.0f}, {peaks[1]:.0f} | {checks['timed losses']['value']:.1e} |"
    )

# How much of a difference is the matrix product's alone.
torch.set_num_threads(len(os.sched_getaffinity(0)))
a, b = torch.randn(1024, 1024), torch.randn(1024, 1024)
seconds = []
for _ in range(20):
    begin = time.perf_counter()
    a @ b
    seconds.append(time.perf_counter() - begin)
p = json.load(open(f"{sys.argv[1]}/profile.json"))
ours = p["peaks"]["matmul_flops_per_s"]
print(f"\nA large matrix product: PyTorch {torch.__version__} {2 * 1024**3 / min(seconds) / 1e9:.0f} GFLOP/s, outpace-gpt {ours / 1e9:.0f}.")
print(
    f"\noutpace-gpt: {1e3 * p['step_time_s']:.1f} ms a step, {p['page_faults_per_step']:.2f} page faults a step,"
    f" {p['peak_memory_bytes'] / 2**20:.0f} MiB at most; a copy: {p['peaks']['copy_bytes_per_s'] / 1e9:.0f} GB/s.\n"
)
print("| operation | ms | share | of limit |\n|---|---|---|---|")
for o in p["operations"]:
    limit = "-" if o["share_of_limit"] is None else f"{100 * o['share_of_limit']:.0f} %"
    print(f"| {o['name']} | {1e3 * o['seconds_per_step']:.2f} | {100 * o['share']:.1f} % | {limit} |")
PY
