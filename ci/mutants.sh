#!/usr/bin/env bash
# Which changes of the code does no test notice? Fails on one that docs/mutants.md does not list.
# Usage: ci/mutants.sh [REV [FOLDER FOR THE RESULTS]]     only what changed since REV; `all` for all
# All of it takes hours. The results lie in target/mutants, or in FOLDER/mutants.out.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
since=${1:-all}
out=${2:-target/mutants}
list=docs/mutants.md
packages=(outpace-stats outpace-trial outpace-gate outpace-research)

if ! cargo mutants --version >/dev/null 2>&1; then
  echo "cargo-mutants is missing. Hint: cargo install --locked cargo-mutants" >&2
  exit 2
fi
mkdir -p "$out"

# As the other tests are built, but only what a mutant changed is compiled again. One job: some
# tests go by time, and the machine may have two cores.
export CARGO_PROFILE_RELEASE_INCREMENTAL=true
args=(--profile release --cap-lints true --no-shuffle -j 1 --output "$out")
# A mutant that loops for ever is ended, and counts as found.
args+=(--build-timeout 900 --timeout-multiplier 3 --minimum-test-timeout 60)
for package in "${packages[@]}"; do args+=(--package "$package"); done
if [ "$since" != all ]; then
  git -c diff.noprefix=false -c diff.mnemonicPrefix=false diff "$since" -- crates >"$out/since.diff"
  args+=(--in-diff "$out/since.diff")
fi

# What an earlier run left is not mistaken for this one's result.
rm -rf "$out/mutants.out" "$out/mutants.out.old"
code=0
cargo mutants "${args[@]}" || code=$?
# 0: all were found, 2: some survive, 3: some ran into the time limit.
case $code in
  0 | 2 | 3) ;;
  *) echo "cargo mutants ended with $code. Hint: $out/mutants.out/log" >&2; exit "$code" ;;
esac

# `file:line:column: mutant` becomes `file: mutant`: lines move, and the list is read by people.
survivors=$out/survivors.txt listed=$out/listed.txt
cat "$out/mutants.out/missed.txt" 2>/dev/null | sed -E 's/^([^:]+):[0-9]+:[0-9]+: /\1: /' \
  | LC_ALL=C sort -u >"$survivors"
{ grep -oE '`crates/[^`]+: [^`]+`' "$list" || true; } | tr -d '`' | LC_ALL=C sort -u >"$listed"
if [ "$since" = all ]; then
  LC_ALL=C comm -13 "$survivors" "$listed" | sed "s#^#no longer survives, take it from $list: #"
fi
unlisted=$(LC_ALL=C comm -23 "$survivors" "$listed")
if [ -n "$unlisted" ]; then
  printf 'no test notices these:\n%s\n' "$unlisted" >&2
  echo "Hint: write a test that fails with it, or add it to $list with the reason" >&2
  exit 1
fi
echo "every surviving mutant is listed in $list: $(wc -l <"$survivors")"
