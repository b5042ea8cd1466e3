"""Scripts that know nothing of outpace, under `python3 -m outpace_step`."""

import unittest

from driver import Script, read_safetensors

WRAPPER = ("-m", "outpace_step")

MODEL = """
import random
import torch
class Model:
    def __init__(self):
        self.weight = torch.Tensor([random.random()])
    def state_dict(self):
        return {"weight": self.weight}
    def named_buffers(self):
        return []
    def parameters(self):
        return [self.weight]
class Optimizer:
    def step(self): pass
model, optimizer = Model(), Optimizer()
"""

FLAT_FOR = MODEL + """
import sys
batch_size = 4
torch.manual_seed(1337)
random.seed(42)
print(sys.argv, __name__, torch.seeds, random.random())
for step, item in enumerate("ab"):
    if step % 2:
        loss = torch.Tensor([step])
        loss.backward()
        optimizer.step()
        continue
    loss = torch.Tensor([step + 0.5])
    loss.backward()
print("behind the loop")
"""

FLAT_WHILE = MODEL + """
step, max_iters = 0, 3
while True:
    loss = torch.Tensor([step])
    loss.backward()
    optimizer.step()
    step += 1
    if step == max_iters:
        break
print("behind the loop")
"""

IN_MAIN = MODEL + """
def main():
    model, loader = Model(), [1.0, 2.0]
    torch.manual_seed(1)
    for item in loader:
        loss = torch.Tensor([item])
        loss.backward()
        optimizer.step()

if __name__ == "__main__":
    main()
"""

AMBIGUOUS = FLAT_WHILE + """
while True:
    loss.backward()
    optimizer.step()
"""


class ByHand(unittest.TestCase):
    def test_nothing_but_a_note_is_different(self):
        for text, note in (
            (FLAT_FOR, "loop in line 21, loss `loss`, model `model`"),
            (FLAT_WHILE, "loop in line 17, loss `loss`, model `model`"),
            (IN_MAIN, "loop in line 19, loss `loss`, model `model`"),
        ):
            with self.subTest(note), Script(text) as script:
                plain = script.by_hand(arguments=["--seed", "1"])
                wrapped = script.by_hand(*WRAPPER, arguments=["--seed", "1"])
                self.assertEqual(wrapped.stdout, plain.stdout)
                self.assertEqual(wrapped.stderr, f"outpace_step: {note}\n")
                self.assertEqual((wrapped.returncode, plain.stderr), (0, ""))

    def test_what_is_wrong_is_said(self):
        for text, options, message in (
            (AMBIGUOUS, [], "error: train.py: several loops look like the training loop; "
                "choose one with --loop LINE:\n  line 17: while True\n  line 26: while True\n"),
            (FLAT_FOR, ["--loop", "3"], "error: train.py: there is no loop at 3:\n  line 21: for "),
            ("pass\n", [], "error: train.py: there is no loop\n"),
            (FLAT_FOR, ["--loss", "a b"], "argument --loss: `a b` is no expression"),
            (FLAT_FOR, ["missing.py"], "error: [Errno 2] No such file or directory: 'missing.py'"),
        ):
            with self.subTest(message), Script(text) as script:
                done = script.by_hand(*WRAPPER, *options)
                self.assertIn(message, done.stderr)
                self.assertEqual((done.returncode, done.stdout), (2, ""))

    def test_tracebacks_have_the_lines_of_the_script(self):
        broken = FLAT_FOR.replace("    if step % 2:\n", "    if step % 2:\n        1 / 0\n")
        with Script(broken) as script:
            done = script.by_hand(*WRAPPER)
        self.assertIn('train.py", line 23, in <module>\n    1 / 0\n', done.stderr)
        self.assertEqual(done.returncode, 1)


