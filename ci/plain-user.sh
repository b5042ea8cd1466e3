#!/usr/bin/env bash
# The tests of the sandbox and of folders that programs leave behind, once more as a user who owns
# nothing, where the suite runs as root: root needs other walls, and no folder is closed to it.
# Usage: ci/plain-user.sh     after `cargo test --release --workspace --locked --no-run`
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
not_tested() { echo "NOT TESTED as a plain user: $1"; exit 0; }
if [ "$(id -u)" != 0 ]; then
  echo "the suite is not run by root: its tests were those of a plain user"
  exit 0
fi
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
chown nobody "$home"
as_nobody() {
  setpriv --reuid=nobody --regid="$(id -g nobody)" --clear-groups --inh-caps=-all \
    env HOME="$home" TMPDIR="$home" PATH=/usr/local/bin:/usr/bin:/bin "$@"
}
as_nobody true || not_tested "there is no \`setpriv\`, or no user \`nobody\`"
as_nobody test -r "$PWD/Cargo.toml" || not_tested "this folder is not open to others"

# `Executable unittests src/lib.rs (target/release/deps/outpace_process-...)`
programs=$(cargo test --release --locked -p outpace-process --no-run 2>&1 |
  sed -n 's#.*Executable.*\(src/lib\|tests/process/main\).rs (\(.*\))$#\2#p')
[ "$(wc -w <<<"$programs")" = 2 ] || { echo "its tests are not where they were: $programs" >&2; exit 1; }
root=$PWD
cd crates/process
for program in $programs; do
  # What tier is missing is said.
  as_nobody "$root/$program" --nocapture sandbox:: pristine:: tree:: | tee "$home/said"
  grep -q "test result: ok. [1-9]" "$home/said"
done
