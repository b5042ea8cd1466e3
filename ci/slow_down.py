#!/usr/bin/env python3
"""Makes RMSNorm of this checkout slower by so many needless sums a row. Taking them back is a gain of known cause.

Usage: ci/slow_down.py SUMS
25 are worth about 3 % of a step of gpt-nano on 2 cores; a processor hides the first ten between its other work.
"""

import pathlib
import sys

SOURCE = pathlib.Path("kernels/src/rms_norm/cpu.rs")
BEFORE = "    let mean_square = dot(row, row)"

text = SOURCE.read_text()
if text.count(BEFORE) != 1:
    sys.exit(f"{SOURCE} does not hold the line `{BEFORE.strip()}` once")
needless = f"""    for _ in 0..{int(sys.argv[1])} {{
        std::hint::black_box(dot(std::hint::black_box(row), row));
    }}
"""
SOURCE.write_text(text.replace(BEFORE, needless + BEFORE))
