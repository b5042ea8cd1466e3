"""Draws text that nobody trains on, for the time-to-loss track."""

import argparse
import array
import json

import language

LENGTH = 64

parser = argparse.ArgumentParser()
parser.add_argument("--data-seed", type=int)
parser.add_argument("--passages", type=int)
parser.add_argument("--out")
options = parser.parse_args()

symbols = language.text(f"text {options.data_seed}", options.passages * (LENGTH + 1))
tokens = array.array("I", symbols)
with open(options.out, "wb") as file:
    tokens.tofile(file)
print(
    json.dumps(
        {"symbols": language.SYMBOLS, "length": LENGTH, "entropy_floor": language.ENTROPY}
    )
)
