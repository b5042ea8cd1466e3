"""A workload of a test: it speaks the step protocol and works for so many additions a step."""
import json
import os
import random
import socket

ADDITIONS = 6000

link = socket.socket(socket.AF_UNIX)
link.connect(os.environ["OUTPACE_SOCKET"])
lines = link.makefile("rw")


def say(**message):
    lines.write(json.dumps(message) + "\n")
    lines.flush()


say(type="hello", protocol=1, tokens_per_step=64)
for line in lines:
    ask = json.loads(line)
    if ask["type"] == "start":
        seed, steps = ask["data_seed"] + ask["model_seed"], 0
        say(type="ready")
    elif ask["type"] == "step":
        losses = []
        for _ in range(ask["n"]):
            for _ in range(ADDITIONS):
                pass
            losses.append(5.0 / (1.0 + 0.01 * steps) + random.Random(f"{seed}/{steps}").random())
            steps += 1
        say(type="done", step=steps, losses=losses)
    elif ask["type"] == "stop":
        break
