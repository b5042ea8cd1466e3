#!/usr/bin/env bash
# The red team: every patch of tests/cheats and tests/honest through a whole gate, in every tier of
# the sandbox that this machine has. About 40 minutes; writes docs/red-team.md.
# Usage: ci/red-team.sh [TEXT]     only patches whose name has TEXT; writes nothing
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
if [ $# -gt 0 ]; then export RED_TEAM=$1; fi
cargo test --release --locked -p outpace --test outpace -- --ignored --nocapture all_of_the_red_team
