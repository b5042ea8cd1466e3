"""Which loop and which loss are found in a script."""

import ast
import pathlib
import sys
import textwrap
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "src"))

from outpace_step import _find, _rewrite  # noqa: E402

NANO_GPT = """
    for micro_step in range(2):     # not one: in a loop of its own is only backward
        pass
    while True:                     # line 3
        losses = estimate_loss()
        for micro_step in range(gradient_accumulation_steps):
            with ctx:
                logits, loss = model(X, Y)
            X, Y = get_batch('train')
            scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
    """

EPOCHS = """
    for epoch in range(10):
        for batch, target in loader:    # line 2
            loss = criterion(model(batch), target)
            loss.backward()
            optimizer.step()
        scheduler.step()
        for batch in validation:
            criterion(model(batch))
    """

ACCUMULATED = """
    for i, batch in enumerate(loader):  # line 1
        (model(batch).loss / 4).backward()
        if i % 4 == 3:
            optimizer.step()
    """

IN_MAIN = """
    def helper():
        for _ in range(2):
            loss.backward()
            optimizer.step()
    def main():
        for _ in range(3):              # line 6
            accelerator.backward(loss)
            optimizer.step()
    if __name__ == "__main__":
        main()
    """

GUARDED = """
    def main():
        for _ in range(3):
            loss.backward()
            optimizer.step()
    if __name__ == "__main__":
        try:
            while step < 9:             # line 7
                loss.backward()
                optimizer.step()
        finally:
            pass
    """

CLOSURE = """
    for _ in range(3):                  # line 1
        def closure():
            loss.backward()
        optimizer.step(closure)
    """

STEP_ONLY = """
    for _ in range(3):                  # line 1
        loss = train_step(batch)
        optimizer.step()
    """

TWO = """
    for _ in range(3):
        loss.backward()
        optimizer.step()
    while True:
        loss.backward()
        optimizer.step()
    """

GAN = """
    for real in loader:                 # line 1
        errD.backward()
        optimizerD.step()
        errG.backward()
        optimizerG.step()
    """

NONE = """
    for step in range(100):
        state = train_step(state)
    def main():
        while True:
            pass
    """


def parsed(text):
    return ast.parse(textwrap.dedent(text).lstrip("\n"))


class Loops(unittest.TestCase):
    def test_found(self):
        for text, line, loss in (
            (NANO_GPT, 3, "loss"),
            (EPOCHS, 2, "loss"),
            (ACCUMULATED, 1, "model(batch).loss"),
            (IN_MAIN, 6, "loss"),
            (GUARDED, 7, "loss"),
            (CLOSURE, 1, "loss"),
        ):
            with self.subTest(text):
                loop = _find.find_loop(parsed(text))
                self.assertEqual(loop.node.lineno, line)
                self.assertEqual(_find.find_loss(loop), loss)

    def test_chosen(self):
        for text, where, line in (
            (TWO, "4", 4),
            (IN_MAIN, "helper", 2),
            (IN_MAIN, "main", 6),
            (NONE, "1", 1),
            (NONE, "main", 4),
        ):
            with self.subTest(where):
                self.assertEqual(_find.find_loop(parsed(text), where).node.lineno, line)

    def refused(self, function, *arguments):
        with self.assertRaises(_find.NotFound) as caught:
            function(*arguments)
        return str(caught.exception).split("\n")

    def test_several(self):
        self.assertEqual(
            self.refused(_find.find_loop, parsed(TWO)),
            [
                "several loops look like the training loop; choose one with --loop LINE:",
                "  line 1: for _ in range(3)",
                "  line 4: while True",
            ],
        )

    def test_none(self):
        self.assertEqual(
            self.refused(_find.find_loop, parsed(NONE)),
            [
                "no loop looks like the training loop; choose one with --loop LINE --loss NAME:",
                "  line 1: for step in range(100)",
                "  line 4, in main(): while True",
            ],
        )
        elsewhere = self.refused(_find.find_loop, parsed(NONE), "7")
        self.assertEqual(elsewhere[0], "there is no loop at 7:")
        self.assertEqual(self.refused(_find.find_loop, parsed("pass")), ["there is no loop"])
        many = "for _ in range(3): pass\n" * 12
        self.assertEqual(self.refused(_find.find_loop, parsed(many))[-1], "  and 2 more")

    def test_no_single_loss(self):
        for text, reason in (
            (GAN, ": backward() is called on errD, errG"),
            (STEP_ONLY, ""),
            ("for _ in x:\n  criterion(a, b).backward()\n  o.step()", ""),
        ):
            with self.subTest(text):
                loop = _find.find_loop(parsed(text))
                (message,) = self.refused(_find.find_loss, loop)
                expected = f"the loop in line 1 has no single loss{reason}; name it with --loss"
                self.assertTrue(message.startswith(expected), message)

    def test_a_model_is_known_by_its_variable(self):
        for text, found in (
            ("model = 1\n{}", True),
            ("def main(model):\n  {}", True),
            ("def other():\n  model = 1\n{}", False),
            ("import model\n{}", False),
        ):
            with self.subTest(text):
                tree = parsed(text.format("for _ in model.x: loss.backward()"))
                loop = _find.find_loop(tree)
                self.assertEqual(_find.assigns(tree, loop, "model"), found)

    def test_rewritten(self):
        read = "lambda: loss, lambda: model"
        for text, expected in (
            (
                "for i, x in tqdm(enumerate(loader), total=3):\n    f(x)",
                f"for i, x in tqdm(enumerate(__outpace_step__.steps(loader, {read})), total=3):\n"
                "    f(x)\n__outpace_step__.ended()",
            ),
            (
                "while (x := g()):\n    f(x)\nelse:\n    h()",
                f"while (x := g()) and __outpace_step__.again({read}):\n"
                "    f(x)\nelse:\n    h()\n__outpace_step__.ended()",
            ),
        ):
            with self.subTest(text):
                tree = parsed(text)
                loop = _find.find_loop(tree, "1")
                _rewrite.rewrite(tree, loop.node, "loss", "model")
                self.assertEqual(ast.unparse(tree), ast.unparse(ast.parse(expected)))

    def test_rewritten_with_predictions(self):
        tree = parsed("for x in loader: f(x)")
        loop = _find.find_loop(tree, "1")
        _rewrite.rewrite(tree, loop.node, "loss", None, "net(tokens)[0]")
        read = "lambda: loss, lambda: None, lambda tokens: net(tokens)[0]"
        head = f"for x in __outpace_step__.steps(loader, {read}): f(x)"
        expected = f"{head}\n__outpace_step__.ended()"
        self.assertEqual(ast.unparse(tree), ast.unparse(ast.parse(expected)))


if __name__ == "__main__":
    unittest.main()
