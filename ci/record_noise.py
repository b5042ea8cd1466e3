#!/usr/bin/env python3
"""Records the noise of a workload: blocks of one revision on both sides, for tests of the rule.

Usage: ci/record_noise.py WORKLOAD OUT.json [--blocks 48] [-C REPOSITORY] [--outpace PROGRAM]

It runs `outpace compare HEAD HEAD --aa` with a minimum of 0, so that nothing ends the trial early
but a false `faster` or `slower`, and writes the times in units of 100 ns.
"""

import argparse
import json
import pathlib
import re
import subprocess
import tempfile

parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("workload")
parser.add_argument("out", type=pathlib.Path)
parser.add_argument("--blocks", type=int, default=48)
parser.add_argument("-C", dest="repository", type=pathlib.Path, default=pathlib.Path("."))
parser.add_argument("--outpace", default="outpace")
options = parser.parse_args()

text = subprocess.run(["git", "show", "HEAD:outpace.toml"], cwd=options.repository, check=True,
                      capture_output=True, text=True).stdout
# Long blocks from the first: the schedule of a trial is put on top of them.
head, _, rest = text.partition("\n[gate]")
own, at, others = rest.partition("\n[")
own = re.sub(r"(?m)^(min_speedup|max_blocks|pairs)\b.*$", "", own.partition("\n")[2])
text = (f"{head}\n[gate]\nmin_speedup = 0\nmax_blocks = {options.blocks}\npairs = 160\n"
        f"{own}{at}{others}")
with tempfile.NamedTemporaryFile("w", suffix=".toml") as config:
    config.write(text)
    config.flush()
    run = subprocess.run([options.outpace, "compare", "HEAD", "HEAD", "--aa", "--json", "-w",
                          options.workload, "--config", config.name], cwd=options.repository,
                         stdout=subprocess.PIPE, text=True)
verdict = json.loads(run.stdout)
blocks = [[[round(t * 1e7) for t in pair] for pair in block["pairs"][:60]]
          for block in verdict["blocks"]]
options.out.write_text(json.dumps({"workload": options.workload, "blocks": blocks},
                                  separators=(",", ":")) + "\n")
print(f"{options.out}: {len(blocks)} blocks, {sum(map(len, blocks))} pairs, {verdict['verdict']}")
