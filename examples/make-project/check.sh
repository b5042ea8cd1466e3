#!/bin/sh
# Fails unless the program at $1 prints the losses that expected.txt has, to a millionth.
set -e
"$1" | awk 'NR == FNR { want[$1] = $2; next }
  { d = $2 - want[$1]; if (d < 0) d = -d; if (d > 1e-6 * want[$1]) { print "step " $1 ": " $2; bad = 1 } n++ }
  END { exit bad || n != length(want) }' "$(dirname "$0")/expected.txt" -
