#!/usr/bin/env python3
"""Recipes of a PyTorch script on the time-to-loss track, each through the gate.

Usage: ci/pytorch_loss.py [NAME ...]     all, or only the named ones

It ends with 1 if one is judged as it must not be.

Needs `torch`, `safetensors` and Python 3.11 in the Python that is first in PATH, and the built
commands outpace and outpace-gpt. A gate takes some minutes: each process imports PyTorch.
"""

import json
import pathlib
import shutil
import sys
import tempfile

from pytorch_gates import ROOT, git, judged, run

TRAINER = ROOT / "target" / "release" / "outpace-gpt"
RECIPE = "crates/gpt/configs/gpt-nano-loss.toml"
SCRIPTS = ("examples/pytorch/train.py", "examples/pytorch/text.py", "python/outpace_step/src")
ARGUMENTS = ["--config", "recipe.toml", "--trainer", str(TRAINER)]
CONFIG = f"""version = 1
[workload.recipe]
track   = "time-to-loss"
run     = {json.dumps(["python3", "examples/pytorch/train.py", *ARGUMENTS, "--batches", "800"])}
text    = {json.dumps(["python3", "examples/pytorch/text.py", *ARGUMENTS, "--length", "64"])}
threads = 1
timeout = "2m"
target_loss = 2.2
max_steps   = 600
evaluate_every = 8
[policy]
editable = ["recipe.toml"]
[gate]
max_seconds = 1200
"""
RATE = "learning_rate = 1e-3"

CASES = {
    "sooner": ("learning_rate = 2e-3", {"faster"}),
    "later": ("learning_rate = 5e-4", {"slower"}),
    # All but the same.
    "alike": ("learning_rate = 1.001e-3", {"not_proven"}),
}


def gate(rate):
    """The verdict on a learning rate, in a repository of its own."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        git(folder, "init", "-q", "-b", "main")
        for name in SCRIPTS:
            to = folder / name
            to.parent.mkdir(parents=True, exist_ok=True)
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
            copy(ROOT / name, to)
        recipe = (ROOT / RECIPE).read_text()
        if RATE not in recipe:
            raise SystemExit(f"{RECIPE} has no `{RATE}` any more")
        (folder / "recipe.toml").write_text(recipe)
        (folder / "outpace.toml").write_text(CONFIG)
        git(folder, "add", ".")
        git(folder, "commit", "-q", "-m", "begin")
        (folder / "recipe.toml").write_text(recipe.replace(RATE, rate))
        git(folder, "commit", "-q", "-a", "-m", "change")
        return judged(folder)


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:], CASES, gate))
