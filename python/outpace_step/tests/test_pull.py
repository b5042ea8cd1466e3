"""A flat script with start(), steps() and loss(), by hand and driven."""

import json
import math
import struct
import textwrap
import unittest

from driver import Script, read_safetensors

MODEL = """
    import sys, torch, outpace_step

    class Model:
        def __init__(self):
            self.weight = torch.Tensor([1.0, -2.0, 0.0], torch.float32)
            self.half = torch.Tensor([0x3F80, 0x4000], torch.bfloat16, (2, 1))
            self.mask = torch.Tensor([1, 0], torch.int8)
        def state_dict(self):
            return {"_orig_mod.weight": self.weight, "tied": self.weight, "half": self.half,
                    "mask": self.mask, "_extra_state": {"not": "a tensor"}}
        def named_buffers(self):
            return [("mask", self.mask), ("not_persistent", self.mask)]
        def parameters(self):
            return [self.weight, self.half]

    model = Model()
"""

PLAIN = """
    import outpace_step
    seeds = outpace_step.start(tokens_per_step=64, model_seed=1, data_seed=2, with_model=False)
    print(seeds.model_seed, seeds.data_seed)
    for step in outpace_step.steps(range(3)):
        print("step", step)
        outpace_step.loss(5.0 - step)
    print("behind the loop")
"""


def loop(body, head="outpace_step.steps(range(3))", before="", model=False):
    """A script whose loop has this body."""
    start = f"outpace_step.start(with_model={model})"
    text = f"import outpace_step\n{start}\n{before}\nfor step in {head}:\n"
    return text + textwrap.indent(textwrap.dedent(body), "    ")


class ByHand(unittest.TestCase):
    def check(self, text, printed):
        with Script(text) as script:
            done = script.by_hand()
        self.assertEqual((done.stdout.split("\n"), done.stderr), ([*printed, ""], ""))
        self.assertEqual(done.returncode, 0)

    def test_nothing_is_different(self):
        self.check(PLAIN, ["1 2", "step 0", "step 1", "step 2", "behind the loop"])

    def test_what_the_loop_runs_over_is_what_was_given(self):
        self.check(
            """
            import outpace_step
            data = [1, 2]
            print(outpace_step.start(), outpace_step.steps(data) is data)
            for step in outpace_step.steps():
                if step == 2:
                    break
            print(step)
            """,
            ["Start(model_seed=1337, data_seed=1337, perturb_ulps=0) True", "2"],
        )


class Turns(unittest.TestCase):
    def test_a_whole_conversation(self):
        with Script(PLAIN) as script, script.driven() as outpace:
            hello = {"type": "hello", "protocol": 1, "can": [], "tokens_per_step": 64}
            self.assertEqual(outpace.begin(), hello)
            done = {"type": "done", "step": 2, "losses": [5.0, 4.0]}
            self.assertEqual(outpace.step(2), done)
            # A range counts on beyond its end.
            self.assertEqual(outpace.step(2), {"type": "done", "step": 4, "losses": [3.0, 2.0]})
            code, out, err = outpace.stop()
        steps = [f"step {n}" for n in range(4)]
        self.assertEqual(out.split("\n"), ["7 9", *steps, ""])  # and nothing behind the loop
        self.assertEqual((code, err), (0, ""))

    def test_stop_before_the_first_step_and_before_start(self):
        for begin in (lambda outpace: outpace.begin(), lambda outpace: outpace.hear()):
            with Script(PLAIN) as script, script.driven() as outpace:
                begin(outpace)
                code, out, err = outpace.stop()
            self.assertEqual((code, err), (0, ""))
            self.assertNotIn("step", out)

    def test_outpace_has_gone(self):
        with Script(PLAIN) as script, script.driven() as outpace:
            outpace.begin()
            outpace.hang_up()
            code, _, err = outpace.finish()
        self.assertEqual((code, err), (1, "outpace closed the connection\n"))

    def losses(self, text, n):
        with Script(text) as script, script.driven() as outpace:
            outpace.begin()
            losses = outpace.step(n)["losses"]
            self.assertEqual(outpace.stop()[0], 0)
        return losses

    def test_losses(self):
        for body, expected in (
            ("outpace_step.loss(step)", [0.0, 1.0]),
            ("outpace_step.loss(float('nan') if step else 1)", [1.0, None]),
            # Of several, as micro-batches have, the mean.
            ("outpace_step.loss(step)\noutpace_step.loss(step + 3)", [1.5, 2.5]),
        ):
            with self.subTest(body):
                self.assertEqual(self.losses(loop(body), 2), expected)

    def test_what_was_reported_before_the_loop_is_not_of_its_first_step(self):
        before = "outpace_step.loss(100)"
        self.assertEqual(self.losses(loop("outpace_step.loss(1)", before=before), 1), [1.0])

    def test_losses_on_a_device_are_read_when_the_turn_is_over(self):
        text = """
            import torch, outpace_step
            outpace_step.start(with_model=False)
            total = torch.Tensor([0.0])
            for step in outpace_step.steps():
                torch.log.append("step")
                total += 1.5  # later steps do not change what was reported
                outpace_step.loss(total)
                if step == 2:
                    print(*torch.log)
            """
        with Script(text) as script, script.driven() as outpace:
            outpace.begin()
            self.assertEqual(outpace.step(2)["losses"], [1.5, 3.0])
            outpace.step(1)
            _, out, _ = outpace.stop()
        self.assertEqual(out, "synchronize step step synchronize read read step\n")


