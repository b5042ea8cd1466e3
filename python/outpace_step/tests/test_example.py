"""The example: a plain script joins with five lines, and says so in the how-to."""

import difflib
import pathlib
import unittest

from driver import TESTS

REPOSITORY = TESTS.parents[2]
JOINED = REPOSITORY / "examples" / "pytorch-project" / "train.py"
PLAIN = TESTS / "plain_train.py"
HOW_TO = REPOSITORY / "docs" / "howto-pytorch.md"


def changed():
    """The lines that are removed and added, with their signs."""
    texts = [path.read_text().splitlines() for path in (PLAIN, JOINED)]
    lines = difflib.unified_diff(*texts, n=0, lineterm="")
    return [line for line in lines if line[:3] not in ("---", "+++") and line[0] in "+-"]


@unittest.skipUnless(JOINED.exists(), "the example is in the repository of outpace only")
class Example(unittest.TestCase):
    def test_five_lines_are_enough(self):
        added = [line for line in changed() if line.startswith("+")]
        self.assertEqual(len(added), 5)

    def test_the_how_to_shows_these_lines(self):
        shown = HOW_TO.read_text().splitlines()
        for line in changed():
            self.assertIn(line, shown)


if __name__ == "__main__":
    unittest.main()
