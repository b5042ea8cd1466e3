#!/usr/bin/env bash
# The sandbox's tests once more as a user who owns nothing, where the suite runs as root: root needs
# other walls than a user does.
# Usage: ci/plain-user.sh     after `cargo test --release --workspace --locked --no-run`
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if [ "$(id -u)" != 0 ]; then
  echo "the suite is not run by root: its tests were those of a plain user"
  exit 0
fi
program=$(cargo test --release --locked -p outpace-process --test process --no-run \
  --message-format=json 2>/dev/null | python3 -c '
import json, sys
made = [json.loads(line).get("executable") for line in sys.stdin]
print([path for path in made if path and "/process-" in path][-1])')
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
chown nobody "$home"
as_nobody() {
  setpriv --reuid=nobody --regid=nogroup --clear-groups --inh-caps=-all \
    env HOME="$home" TMPDIR="$home" PATH=/usr/local/bin:/usr/bin:/bin "$@"
}
if ! as_nobody test -x "$program"; then
  echo "NOT TESTED as a plain user: this folder is not open to others"
  exit 0
fi
cd crates/process
as_nobody "$program" sandbox::