class Iterables(unittest.TestCase):
    def items(self, head, n, before=""):
        body = "print(step)\noutpace_step.loss(1)"
        with Script(loop(body, head, before)) as script, script.driven() as outpace:
            outpace.begin()
            answer = outpace.step(n)
            code, out, err = outpace.stop() if answer["type"] == "done" else outpace.finish()
        return answer, out.split(), code, err

    def test_what_begins_again_and_what_counts_on(self):
        for head, expected in (
            ("outpace_step.steps()", "0 1 2 3 4"),
            ("outpace_step.steps(range(1, 4))", "1 2 3 4 5"),
            ("outpace_step.steps(range(1, 4, 2))", "1 3 1 3 1"),
            ("outpace_step.steps(['a', 'b'])", "a b a b a"),
            ("map(str, outpace_step.steps('xy'))", "x y x y x"),
        ):
            with self.subTest(head):
                self.assertEqual(self.items(head, 5)[1], expected.split())

    def test_an_iterator_cannot_begin_again(self):
        for head, items, count in (
            ("outpace_step.steps(iter('ab'))", ["a", "b"], 2),
            ("outpace_step.steps([])", [], 0),
        ):
            with self.subTest(head):
                answer, out, code, err = self.items(head, 3)
                self.assertEqual(out, items)
                self.assertEqual(code, 1)
                self.assertIn(f"ended after {count} items and cannot begin again", err)
                self.assertEqual(answer["type"], "error")
                self.assertIn("enumerate(steps(loader))", answer["message"])


class Models(unittest.TestCase):
    text = textwrap.dedent(MODEL) + textwrap.dedent("""
        seeds = outpace_step.start()
        for step in outpace_step.steps(model=model):
            model.weight += 1.0
            outpace_step.loss(model.weight)
        """)

    def saved(self, **fields):
        """The model before and after two steps."""
        with Script(self.text) as script, script.driven() as outpace:
            self.assertEqual(outpace.begin(**fields)["can"], ["save", "perturb"])
            files = [str(script.folder / name) for name in ("before", "after")]
            self.assertEqual(outpace.ask("save", path=files[0]), {"type": "saved"})
            outpace.step(2)
            self.assertEqual(outpace.ask("save", path=files[1]), {"type": "saved"})
            self.assertEqual(outpace.stop()[0], 0)
            return [read_safetensors(file) for file in files]

    def test_checkpoints(self):
        (before, metadata), (after, _) = self.saved()
        self.assertEqual(before["weight"], ("F32", [3], struct.pack("<3f", 1.0, -2.0, 0.0)))
        self.assertEqual(before["half"], ("BF16", [2, 1], bytes.fromhex("803f0040")))
        self.assertEqual(before["mask"], ("I8", [2], b"\1\0"))
        self.assertEqual(before["tied"], before["weight"])
        self.assertEqual(sorted(before), ["half", "mask", "tied", "weight"])
        self.assertEqual(metadata, {"format": "pt", "buffers": json.dumps(["mask"])})
        self.assertEqual(after["weight"], ("F32", [3], struct.pack("<3f", 3.0, -2.0, 0.0)))

    def test_perturbed(self):
        (plain, _), _ = self.saved()
        (moved, _), _ = self.saved(perturb_ulps=1)
        for name, code in (("weight", "i"), ("half", "h")):
            both = [struct.iter_unpack(f"<{code}", tensors[name][2]) for tensors in (plain, moved)]
            for (before,), (after,) in zip(*both):
                self.assertEqual(abs(after - before), 1)
        weights = struct.unpack("<3f", moved["weight"][2])
        self.assertTrue(all(map(math.isfinite, weights)))
        self.assertEqual(plain["mask"], moved["mask"])

    def test_the_model_is_missing(self):
        for text, expected in (
            (loop("outpace_step.loss(1)", model=True), "given no model"),
            (loop("pass", "outpace_step.steps(model='gpt2')"), "the model is a str"),
        ):
            with self.subTest(expected), Script(text) as script, script.driven() as outpace:
                outpace.hear()
                answer = outpace.ask("start", model_seed=1, data_seed=2)
                self.assertEqual(answer["type"], "error")
                self.assertIn(expected, answer["message"])
                self.assertEqual(outpace.finish()[0], 1)


