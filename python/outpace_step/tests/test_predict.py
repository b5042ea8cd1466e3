"""`predict`: in a flat script, in a class and under the wrapper, with numpy and with PyTorch."""

import array
import importlib.util
import math
import unittest

from driver import Script

WRAPPER = ("-m", "outpace_step")

PASSAGES, LENGTH, SYMBOLS = 3, 4, 5
TOKENS = [(7 * i) % SYMBOLS for i in range(PASSAGES * (LENGTH + 1))]
PLACES = [0, 3, 1]

# The logits of a symbol s after token t are s * t / 2, and those of steps add up.
NUMPY_FLAT = """
    import numpy, outpace_step

    def logits(tokens):
        assert tokens.dtype == numpy.int64 and tokens.shape[1] == 4
        return tokens[..., None] * numpy.arange(5) / 2 + trained

    outpace_step.start(with_model=False, predict=logits)
    trained = numpy.zeros(5)
    for step in outpace_step.steps():
        trained[0] += 1
        outpace_step.loss(1)
    """

NUMPY_CLASS = """
    import numpy, outpace_step

    class Run:
        def __init__(self, ask):
            self.trained = numpy.zeros(5)

        def step(self):
            self.trained[0] += 1
            return 1

        def predict(self, tokens):
            return tokens[..., None] * numpy.arange(5) / 2 + self.trained

    outpace_step.serve(Run)
    """

# A model whose training has random numbers and a state beside the weights. Logits are bf16.
TORCH_FLAT = """
    import torch, outpace_step
    from torch import nn

    seeds = outpace_step.start(predict=lambda tokens: model(tokens))
    torch.manual_seed(seeds.model_seed)

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding, self.head = nn.Embedding(5, 6), nn.Linear(6, 5)
            self.norm, self.frozen = nn.BatchNorm1d(4), nn.Dropout(0.5)

        def forward(self, tokens):
            x = self.frozen(self.norm(self.embedding(tokens)))
            logits = self.head(nn.functional.dropout(x, 0.5))  # in evaluations too
            assert logits.requires_grad == self.training
            return logits.to(torch.bfloat16)

    model = Model()
    model.frozen.eval()  # in training too
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    for step in outpace_step.steps(model=model):
        assert model.training and model.norm.training and not model.frozen.training
        tokens = torch.randint(5, (2, 5))
        logits = model(tokens[:, :-1]).flatten(0, 1).float()
        loss = nn.functional.cross_entropy(logits, tokens[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        outpace_step.loss(loss)
    """

TORCH_CLASS = """
    import torch, outpace_step

    class Run:
        def __init__(self, ask):
            self.model = torch.nn.Embedding(5, 5)
            self.model.weight.data = torch.arange(5.0).outer(torch.arange(5.0)) / 2

        def step(self):
            assert self.model.training
            self.model.weight.data[:, 0] += 1
            return 1

        def predict(self, tokens):
            assert tokens.dtype == torch.int64 and not self.model.training
            return self.model(tokens)

    outpace_step.serve(Run)
    """

# Its optimizer adds 1 to the logits of symbol 0.
PLAIN = """
    import torch
    model = torch.nn.Embedding(5, 5)
    model.weight.data = torch.arange(5.0).outer(torch.arange(5.0)) / 2
    class Optimizer:
        def step(self):
            model.weight.data[:, 0] += 1
    optimizer = Optimizer()
    def train():
        net = model
        {}:
            loss = 0 * net(torch.arange(5)).sum() + 1
            loss.backward()
            optimizer.step()
    train()
    """


def has(package):
    return unittest.skipUnless(importlib.util.find_spec(package), f"{package} is not installed")


def softmax(logits):
    total = math.log(sum(map(math.exp, logits)))
    return [value - total for value in logits]


def expected(steps, at=None):
    """Of the scripts whose logits are s * t / 2."""
    values = []
    for passage in range(PASSAGES):
        tokens = TOKENS[passage * (LENGTH + 1) :][: LENGTH + 1]
        rows = [softmax([t * s / 2 + steps * (s == 0) for s in range(SYMBOLS)]) for t in tokens]
        if at is None:
            values += [row[following] for row, following in zip(rows, tokens[1:])]
        else:
            values += rows[at[passage]]
    return values


