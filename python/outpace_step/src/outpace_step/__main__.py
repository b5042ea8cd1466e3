"""Runs an unchanged training script so that outpace can drive it."""

from __future__ import annotations

import argparse
import ast

from ._find import NotFound
from ._wrapper import Options, run

EPILOG = """\
The training loop is the one that steps an optimizer. outpace's seeds are added to those of
torch.manual_seed, random.seed and numpy.random.seed. By hand the script does what it does without.
"""

EXPRESSIONS = {
    "--tokens-per-step": "tokens a step, such as batch_size * block_size",
    "--loss": "loss of a step [default: what backward() is called on]",
    "--model": "what is saved and compared; '' for none [default: model]",
    "--predict": "logits of all symbols behind each of `tokens`, such as model(tokens) "
    "[default: none, and no predictions]",
}


def expression(text: str) -> str:
    """The same text, if it is an expression or empty."""
    try:
        ast.parse(text or "None", mode="eval")
    except SyntaxError as error:
        raise argparse.ArgumentTypeError(f"`{text}` is no expression: {error.msg}") from error
    return text


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(
        "python3 -m outpace_step",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for option, help_ in EXPRESSIONS.items():
        made.add_argument(option, metavar="EXPR", type=expression, help=help_)
    help_ = "line of the training loop, or name of its function"
    made.add_argument("--loop", metavar="WHERE", help=help_)
    made.add_argument("script", help="the script")
    made.add_argument("arguments", nargs=argparse.REMAINDER, help="its arguments")
    return made


def main() -> None:
    """Runs the script, or says what is wrong and exits with 2."""
    options = Options(**vars(parser().parse_args()))
    try:
        with open(options.script, "rb") as file:
            source = file.read()
    except OSError as error:
        parser().exit(2, f"error: {error}\n")
    try:
        run(options, ast.parse(source, options.script))
    except NotFound as error:
        parser().exit(2, f"error: {options.script}: {error}\n")


if __name__ == "__main__":
    main()
