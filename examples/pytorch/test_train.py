"""train.py against outpace-gpt: both driven over the step protocol, from the same seeds.

    target/pytorch-venv/bin/python -m unittest discover -s examples/pytorch

Needs what train.py needs and the program outpace-gpt, target/release/outpace-gpt unless OUTPACE_GPT names another.
"""

import argparse
import array
import json
import math
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
TEXT = [sys.executable, str(FOLDER / "text.py"), "--config", CONFIG, "--trainer", TRAINER]
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


def text(folder, passages, seed=3, *more):
    """Has text.py write passages; returns the file and what it says of them."""
    path = os.path.join(folder, f"text-{seed}")
    command = TEXT + [*more, "--data-seed", str(seed), "--passages", str(passages), "--out", path]
    shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return path, json.loads(shown.splitlines()[-1])


def numbers(path, code):
    with open(path, "rb") as file:
        return array.array(code, file.read())


def predictions(command, passages, length, path):
    """What four steps teach of a text: ln p of its tokens, and of all symbols in some places."""
    out = [f"{path}-{name}" for name in ("all", "at")]
    request = {"type": "predict", "text": path, "passages": passages, "length": length}
    at = [place * 7 % length for place in range(passages)]
    answers = converse(
        command,
        {"type": "start", "model_seed": 1, "data_seed": 1},
        {"type": "step", "n": 4},
        {**request, "out": out[0]},
        {**request, "out": out[1], "at": at},
        {"type": "step", "n": 2},
    )
    assert "predict" in answers[0]["can"]
    assert answers[3] == answers[4] == {"type": "predicted"}
    return *(numbers(file, "f") for file in out), answers[5]["losses"], at


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

    def test_predictions_are_those_of_outpace_gpt(self):
        """Of passages as long as a sequence, and of longer and shorter ones."""
        for length in (128, 300, 60):
            with self.subTest(length), tempfile.TemporaryDirectory() as folder:
                path, about = text(folder, 5, 3, "--length", str(length))
                self.assertEqual((about["symbols"], about["length"]), (256, length))
                ours, theirs = (
                    predictions(command + ON_CPU, 5, length, path) for command in (OURS, THEIRS)
                )
                self.assertEqual((len(ours[0]), len(ours[1])), (5 * length, 5 * 256))
                for expected, actual in zip(ours[:3], theirs[:3]):
                    self.assert_close(list(expected), list(actual), 1e-4)
                every, rows, _, at = theirs
                tokens = numbers(path, "I")
                for passage, place in enumerate(at):
                    row = rows[passage * 256 :][:256]
                    self.assertAlmostEqual(sum(map(math.exp, row)), 1.0, places=4)
                    following = tokens[passage * (length + 1) + place + 1]
                    self.assertAlmostEqual(row[following], every[passage * length + place], places=4)

    def test_predictions_teach_nothing(self):
        expected = losses(THEIRS + ON_CPU)
        with tempfile.TemporaryDirectory() as folder:
            path, _ = text(folder, 2)
            found = predictions(THEIRS + ON_CPU, 2, 128, path)[2]
        self.assertEqual(found, expected[4:6])

    def test_validation_text_depends_on_its_seed_and_is_not_trained_on(self):
        with tempfile.TemporaryDirectory() as folder:
            one, about = text(folder, 4, 1)
            two, _ = text(folder, 4, 2)
            one, two = numbers(one, "I").tolist(), numbers(two, "I").tolist()
            self.assertEqual(numbers(text(folder, 4, 1)[0], "I").tolist(), one)
        self.assertEqual((about["symbols"], about["length"], len(one)), (256, 128, 4 * 129))
        self.assertNotEqual(one, two)
        options = argparse.Namespace(config=CONFIG, trainer=TRAINER, batches=2)
        batch = train.export(options, 1, 1)["batches.inputs"].flatten().tolist()
        self.assertNotEqual(one[:16], batch[:16])

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
