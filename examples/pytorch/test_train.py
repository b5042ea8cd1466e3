"""train.py against outpace-gpt: both driven over the step protocol, from the same seeds.

    target/pytorch-venv/bin/python -m unittest discover -s examples/pytorch

Needs what train.py needs and the program outpace-gpt, target/release/outpace-gpt unless OUTPACE_GPT names another.
"""

import argparse
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import unittest

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel

FOLDER = pathlib.Path(__file__).resolve().parent
ROOT = FOLDER.parents[1]
sys.path.insert(0, str(FOLDER))

import train  # noqa: E402
from train import outpace_step  # noqa: E402

TRAINER = os.environ.get("OUTPACE_GPT", str(ROOT / "target/release/outpace-gpt"))
CONFIG = str(ROOT / "crates/gpt/configs/gpt-nano.toml")
OURS = [TRAINER, "train", "--config", CONFIG]
THEIRS = [sys.executable, str(FOLDER / "train.py"), "--config", CONFIG, "--trainer", TRAINER]
ON_CPU = ["--device", "cpu", "--precision", "f32"]


def converse(command, *requests):
    """Plays outpace's part; returns hello and the answers."""
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener:
        path = os.path.join(folder, "s")
        listener.bind(path)
        listener.listen(1)
        listener.settimeout(300)
        process = subprocess.Popen(command, env={**os.environ, outpace_step.SOCKET_VARIABLE: path})
        try:
            link, _ = listener.accept()
            with link, link.makefile("rw") as lines:
                answers = [json.loads(lines.readline())]
                for request in requests:
                    lines.write(json.dumps(request) + "\n")
                    lines.flush()
                    answers.append(json.loads(lines.readline()))
                lines.write('{"type": "stop"}\n')
            assert process.wait(60) == 0
        finally:
            process.kill()
            process.wait()
    return answers


def losses(command, ulps=0):
    """Two turns of four steps."""
    start = {"type": "start", "model_seed": 1, "data_seed": 1, "perturb_ulps": ulps}
    turn = {"type": "step", "n": 4}
    _, _, first, second = converse(command, start, turn, turn)
    assert second["step"] == 8
    return first["losses"] + second["losses"]


class Train(unittest.TestCase):
    def assert_close(self, expected, actual, most):
        self.assertEqual(len(expected), len(actual))
        difference = max(abs(a - b) for a, b in zip(expected, actual))
        self.assertLess(difference, most, f"{expected} {actual}")

    def test_losses_are_those_of_outpace_gpt(self):
        expected = losses(OURS + ON_CPU)
        for extra, most in (
            (ON_CPU, 1e-5),
            (ON_CPU + ["--compile"], 1e-5),
            (["--device", "cpu", "--precision", "bf16"], 1e-2),
            (["--device", "cpu", "--precision", "bf16", "--compile"], 1e-2),
        ):
            with self.subTest(" ".join(extra)):
                self.assert_close(expected, losses(THEIRS + extra), most)

    def test_a_perturbed_start_is_close_and_not_the_same(self):
        for precision, least, most in (("f32", 0.0, 1e-4), ("bf16", 1e-7, 1e-2)):
            command = THEIRS + ["--device", "cpu", "--precision", precision]
            plain, perturbed = losses(command), losses(command, ulps=1)
            self.assert_close(plain, perturbed, most)
            self.assertGreater(max(abs(a - b) for a, b in zip(plain, perturbed)), least)

    def test_a_nudge_is_a_unit_of_its_precision(self):
        values = torch.tensor([1.0, -1.0, 0.0, -0.0, 0.02, -3e-39, 1e-42]).repeat(8)
        moved = train.nudged(values, train.UNITS["f32"])
        up = torch.nextafter(values, torch.tensor(torch.inf))
        down = torch.nextafter(values, torch.tensor(-torch.inf))
        self.assertTrue(torch.all((moved == up) | (moved == down)))
        self.assertTrue(torch.any(moved == up) and torch.any(moved == down))
        # bf16 has 8 bits: the next one above 1 is 1 + 2^-7, the one below 1 - 2^-8. What is below its unit crosses zero.
        for value, neighbours in ((1.0, {1 + 2**-7, 1 - 2**-8}), (-1.0, {-1 - 2**-7, -1 + 2**-8})):
            self.assertEqual(set(train.nudged(torch.full((64,), value), train.UNITS["bf16"]).tolist()), neighbours)
        crossed = train.nudged(torch.full((64,), 1e-42), train.UNITS["bf16"])
        self.assertTrue(torch.any(crossed < 0) and torch.any(crossed > 1e-42))

    def test_a_run_by_hand_ends_with_json(self):
        command = THEIRS + ON_CPU + ["--steps", "5", "--json"]
        lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
        document = json.loads(lines[-1])
        keys = ["tokens_per_s", "peak_memory_bytes", "device", "torch", "compile", "precision", "losses"]
        self.assertEqual(list(document), keys)
        self.assertEqual(len(document["losses"]), 5)
        self.assertIsNone(document["compile"])

    @unittest.skipUnless(torch.cuda.is_available(), "no GPU")
    def test_a_step_on_a_gpu_waits_for_nothing_and_attends_in_one_kernel(self):
        for compiled in (False, True):
            train.Run.options = argparse.Namespace(
                config=CONFIG,
                trainer=TRAINER,
                device="cuda",
                precision="bf16",
                compile=compiled,
                compile_mode="default",
                batches=8,
            )
            with self.subTest(compile=compiled), sdpa_kernel([SDPBackend.CUDNN_ATTENTION, SDPBackend.FLASH_ATTENTION]):
                run = train.Run(outpace_step.Start(1, 1))
                for _ in range(3):
                    run.step()
                run.finish()
                torch.cuda.set_sync_debug_mode("error")
                try:
                    found = [run.step() for _ in range(3)]
                finally:
                    torch.cuda.set_sync_debug_mode("default")
                run.finish()
                self.assertTrue(all(torch.isfinite(loss) for loss in found))


if __name__ == "__main__":
    unittest.main()
