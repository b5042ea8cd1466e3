#!/usr/bin/env python3
"""Writes validation text that train.py never trains on, for the time-to-loss track.

    text.py --config FILE [--trainer outpace-gpt] [--length L] --data-seed N --passages P --out FILE

The key `text` of a workload in outpace.toml names it; outpace adds the last three. The file has
P x (L + 1) token ids, unsigned 32-bit little-endian, and the last line on stdout is
{"symbols": S, "length": L, ...}. Needs Python 3.11.

The batches of train.py are drawn by `outpace-gpt export`, and this text by `outpace-gpt text`. In a
generated language its random numbers are of another domain than those of batches. Of a text file it
is from the last tenth, which is never trained on.
"""

import argparse
import subprocess
import sys
import tomllib


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", required=True, help="config of outpace-gpt")
    parser.add_argument("--trainer", default="outpace-gpt", help="the program outpace-gpt, for `text`")
    parser.add_argument("--length", type=int, help="tokens to predict in a passage [default: model.sequence of the config]")
    parser.add_argument("--data-seed", type=int, required=True)
    parser.add_argument("--passages", type=int, required=True)
    parser.add_argument("--out", required=True, help="file to write")
    return parser.parse_args()


def main():
    options = arguments()
    length = options.length
    if length is None:
        with open(options.config, "rb") as file:
            length = tomllib.load(file)["model"]["sequence"]
    command = [options.trainer, "text", "--config", options.config, "--length", str(length)]
    command += ["--data-seed", str(options.data_seed), "--passages", str(options.passages), "--out", options.out]
    sys.exit(subprocess.run(command).returncode)


if __name__ == "__main__":
    main()
