#!/usr/bin/env bash
# Installs `bwrap` where it is missing and Debian's packages can be had, so that both tiers of the
# sandbox are tested. Where it cannot, tests of that tier say that they are not run.
set -euo pipefail
command -v bwrap >/dev/null && exit 0
install() { timeout 300 apt-get install -y -qq bubblewrap >/dev/null 2>&1; }
if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  install || { timeout 300 apt-get update -qq >/dev/null 2>&1 && install; } || true
fi
command -v bwrap >/dev/null || echo "bubblewrap: NOT INSTALLED, its tier is not tested here"
