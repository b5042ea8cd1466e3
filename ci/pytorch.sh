#!/usr/bin/env bash
# PyTorch beside outpace-gpt on this machine: the same model from the same weights and batches, eager and compiled, one verdict each.
# Usage: ci/pytorch.sh [CONFIG] [FOLDER FOR THE RESULTS]
# Needs Python 3.11 or newer and a C++ compiler. torch and safetensors are installed into a virtual environment in target/ unless it is there
# already; PYTORCH_PIP_ARGS is passed on to pip (an index with CPU builds saves gigabytes).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
config=${1:-crates/gpt/configs/gpt-micro.toml}
out=${2:-target/pytorch}
venv=target/pytorch-venv
mkdir -p "$out"
cargo build --release --locked -p outpace -p outpace-gpt
if [ ! -x "$venv/bin/python" ]; then
  python3 -m venv "$venv"
  # shellcheck disable=SC2086 # several arguments in one variable
  "$venv/bin/pip" install --quiet ${PYTORCH_PIP_ARGS:-} torch safetensors numpy setuptools
fi
ours="$PWD/target/release/outpace-gpt train --config $PWD/$config"
theirs="$PWD/$venv/bin/python $PWD/examples/pytorch/train.py --config $PWD/$config --trainer $PWD/target/release/outpace-gpt"
for mode in eager compile; do
  flag=""
  [ "$mode" = compile ] && flag="--compile"
  target/release/outpace compare --base-cmd "$theirs $flag" --candidate-cmd "$ours" --json >"$out/$mode.json" || true
done
"$venv/bin/python" - "$out" <<'PY'
import json, sys

print("| PyTorch | tokens/s | outpace-gpt, tokens/s | ratio | at least | verdict | blocks | peak MiB, theirs and ours | losses apart |")
print("|---|---|---|---|---|---|---|---|---|")
for mode in ("eager", "compile"):
    v = json.load(open(f"{sys.argv[1]}/{mode}.json"))
    tokens = v["tokens_per_s"]
    checks = {c["name"]: c for c in v["checks"]}
    peaks = [max(b["peak_mib"][side] for b in v["blocks"]) for side in (0, 1)]
    bound = "-" if v["at_least"] is None else f"{1 + v['at_least']:.3f}"
    print(
        f"| {mode} | {tokens['base']:.0f} | {tokens['candidate']:.0f} | {1 + v['speedup']:.3f} | {bound} | {v['verdict']}"
        f" | {v['n_blocks']} | {peaks[0]:.0f}, {peaks[1]:.0f} | {checks['timed losses']['value']:.1e} |"
    )
PY
