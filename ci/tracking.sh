#!/usr/bin/env bash
# Every commit, every night, on this repository itself: 40 commits of which one makes a step of
# gpt-nano slower, measured, searched, proven and named; the page is written to OUT.
#
# Usage: ci/tracking.sh OUT [SUMS]
# SUMS: how much slower, in needless sums a row of RMSNorm (ci/slow_down.py); 22 are 5 to 7 %.
# Needs `cargo build --release` and compiled dependencies of outpace-gpt in target/. It takes about
# 20 minutes on 2 cores, most of it measuring.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
out=$(realpath -m "${1:?where to write the page}")
sums=${2:-22}
root=$PWD
outpace=$root/target/release/outpace
planted=23
commits=40

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
git clone -q "$root" "$work/repo"
cd "$work/repo"
# The first build begins from the dependencies that are compiled already.
ln -s "$root/target" target
export GIT_AUTHOR_NAME=tracking GIT_AUTHOR_EMAIL=tracking@example.org
export GIT_COMMITTER_NAME=tracking GIT_COMMITTER_EMAIL=tracking@example.org
first=$(git rev-parse HEAD)
for n in $(seq 1 $commits); do
  echo "# commit $n" >> crates/gpt/configs/gpt-nano.toml
  subject="Tidy $n"
  if [ "$n" = $planted ]; then
    ci/slow_down.py "$sums" . > /dev/null
    subject="Simplify the sums of RMSNorm"
  fi
  git commit -qam "$subject"
  [ "$n" = $planted ] && slow=$(git rev-parse HEAD)
done

step() { printf '\n== %s (%s s so far)\n' "$1" "$SECONDS"; }
step "outpace bench: each commit beside the anchor"
"$outpace" bench "$first..HEAD" --anchor "$first" --blocks "${BLOCKS:-6}"
step "outpace regressions"
code=0
"$outpace" regressions || code=$?
[ $code = 3 ] || { echo "expected exit code 3, not $code"; exit 1; }
found=$("$outpace" regressions --known --json || true)
step "outpace bisect"
named=$("$outpace" bisect "$first" HEAD --json)
step "outpace report --nightly"
"$outpace" report --nightly --out "$out"
python3 - "$slow" "$found" "$named" <<'PY'
import json, sys
slow, found, named = sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3])
alarms = [c for c in found["changes"] if c["standing"] == "regression"]
others = [c for c in found["changes"] if c["found"] < 0 and c["standing"] != "regression"]
assert [c["named"] for c in alarms] == [slow], (slow, alarms)
assert named["found"] == [slow], (slow, named["found"])
print(f"planted {slow[:9]}: found and proven by regressions ({alarms[0]['speedup']:+.1%}, at most "
      f"{alarms[0]['at_most']:+.1%}), named by bisect in {len(named['steps'])} steps; "
      f"{len(others)} other slowdowns found")
PY
printf 'all in %s s\n' "$SECONDS"
