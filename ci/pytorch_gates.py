#!/usr/bin/env python3
"""Patches to a PyTorch script, honest ones and others, each through the gate.

Usage: ci/pytorch_gates.py [NAME ...]     all, or only the named ones

It ends with 1 if one is judged as it must not be.

Needs `torch` and `outpace_step` in the Python that is first in PATH, and the built command. A gate
takes some minutes. What a patch may end with depends on the machine: an honest one is never
refused, and one that trains another model, or less of it, is never called faster.
"""

import json
import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROJECT = ROOT / "examples" / "pytorch-project"
CONFIG = """version = 1
[workload.train]
run     = ["python3", "train.py"]
env     = { OMP_NUM_THREADS = "1" }
timeout = "10m"
[policy]
editable = ["train.py"]
[gate]
max_seconds = 1200
max_blocks  = 20
"""

MASK = ".masked_fill(hidden, -math.inf)"
STEP = "    optimizer.zero_grad()\n    loss.backward()\n    optimizer.step()\n"
OPTIMISER = "torch.optim.AdamW(model.parameters(), lr=learning_rate)"
BATCH = "    inputs, targets = get_batch()\n"
LOOP = "for step in outpace_step.steps("
PREFETCH = """import queue
import threading

batches = queue.Queue(4)


def fill():
    while True:
        batches.put(get_batch())


threading.Thread(target=fill, daemon=True).start()
"""

HONEST = {"faster", "not_proven", "same", "slower"}
NEVER_FASTER = {"rejected", "not_proven", "same", "slower"}
WRONG = {"rejected"}


def replaced(*pairs):
    def change(text):
        for old, new in pairs:
            if old not in text:
                raise SystemExit(f"train.py has no `{old}` any more")
            text = text.replace(old, new)
        return text

    return change


def batched_heads(text):
    """The patch of the how-to, which is faster by a quarter."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "train.py"
        path.write_text(text)
        patch = PROJECT / "faster.patch"
        subprocess.run(["git", "apply", str(patch)], cwd=folder, check=True)
        return path.read_text()


def leaves_out(text):
    """Faster and honest for the checked steps; then every other step is not learnt from."""
    later = STEP.replace("\n    ", "\n        ")
    return replaced((STEP, f"    if step < 25 or step % 2:\n    {later.rstrip()}\n"))(
        batched_heads(text)
    )


CASES = {
    "batched-heads": (batched_heads, {"faster"}),
    "leaves-out-later": (leaves_out, WRONG),
    "wrong-mask": (replaced((MASK, "")), WRONG),
    "skipped-step": (replaced((STEP, STEP.replace("    optimizer.step", "    if step % 8: optimizer.step"))), WRONG),
    "tanh-gelu": (replaced(("nn.GELU()", 'nn.GELU(approximate="tanh")')), NEVER_FASTER),
    "fused-optimiser": (replaced((OPTIMISER, OPTIMISER[:-1] + ", fused=True)")), HONEST),
    "prefetching": (
        replaced((LOOP, PREFETCH + "\n" + LOOP), (BATCH, "    inputs, targets = batches.get()\n")),
        HONEST,
    ),
    "compiled": (replaced(("model = GPT()", "model = torch.compile(GPT())")), HONEST),
}


def git(folder, *args):
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    subprocess.run(["git", *identity, *args], cwd=folder, check=True, capture_output=True)


def judged(folder):
    """The verdict on the last commit of a repository."""
    outpace = ROOT / "target" / "release" / "outpace"
    command = [str(outpace), "gate", "HEAD", "--json"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if not done.stdout:
        raise SystemExit(f"no verdict (exit code {done.returncode}):\n{done.stderr}")
    return json.loads(done.stdout)


def gate(change):
    """The verdict on a change of the script, in a repository of its own."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        git(folder, "init", "-q", "-b", "main")
        subprocess.run(["cp", "-r", str(PROJECT / "data"), str(folder)], check=True)
        text = (PROJECT / "train.py").read_text()
        (folder / "train.py").write_text(text)
        (folder / "outpace.toml").write_text(CONFIG)
        git(folder, "add", ".")
        git(folder, "commit", "-q", "-m", "begin")
        (folder / "train.py").write_text(change(text))
        git(folder, "commit", "-q", "-a", "-m", "change")
        return judged(folder)


def run(names, cases, gate):
    """Judges the named cases, or all, and prints a line each; 1 if one is judged as it must not be.
    A case is what `gate` judges, and the verdicts that it may have."""
    wrong = 0
    for name in names or cases:
        change, may_be = cases[name]
        begin = time.monotonic()
        verdict = gate(change)
        right = verdict["verdict"] in may_be
        wrong += not right
        shares = {key: verdict.get(key) for key in ("speedup", "at_least", "at_most")}
        figures = "".join(f"{k} {100 * v:+.1f} %, " for k, v in shares.items() if v is not None)
        if verdict.get("runs"):
            figures += f"{len(verdict['runs'])} seeds, "
        minutes = (time.monotonic() - begin) / 60
        word = "ok" if right else "WRONG"
        reason = verdict["reason"].splitlines()[0][:120]
        print(f"{name:<17} {word:<6} {verdict['verdict']}: {figures}{reason} ({minutes:.0f} min)", flush=True)
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:], CASES, gate))
