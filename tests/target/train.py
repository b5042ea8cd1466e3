"""Trains the model of model.c on the text of language.py, as outpace asks for it."""

import ctypes
import json
import os
import random
import socket
import struct
import sys

import checkpoint
import language

BATCH = 128
RATE = 0.15

model = ctypes.CDLL(sys.argv[1])
model.step.restype = ctypes.c_float
Parameters = ctypes.c_float * checkpoint.COUNT
Symbols = ctypes.c_int * BATCH


class Trainer:
    """A model, its moments and its place in the data."""

    def start(self, ask):
        draw = random.Random(ask["model_seed"])
        self.weights = Parameters(*(draw.gauss(0.0, 0.15) for _ in range(checkpoint.COUNT)))
        self.moments = Parameters()
        self.data_seed, self.steps = ask["data_seed"], 0
        if "checkpoint" in ask:
            parts = checkpoint.read(ask["checkpoint"])
            self.weights[:], self.moments[:] = parts["model"], parts["momentum"]
        bits = (ctypes.c_int32 * checkpoint.COUNT).from_buffer(self.weights)
        for i in range(checkpoint.COUNT if ask.get("perturb_ulps") else 0):
            bits[i] += ask["perturb_ulps"]

    def batch(self):
        text = language.text(f"{self.data_seed}/{self.steps}", BATCH + 1)
        return Symbols(*text[:-1]), Symbols(*text[1:])

    def step(self):
        x, y = self.batch()
        self.steps += 1
        return model.step(self.weights, self.moments, x, y, ctypes.c_float(RATE))

    def save(self, path):
        checkpoint.write(path, model=self.weights, momentum=self.moments)

    def expect(self, symbol):
        log_p = (ctypes.c_float * language.SYMBOLS)()
        model.expect(self.weights, symbol, log_p)
        return list(log_p)

    def predict(self, ask):
        rows = [self.expect(symbol) for symbol in range(language.SYMBOLS)]
        width = ask["length"] + 1
        with open(ask["text"], "rb") as file:
            text = struct.unpack(f"<{ask['passages'] * width}I", file.read())
        passages = [text[i : i + width] for i in range(0, len(text), width)]
        if "at" in ask:
            numbers = [n for passage, at in zip(passages, ask["at"]) for n in rows[passage[at]]]
        else:
            numbers = [rows[a][b] for passage in passages for a, b in zip(passage, passage[1:])]
        with open(ask["out"], "wb") as file:
            file.write(struct.pack(f"<{len(numbers)}f", *numbers))


def serve(trainer):
    """Answers outpace until it says `stop`."""
    link = socket.socket(socket.AF_UNIX)
    link.connect(os.environ["OUTPACE_SOCKET"])
    lines = link.makefile("rw", encoding="utf-8")

    def say(**message):
        lines.write(json.dumps(message) + "\n")
        lines.flush()

    can = ["perturb", "save", "resume", "predict"]
    say(type="hello", protocol=1, tokens_per_step=BATCH, parameters=checkpoint.COUNT, can=can)
    for line in lines:
        ask = json.loads(line)
        if ask["type"] == "start":
            trainer.start(ask)
            say(type="ready")
        elif ask["type"] == "step":
            losses = [trainer.step() for _ in range(ask["n"])]
            say(type="done", step=trainer.steps, losses=losses)
        elif ask["type"] == "save":
            trainer.save(ask["path"])
            say(type="saved")
        elif ask["type"] == "predict":
            trainer.predict(ask)
            say(type="predicted")
        elif ask["type"] == "stop":
            break


if __name__ == "__main__":
    serve(Trainer())