class Predictions(unittest.TestCase):
    def ask(self, script, outpace, tokens=TOKENS, **fields):
        """The answer to `predict`, and the numbers that were written."""
        text, out = (str(script.folder / name) for name in ("text", "predictions"))
        with open(text, "wb") as file:
            array.array("I", tokens).tofile(file)
        request = {"text": text, "passages": PASSAGES, "length": LENGTH, "out": out, **fields}
        answer = outpace.ask("predict", **request)
        if answer["type"] != "predicted":
            return answer, None
        with open(out, "rb") as file:
            return answer, list(array.array("f", file.read()))

    def assert_close(self, values, others, most=1e-5):
        self.assertEqual(len(values), len(others))
        for value, other in zip(values, others):
            self.assertLess(abs(value - other), most)

    def check(self, text, command=(), can=("predict",)):
        """A script whose logits are s * t / 2."""
        with Script(text, packages=()) as script, script.driven(*command) as outpace:
            self.assertEqual(outpace.begin()["can"], list(can))
            for steps in (0, 2):
                answer, values = self.ask(script, outpace)
                self.assertEqual(answer, {"type": "predicted"})
                self.assert_close(values, expected(steps))
                _, values = self.ask(script, outpace, at=PLACES)
                self.assert_close(values, expected(steps, PLACES))
                self.assertEqual(outpace.step(2)["losses"], [1.0, 1.0])
            self.assertEqual(outpace.stop()[0::2], (0, ""))

    def refused(self, train, message, command=(), **fields):
        with Script(train, packages=()) as script, script.driven(*command) as outpace:
            outpace.begin()
            answer, _ = self.ask(script, outpace, **fields)
            code, _, shown = outpace.finish()
        self.assertEqual((answer["type"], code), ("error", 1))
        self.assertIn(message, answer["message"].replace(str(script.folder), "."))
        self.assertIn("Traceback", shown)


NO_LOGITS = """
    import outpace_step
    outpace_step.start(with_model=False, predict=lambda tokens: tokens)
    for step in outpace_step.steps():
        outpace_step.loss(1)
    """


class Requests(Predictions):
    """What is wrong before a function is called."""

    def test_a_request_that_does_not_fit_its_file(self):
        for message, fields in (
            ("./text: 60 bytes instead of 80, which are 4 passages of 4 + 1", {"passages": 4}),
            ("./text: 56 bytes instead of 60", {"tokens": TOKENS[1:]}),
            ("No such file or directory: './gone'", {"text": "./gone"}),
            ("0 passages of 4 tokens", {"passages": 0}),
            ("`at` has to be one position below 4 for each of the 3 passages", {"at": [0, 4, 0]}),
            ("`at` has to be one position below 4 for each of the 3 passages", {"at": [0, 0]}),
            ("`at` has to be one position below 4", {"at": [0, -1, 0]}),
        ):
            with self.subTest(message):
                self.refused(NO_LOGITS, message, **fields)

    def test_a_script_without_predictions(self):
        text = NO_LOGITS.replace(", predict=lambda tokens: tokens", "")
        self.refused(text, "ProtocolError: unknown request `predict`")

    def test_neither_pytorch_nor_numpy(self):
        text = "    import sys\n    sys.modules['numpy'] = None" + NO_LOGITS
        self.refused(text, "predict needs PyTorch or numpy")

    def test_by_hand_it_is_never_called(self):
        text = NO_LOGITS.replace("steps()", "steps(range(2))") + "    print(step)\n"
        with Script(text, packages=()) as script:
            done = script.by_hand()
        self.assertEqual((done.stdout, done.stderr), ("0\n1\n", ""))


