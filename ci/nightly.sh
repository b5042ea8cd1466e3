#!/usr/bin/env bash
# The long checks, for a machine that is otherwise idle: noise, false alarms, proof of a known gain, a campaign.
# Usage: ci/nightly.sh [FOLDER FOR THE RESULTS [cuda | cpu]]     only CUDA without a GPU, or only the rest
#        ci/nightly.sh FOLDER workflows     the workflows of GitHub Actions, run here end to end
#        ci/nightly.sh FOLDER long     the tests that are too long for the suite
#        ci/nightly.sh FOLDER red-team     tests/cheats and tests/honest; writes docs/red-team.md
#        ci/nightly.sh FOLDER fuzz     every parser of foreign text against libFuzzer, by itself
#        ci/nightly.sh FOLDER mutants [REV]     which mutants no test notices, by itself
# What `cuda` last said is kept in reports/nightly: ci/nightly.sh reports/nightly cuda
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
out=${1:-target/nightly}
mkdir -p "$out"
cargo build --release --locked
outpace=$PWD/target/release/outpace

cuda() {
  echo "== CUDA without a GPU: every kernel with NVRTC, and the build with --features cuda"
  CUDA_HOME=$(ci/cuda-toolkit.sh)
  export CUDA_HOME
  ci/cuda_kernels.py | tee "$out/cuda-kernels.txt"
  ci/cuda-build.sh clippy --release --locked -p outpace-gpt --features cuda -- -D warnings
  echo "== the CUDA build on a device that is emulated on the CPU"
  ci/cuda-emulated.sh 2>&1 | sed "s#$PWD/##g" | tee "$out/cuda-emulated.txt"
}

workflows() {
  echo "== the workflows that init writes: a fork's pull request, hostile artifacts, nights, a campaign"
  "$(ci/tools.sh)/python3" -m unittest discover -v -s ci/actions/end_to_end 2>&1 | tee "$out/workflows.txt"
}

fuzz() {
  echo "== readers of text that somebody else wrote, half an hour each"
  ci/fuzz.sh 2>&1 | tee "$out/fuzz.txt"
}

long() {
  echo "== tests that are too long for the suite: how-tos to the letter, ten kills, GPUs apart"
  cargo test --release --locked -p outpace --test outpace -- --ignored --test-threads 1 \
    --skip all_of_the_red_team 2>&1 | tee "$out/long.txt"
}

red_team() {
  echo "== patches that lie, and odd ones that are right, in every tier of the sandbox"
  ci/red-team.sh 2>&1 | tee "$out/red-team.txt"
}

case ${2:-all} in
  cuda) cuda; exit ;;
  fuzz) fuzz; exit ;;
  long) long; exit ;;
  red-team) red_team; exit ;;
  workflows) workflows; exit ;;
  mutants) ci/mutants.sh "${3:-all}" "$out"; exit ;;
  cpu) ;;
  all) cuda; workflows; long; red_team ;;
  *) echo "there is no part $2. Hint: cuda, cpu, workflows, long, red-team, fuzz, mutants" >&2; exit 2 ;;
esac

echo "== noise of gpt-nano, three times 30 blocks: at most 0.015"
for n in 1 2 3; do
  "$outpace" doctor --blocks 30 --json >"$out/doctor-$n.json" 2>/dev/null
  python3 -c 'import json,sys; d=json.load(open(sys.argv[1])); print("sd %.4f  block %.2f s  overhead %.0f %%" % (d["aa_sd"], d["block_s"], 100*d["overhead"]))' "$out/doctor-$n.json"
done

echo "== the base against itself, twenty times: at most one is called faster or slower"
wrong=0
for n in $(seq 20); do
  code=0
  "$outpace" compare HEAD HEAD --aa --json >"$out/aa-$n.json" 2>/dev/null || code=$?
  [ "$code" -eq 1 ] || wrong=$((wrong + 1))
done
echo "$wrong of 20"

echo "== a true gain of a few per cent: proven in under 45 s of trial"
gain=$(mktemp -d)
git clone -q . "$gain/clone"
ln -s "$PWD/target" "$gain/clone/target"
(
  cd "$gain/clone"
  git checkout -q -b slower
  python3 ci/slow_down.py 25
  git -c user.name=nightly -c user.email=nightly@localhost commit -qam "rms_norm: needless sums"
  "$outpace" compare slower HEAD~1 --json 2>/dev/null || true
) >"$out/gain.json"
rm -rf "$gain"
python3 - "$out/gain.json" <<'PY'
import json, sys
v = json.load(open(sys.argv[1]))
print("%s: %+.1f %%, at least %+.1f %%, %d blocks, %.1f s" % (v["verdict"], 100 * v["speedup"], 100 * v["at_least"], v["n_blocks"], v["trial_s"]))
PY

echo "== 20,000 simulated trials under each of five shapes of noise: at most alpha is called faster"
cargo test --release --locked -p outpace-stats --test stats -- --ignored --nocapture twenty_thousand recorded | tee "$out/null.txt"

if python3 -c "import torch, outpace_step" 2>"$out/torch.txt"; then
  echo "== patches to a PyTorch script, honest ones and others"
  ci/pytorch_gates.py | tee "$out/pytorch-gates.txt"
else
  echo "== patches to a PyTorch script: skipped, torch or outpace_step is not installed"
fi

echo "== judge: 10,000 trials of 24 blocks of 9 pairs in under 5 s"
python3 - >"$out/trials.jsonl" <<'PY'
import json, random
rng = random.Random(7)
for _ in range(10000):
    blocks = [[[0.02 * (1 + 0.02 * rng.random()), 0.02 * (1 + 0.02 * rng.random())] for _ in range(9)] for _ in range(24)]
    print(json.dumps({"blocks": blocks}))
PY
time "$outpace" judge "$out/trials.jsonl" >"$out/judged.jsonl"

echo "== a campaign of an hour"
"$outpace" research --agent tune --budget 1h --into outpace/nightly --out "$out/campaign"
"$outpace" audit outpace/nightly

[ "$wrong" -le 1 ]
