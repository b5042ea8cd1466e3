#!/usr/bin/env bash
# The tests of the sandbox and of folders that programs leave behind, once more as a user who owns
# nothing, where the suite runs as root: root needs other walls, and no folder is closed to it.
# Usage: ci/plain-user.sh     after `cargo test --release --workspace --locked --no-run`
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if [ "$(id -u)" != 0 ]; then
  echo "the suite is not run by root: its tests were those of a plain user"
  exit 0
fi
programs=$(cargo test --release --locked -p outpace-process --no-run --message-format=json 2>/dev/null |
  python3 -c '
import json, sys
made = [json.loads(line) for line in sys.stdin]
made = [one for one in made if one.get("executable") and one["profile"]["test"]]
print(*[one["executable"] for one in made if one["target"]["kind"] in (["lib"], ["test"])])')
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
chown nobody "$home"
as_nobody() {
  setpriv --reuid=nobody --regid=nogroup --clear-groups --inh-caps=-all \
    env HOME="$home" TMPDIR="$home" PATH=/usr/local/bin:/usr/bin:/bin "$@"
}
cd crates/process
for program in $programs; do
  if ! as_nobody test -x "$program"; then
    echo "NOT TESTED as a plain user: this folder is not open to others"
    exit 0
  fi
  # What tier is missing is said.
  as_nobody "$program" --nocapture sandbox:: pristine:: tree::
done