@has("numpy")
class Numpy(Predictions):
    def test_a_flat_script_and_a_class(self):
        self.check(NUMPY_FLAT)
        self.check(NUMPY_CLASS)

    def test_results_that_are_no_logits(self):
        for result, message in (
            ("(tokens, None)", "predict returned a tuple, not logits"),
            ("tokens", "of shape (1024, 4) for tokens of shape (1024, 4): it has to be "
                "(1024, 4, symbols)"),
            ("numpy.zeros((1024, 1, 5))", "of shape (1024, 1, 5) for tokens of shape (1024, 4)"),
            ("numpy.zeros((1024, 4, 0))", "of shape (1024, 4, 0) for tokens"),
            ("numpy.zeros((1024, 4, 5 + tokens.max()))", "of shape (1024, 4, 9) for tokens of "
                "shape (1024, 4): it has to be (1024, 4, 5)"),
        ):
            text = NO_LOGITS.replace("lambda tokens: tokens", f"lambda tokens: {result}")
            with self.subTest(result):
                self.refused("    import numpy" + text, message)

    def test_tokens_that_the_model_does_not_know(self):
        message = "the text has token 5, and the model's symbols are 0 to 4"
        # Also where nothing else than the last one, a target, is too great.
        for place in (2, -1):
            tokens = TOKENS[:]
            tokens[place] = 5
            self.refused(NUMPY_FLAT, message, tokens=tokens)
        tokens[place] = 2**32 - 1
        self.refused(NUMPY_FLAT, "the text has token 4294967295", tokens=tokens)

    def test_many_passages_are_read_some_at_a_time(self):
        text = NUMPY_FLAT.replace("assert", "print(*tokens.shape); assert")
        tokens = TOKENS * 700
        with Script(text, packages=()) as script, script.driven() as outpace:
            outpace.begin()
            _, values = self.ask(script, outpace, tokens=tokens, passages=2100)
            places = PLACES * 700
            _, rows = self.ask(script, outpace, tokens=tokens, passages=2100, at=places)
            _, out, _ = outpace.stop()
        self.assert_close(values, expected(0) * 700)
        self.assert_close(rows, expected(0, PLACES) * 700)
        # Zeros first, once; and always as many passages.
        self.assertEqual(out.splitlines(), 7 * ["1024 4"])

    def test_great_logits_and_impossible_symbols(self):
        text = NUMPY_FLAT.replace("/ 2 + trained", "* 1000. + [0, 0, 0, 0, -numpy.inf]")
        with Script(text, packages=()) as script, script.driven() as outpace:
            outpace.begin()
            _, rows = self.ask(script, outpace, at=PLACES)
            self.assertEqual(outpace.stop()[0::2], (0, ""))
        for passage in range(PASSAGES):
            row = rows[passage * SYMBOLS :][:SYMBOLS]
            self.assertAlmostEqual(sum(map(math.exp, row)), 1.0, places=6)
            self.assertEqual(row[4], -math.inf)


@has("torch")
class Torch(Predictions):
    def test_a_class(self):
        self.check(TORCH_CLASS)

    def test_training_goes_on_as_without(self):
        """The same losses and the same state."""
        found = []
        for asks in (False, True):
            with Script(TORCH_FLAT, packages=()) as script, script.driven() as outpace:
                self.assertEqual(outpace.begin()["can"], ["save", "perturb", "predict", "resume"])
                losses, predictions = [], []
                for _ in range(3):
                    losses += outpace.step(2)["losses"]
                    if asks:
                        predictions.append(self.ask(script, outpace)[1])
                        _, rows = self.ask(script, outpace, at=PLACES)
                path = str(script.folder / "saved")
                self.assertEqual(outpace.ask("save", path=path), {"type": "saved"})
                with open(path, "rb") as file:
                    found.append((losses, file.read()))
                self.assertEqual(outpace.stop()[0::2], (0, ""))
        self.assertEqual(*found)
        self.assertNotEqual(predictions[0], predictions[1])
        for passage in range(PASSAGES):
            row = rows[passage * SYMBOLS :][:SYMBOLS]
            self.assertAlmostEqual(sum(map(math.exp, row)), 1.0, places=5)

    def test_another_process_is_asked_from_a_checkpoint(self):
        """It predicts what the one that trained does, whatever its own seeds are."""
        without_dropout = TORCH_FLAT.replace("nn.functional.dropout(x, 0.5)", "x")
        with Script(without_dropout, packages=()) as script, script.driven() as outpace:
            outpace.begin()
            outpace.step(3)
            path = str(script.folder / "saved")
            outpace.ask("save", path=path)
            trained = self.ask(script, outpace)[1]
            outpace.stop()
            with script.driven() as other:
                other.begin(model_seed=5, checkpoint=path)
                self.assertEqual(self.ask(script, other)[1], trained)
                other.stop()
            with script.driven() as fresh:
                fresh.begin()
                self.assertNotEqual(self.ask(script, fresh)[1], trained)
                fresh.stop()

    def test_what_fails_is_told(self):
        text = TORCH_CLASS.replace("self.model(tokens)", "self.model(tokens), None")
        self.refused(text, "ProtocolError: predict returned a tuple, not logits")
        self.refused(TORCH_CLASS, "the text has token 9", tokens=[9] * len(TOKENS))


@has("torch")
class Wrapper(Predictions):
    def test_loops(self):
        for loop, expression in (
            ("for step in range(3)", "model(tokens)"),
            ("while True", "(net(tokens), None)[0]"),
        ):
            with self.subTest(loop):
                command = (*WRAPPER, "--predict", expression)
                self.check(PLAIN.format(loop), command, ("save", "perturb", "predict", "resume"))

    def test_what_is_wrong_is_said(self):
        message = "--predict `nets(tokens)` has no value here: name 'nets' is not defined"
        script = PLAIN.format("while True")
        self.refused(script, message, (*WRAPPER, "--predict", "nets(tokens)"))
        self.refused(script, "unknown request `predict`", WRAPPER)


if __name__ == "__main__":
    unittest.main()