class Driven(unittest.TestCase):
    maxDiff = None

    def run_one(self, text, options, steps, **fields):
        """Hello, the losses of some turns, and what was saved at their end."""
        with Script(text) as script, script.driven(*WRAPPER, *options) as outpace:
            hello = outpace.begin(**fields)
            losses = [outpace.step(n)["losses"] for n in steps]
            saved = None
            if "save" in hello["can"]:
                path = str(script.folder / "saved")
                self.assertEqual(outpace.ask("save", path=path), {"type": "saved"})
                saved = read_safetensors(path)[0]["weight"]
            code, out, err = outpace.stop()
        self.assertEqual((err, code), ("", 0))
        self.assertNotIn("behind", out)
        return hello, losses, saved, out

    def test_a_flat_for_loop_begins_again_and_continue_reports_too(self):
        hello, losses, _, out = self.run_one(FLAT_FOR, [], [1, 2, 1])
        self.assertEqual(hello, {"type": "hello", "protocol": 1, "can": ["save", "perturb"]})
        self.assertEqual(losses, [[0.5], [1.0, 2.5], [3.0]])
        self.assertIn("['train.py'] __main__ {'torch': 1344, 'cuda': 1344}", out)

    def test_a_flat_while_loop(self):
        _, losses, _, _ = self.run_one(FLAT_WHILE, [], [1, 1])
        self.assertEqual(losses, [[0.0], [1.0]])

    def test_a_loop_in_main(self):
        _, losses, _, _ = self.run_one(IN_MAIN, [], [3])
        self.assertEqual(losses, [[1.0, 2.0, 1.0]])

    def test_one_of_several_loops(self):
        _, losses, _, _ = self.run_one(AMBIGUOUS, ["--loop", "17"], [2])
        self.assertEqual(losses, [[0.0, 1.0]])

    def test_equal_seeds_give_equal_models_and_others_do_not(self):
        """The model of FLAT_WHILE is made without any seeding of the script's."""
        one, same, other = (
            self.run_one(FLAT_WHILE, [], [1], data_seed=seed)[2] for seed in (1, 1, 2)
        )
        self.assertEqual(one, same)
        self.assertNotEqual(one, other)

    def test_expressions(self):
        tokens = ["--tokens-per-step", "batch_size * 2"]
        hello, losses, _, _ = self.run_one(FLAT_FOR, [*tokens, "--loss", "2 * float(loss)"], [2])
        self.assertEqual((hello["tokens_per_step"], losses), (8, [[1.0, 2.0]]))
        hello, _, saved, _ = self.run_one(IN_MAIN, ["--tokens-per-step", "3*2", "--model", ""], [1])
        self.assertEqual((hello["tokens_per_step"], hello["can"], saved), (6, [], None))
        tokens = ["--tokens-per-step", "len(loader)"]  # a local variable of main
        self.assertEqual(self.run_one(IN_MAIN, tokens, [1])[0]["tokens_per_step"], 2)

    def test_a_revision_that_calls_the_module_itself_is_left_alone(self):
        text = """
            import outpace_step
            outpace_step.start(tokens_per_step=5, with_model=False)
            for step in outpace_step.steps():
                outpace_step.loss(step)
            """
        hello, losses, _, _ = self.run_one(text, ["--loss", "x"], [2])
        self.assertEqual((hello["tokens_per_step"], losses), (5, [[0.0, 1.0]]))

    def test_failures(self):
        ended = "ProtocolError: the training loop ended at step 3, outpace asked for more: "
        while_step = FLAT_WHILE.replace("while True", "while step < 2")
        broken = FLAT_FOR.replace("optimizer.step()", "1 / 0", 1)
        unread = "ProtocolError: --loss `los` has no value here: name 'los' is not defined"
        for text, options, message, line in (
            (FLAT_WHILE, [], ended, 17),
            (while_step, [], ended.replace("3", "2"), 17),
            (FLAT_FOR, ["--loss", "los"], unread, 21),
            (broken, ["--loop", "21"], "ZeroDivisionError: division by zero", 25),
        ):
            with self.subTest(message), Script(text) as script:
                with script.driven(*WRAPPER, *options) as outpace:
                    outpace.begin()
                    answer = outpace.step(4)
                    code, out, err = outpace.finish()
                self.assertTrue(answer["message"].startswith(message), answer)
                self.assertIn(f'train.py", line {line}, in <module>', err)
                self.assertEqual(code, 1)
                self.assertNotIn("behind", out)


if __name__ == "__main__":
    unittest.main()
