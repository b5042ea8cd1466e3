#!/usr/bin/env python3
"""Makes RMSNorm slower by so many needless sums a row. Taking them back is a gain of known cause.

Usage: ci/slow_down.py [--cuda] SUMS [CHECKOUT]
On the CPU 25 are worth about 3 % of a step of gpt-nano on 2 cores; a processor hides the first ten between its other work.
"""

import argparse
import pathlib
import sys

CPU = ("cpu.rs", "    let mean_square = dot(row, row)", """\
    for _ in 0..{sums} {{
        std::hint::black_box(dot(std::hint::black_box(row), row));
    }}
""")
# The compiler knows neither that memory is what it was nor that nothing is added.
# In the kernel that a step of a GPT calls most: the one with a residual connection before it.
CUDA = ("cuda.cu", "    rms_norm_row(kept, x, weight, y + at, width, epsilon);", """\
    for (int n = 0; n < {sums}; n++) {{
        asm volatile("" ::: "memory");
        float sum = 0.0f;
        for (int j = 0; column_of<T>(j) < width; j++) sum += sum_of_squares(load(x + column_of<T>(j)));
        if (warp_sum(sum) == 1e38f) epsilon += 1.0f;
    }}
""")

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("--cuda", action="store_true", help="the CUDA kernel")
parser.add_argument("sums", type=int)
parser.add_argument("checkout", nargs="?", default=".", type=pathlib.Path)
options = parser.parse_args()

name, before, needless = CUDA if options.cuda else CPU
source = options.checkout / "kernels/src/rms_norm" / name
text = source.read_text()
if text.count(before) != 1:
    sys.exit(f"{source} does not hold the line `{before.strip()}` once")
source.write_text(text.replace(before, needless.format(sums=options.sums) + before))
