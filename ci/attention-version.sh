#!/usr/bin/env bash
# Says in a copy of kernels/src which version of attention a Hopper is given: that of cuda.cu (0) or that of hopper.cu (1).
# Usage: ci/attention-version.sh 0|1 FOLDER
set -euo pipefail
[[ $1 == [01] ]] || { echo "there is no version $1, only 0 and 1" >&2; exit 2; }
line="constexpr int ATTENTION_HOPPER = $1;"
sed -i "s/^constexpr int ATTENTION_HOPPER = [01];/$line/" "$2/attention/hopper.cu"
grep -qx "$line" "$2/attention/hopper.cu" || {
  echo "$2/attention/hopper.cu has no line 'constexpr int ATTENTION_HOPPER = 0;' to change" >&2
  exit 1
}