class Failures(unittest.TestCase):
    """What outpace is told, in answer to `requests`, and what is shown."""

    def check(self, text, message, shown, requests=({"kind": "step", "n": 2},), code=1):
        with Script(text) as script, script.driven() as outpace:
            outpace.hear()
            for request in ({"kind": "start", "model_seed": 1, "data_seed": 2}, *requests):
                answer = outpace.ask(**request)
                if answer is None or answer["type"] == "error":
                    break
            finished = outpace.finish()
        self.assertEqual(answer, {"type": "error", "message": message})
        self.assertIn(shown, finished[2])
        self.assertEqual(finished[0], code)

    def test_a_step_without_a_loss(self):
        message = "ProtocolError: step 1 called no outpace_step.loss(...)"
        self.check(loop("pass"), message, message)
        message = message.replace("1", "2")
        self.check(loop("if step == 0:\n    outpace_step.loss(1)"), message, message)

    def test_exceptions_of_the_script(self):
        boom = "raise ValueError('x' * 500)"
        message = "ValueError: " + "x" * 388
        shown = "line 5, in <module>"
        self.check(loop(boom), message, shown)
        self.check(loop("pass", before=boom), message, "line 3, in <module>")
        self.check(loop("raise KeyboardInterrupt"), "KeyboardInterrupt: ", shown, code=-2)

    def test_a_loop_that_ends(self):
        message = (
            "the training loop ended at step 2, outpace asked for more: "
            "raise max_iters, or whatever ends the loop"
        )
        body = "outpace_step.loss(1)\nif step == 1:\n    break"
        self.check(loop(body), message, "", code=0)
        # Told although the script goes on.
        evaluation = "\nimport time\ntime.sleep(3)"
        with Script(loop(body) + evaluation) as script, script.driven() as outpace:
            outpace.begin()
            self.assertEqual(outpace.step(2), {"type": "error", "message": message})
            self.assertIsNone(outpace.process.poll())
        # By an exit, and by a second loop.
        self.check(loop(body.replace("break", "raise SystemExit(3)")), message, "", code=3)
        again = loop(body) + "\nfor step in outpace_step.steps():\n    pass"
        self.check(again, f"ProtocolError: {message}", message)

    def test_a_loop_that_is_never_reached(self):
        message = "the script ended before it reached the loop over outpace_step.steps()"
        self.check(loop("pass", before="import sys\nsys.exit('no data')"), message, "no data", ())

    def test_requests_out_of_order(self):
        started_twice = "a flat script trains once in a process and cannot start again; serve() can"
        body = "outpace_step.loss(1)"
        for requests, message in (
            ([{"kind": "start"}], started_twice),
            ([{"kind": "save", "path": "/"}], "unknown request `save`"),
            ([{"kind": "step", "n": 1}, {"kind": "dance"}], "unknown request `dance`"),
        ):
            self.check(loop(body), f"ProtocolError: {message}", message, requests)
        with Script(loop(body)) as script, script.driven() as outpace:
            outpace.hear()
            message = "ProtocolError: `step` before `start`"
            self.assertEqual(outpace.step(), {"type": "error", "message": message})

    def test_calls_out_of_order(self):
        twice = "outpace_step.start() was called a second time"
        text = loop("pass", before="outpace_step.start()")
        self.check(text, f"ProtocolError: {twice}", twice, ())
        text = """
            import os, outpace_step
            os.environ["OUTPACE_SOCKET"] = "s"
            outpace_step.steps()
            """
        with Script(text) as script:
            self.assertIn("start() must be called before steps()", script.by_hand().stderr)

    def test_a_forked_child_says_nothing(self):
        body = """
            import os
            if os.fork() == 0:
                raise SystemExit(1)
            os.wait()
            outpace_step.loss(1)
            """
        with Script(loop(body)) as script, script.driven() as outpace:
            outpace.begin()
            self.assertEqual(outpace.step(2)["losses"], [1.0, 1.0])
            self.assertEqual(outpace.stop()[0], 0)


if __name__ == "__main__":
    unittest.main()
