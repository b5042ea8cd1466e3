"""Plays outpace's part: starts a script as outpace does, asks, and hears what it answers."""

import json
import os
import pathlib
import socket
import struct
import subprocess
import sys
import tempfile
import textwrap
import time

TESTS = pathlib.Path(__file__).resolve().parent
SOURCES = TESTS.parent / "src"
FAKE_TORCH = TESTS / "fake"
TIMEOUT_S = 20

SEEDS = {"model_seed": 7, "data_seed": 9}


def environment(*packages, **variables):
    """Without what drives this process itself."""
    paths = os.pathsep.join(str(path) for path in (SOURCES, *packages))
    inherited = {name: value for name, value in os.environ.items() if name != "OUTPACE_SOCKET"}
    return {**inherited, "PYTHONPATH": paths, **variables}


class Script:
    """A script in a folder of its own, `train.py`; text is dedented."""

    def __init__(self, text, packages=(FAKE_TORCH,)):
        self._folder = tempfile.TemporaryDirectory()
        self.folder = pathlib.Path(self._folder.name)
        self.path = self.folder / "train.py"
        self.path.write_text(textwrap.dedent(text).lstrip("\n"))
        self.packages = packages
        # Without site-packages it starts sooner, and nothing that is installed there can interfere.
        self.python = [sys.executable, *(["-S"] if packages else [])]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._folder.cleanup()

    def by_hand(self, *command, arguments=()):
        """Runs it without outpace; returns the finished process."""
        return subprocess.run(
            [*self.python, *command, "train.py", *arguments],
            cwd=self.folder,
            env=environment(*self.packages),
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
        )

    def driven(self, *command, arguments=()):
        """Starts it as outpace does."""
        return Driver(self, [*self.python, *command, "train.py", *arguments])


class Driver:
    """A script in progress, and the socket that it has connected to."""

    def __init__(self, script, command):
        path = str(script.folder / "s")
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        listener.listen(1)
        listener.settimeout(0.1)
        # Files and not pipes: nobody reads them before the script has ended.
        self._out = open(script.folder / "out", "w+")
        self._err = open(script.folder / "err", "w+")
        env = environment(*script.packages, OUTPACE_SOCKET=path)
        files = {"stdout": self._out, "stderr": self._err}
        self.process = subprocess.Popen(command, cwd=script.folder, env=env, **files)
        self._link = self._accept(listener)
        os.unlink(path)
        self._lines = self._link.makefile("rw")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._lines.close()
        self._link.close()
        self.process.kill()
        self.process.wait()
        self._out.close()
        self._err.close()

    def _accept(self, listener):
        deadline = time.monotonic() + TIMEOUT_S
        with listener:
            while self.process.poll() is None and time.monotonic() < deadline:
                try:
                    link, _ = listener.accept()
                except socket.timeout:
                    continue
                link.settimeout(TIMEOUT_S)
                return link
        self.process.kill()
        raise AssertionError(f"the script did not connect: {self.finish()}")

    def hear(self):
        line = self._lines.readline()
        return json.loads(line) if line else None

    def ask(self, kind, **fields):
        self.say(kind, **fields)
        return self.hear()

    def say(self, kind, **fields):
        self._lines.write(json.dumps({"type": kind, **fields}) + "\n")
        self._lines.flush()

    def begin(self, **fields):
        """Through hello and start to ready; returns hello."""
        hello = self.hear()
        answer = self.ask("start", **{**SEEDS, **fields})
        assert answer == {"type": "ready"}, answer
        return hello

    def step(self, n=1):
        return self.ask("step", n=n)

    def hang_up(self):
        self._link.shutdown(socket.SHUT_RDWR)

    def stop(self):
        """Says stop; returns exit code, stdout and stderr."""
        self.say("stop")
        return self.finish()

    def finish(self):
        """Waits for the end; returns exit code, stdout and stderr."""
        code = self.process.wait(TIMEOUT_S)
        texts = []
        for file in (self._out, self._err):
            file.seek(0)
            texts.append(file.read())
        return code, *texts


def read_safetensors(path):
    """Tensors of a file as (dtype, shape, bytes), and its metadata."""
    data = pathlib.Path(path).read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    assert length % 8 == 0
    header, data = json.loads(data[8 : 8 + length]), data[8 + length :]
    metadata = header.pop("__metadata__")
    tensors, end = {}, 0
    for name, info in header.items():
        begin, stop = info["data_offsets"]
        assert begin == end, "holes are not allowed"
        end = stop
        tensors[name] = (info["dtype"], info["shape"], data[begin:stop])
    assert end == len(data)
    return tensors, metadata
