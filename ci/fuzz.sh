#!/usr/bin/env bash
# Readers of text that somebody else wrote, against libFuzzer, two at a time. Needs a nightly
# compiler; installs cargo-fuzz where it is missing. What it found lies in target/fuzz/artifacts.
# Usage: ci/fuzz.sh [SECONDS A TARGET [TARGET...]]     1,800 and all of them without arguments
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
seconds=${1:-1800}
shift || true
cargo fuzz --version >/dev/null 2>&1 || cargo install --locked cargo-fuzz
targets=("$@")
if [ $# -eq 0 ]; then mapfile -t targets < <(cargo +nightly fuzz list); fi

# What is written by hand begins where chance would not come in a night.
seeds=$PWD/target/fuzz/seeds
for target in "${targets[@]}"; do mkdir -p "$seeds/$target"; done
seed() {
  target=$1
  shift
  [ -d "$seeds/$target" ] || return 0
  for file in "$@"; do cp "$file" "$seeds/$target/$(sha1sum <"$file" | cut -c1-16)"; done
}
seed config outpace.toml tests/target/outpace.toml examples/*/outpace.toml
mapfile -t proofs < <(find baselines -name '*.json' | head -40)
seed records "${proofs[@]}"
mapfile -t patches < <(find tests/cheats tests/honest examples -name '*.patch' -size -8k)
seed patch "${patches[@]}"
mapfile -t imports < <(find crates/import/tests -name '*.json' -size -64k)
seed import "${imports[@]}"
printf '**/*.rs\nsrc/{a,b}/[!c]*\n' >"$seeds/globs.txt"
seed globs "$seeds/globs.txt"
printf '{"type":"start","model_seed":7,"data_seed":9}\n{"type":"step","n":4}\n{"type":"stop"}\n' \
  >"$seeds/step.txt"
seed step "$seeds/step.txt"
printf '{"type":"done","step":4,"losses":[5.5,null,5.4,5.3]}' >"$seeds/reply.txt"
seed reply "$seeds/reply.txt"
python3 - "$seeds/checkpoint.bin" <<'PY'
import json, struct, sys

tensors = {"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}
tensors["b"] = {"dtype": "BF16", "shape": [1, 2], "data_offsets": [8, 12]}
head = json.dumps(tensors).encode()
with open(sys.argv[1], "wb") as file:
    file.write(struct.pack("<Q", len(head)) + head + bytes(range(12)))
PY
seed checkpoint "$seeds/checkpoint.bin"

export CARGO_TARGET_DIR=$PWD/target/fuzz/build
mkdir -p target/fuzz/artifacts
cargo +nightly fuzz build
one() {
  corpus=$PWD/target/fuzz/corpus/$1
  mkdir -p "$corpus"
  if cargo +nightly fuzz run "$1" "$corpus" "$seeds/$1" -- -max_total_time="$seconds" \
    -rss_limit_mb=4096 -timeout=20 -print_final_stats=1 \
    -artifact_prefix="target/fuzz/artifacts/$1-" >"target/fuzz/$1.txt" 2>&1; then
    runs=$(sed -n 's/.*number_of_executed_units: *//p' "target/fuzz/$1.txt")
    echo "$1: no finding in $seconds s, $runs inputs"
  else
    echo "$1: FOUND SOMETHING, target/fuzz/$1.txt"
    return 1
  fi
}
export -f one
export seconds seeds
printf '%s\n' "${targets[@]}" | xargs -P 2 -I{} bash -c 'one {}'
