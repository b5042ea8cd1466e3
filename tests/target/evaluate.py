"""The validation loss of a checkpoint, as the last line that is printed."""

import argparse
import ctypes
import json
import math
import sys

import checkpoint
import language

TOKENS = 4096

parser = argparse.ArgumentParser()
parser.add_argument("library")
parser.add_argument("--checkpoint")
parser.add_argument("--data-seed", type=int)
options = parser.parse_args()

model = ctypes.CDLL(options.library)
weights = checkpoint.read(options.checkpoint)["model"]
weights = (ctypes.c_float * checkpoint.COUNT)(*weights)
rows = []
for symbol in range(language.SYMBOLS):
    log_p = (ctypes.c_float * language.SYMBOLS)()
    model.expect(weights, symbol, log_p)
    rows.append(list(log_p))
text = language.text(f"validation {options.data_seed}", TOKENS + 1)
loss = -sum(rows[a][b] for a, b in zip(text, text[1:])) / TOKENS
error = max(abs(1.0 - sum(map(math.exp, row))) for row in rows)
json.dump(
    {
        "loss": loss,
        "tokens": TOKENS,
        "entropy_floor": language.ENTROPY,
        "probability_sum_error": error,
    },
    sys.stdout,
)
