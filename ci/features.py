#!/usr/bin/env python3
"""Checks that every way to build compiles each dependency with the same features.

Otherwise `cargo build` (the command alone), `cargo build -p outpace-gpt` and
`cargo test --workspace` compile most dependencies again. What is missing belongs into
crates/features/Cargo.toml.
"""

import re
import subprocess
import sys

WAYS = {
    "the command": ["-p", "outpace"],
    "the workload": ["-p", "outpace-gpt"],
    "both": ["-p", "outpace", "-p", "outpace-gpt"],
    "the workspace": ["--workspace"],
}


def features(selection, edges):
    """Features of each package and version, for one selection of packages."""
    command = ["cargo", "tree", "--locked", "--offline", "--prefix", "none", "-f", "{p} [{f}]"]
    text = subprocess.run([*command, *edges, *selection], check=True, capture_output=True, text=True)
    found = {}
    for line in text.stdout.splitlines():
        match = re.match(r"(\S+ v\S+)(?: \([^)]*\))* \[(.*?)\]", line)
        if match:
            found.setdefault(match.group(1), set()).add(match.group(2))
    return found


def main():
    trees = {}
    for way, selection in WAYS.items():
        edges = [] if way == "the workspace" else ["-e", "normal,build"]
        trees[way] = features(selection, edges)
    whole = trees["the workspace"]
    wrong = 0
    for way, tree in trees.items():
        for package, sets in sorted(tree.items()):
            if sets != whole[package]:
                wrong += 1
                print(f"{way}: {package} has {sorted(sets)}, the workspace {sorted(whole[package])}")
    if wrong:
        sys.exit("Add the missing features to crates/features/Cargo.toml")
    print("every way to build has the same features")


if __name__ == "__main__":
    main()
