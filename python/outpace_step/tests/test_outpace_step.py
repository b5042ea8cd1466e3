"""The module against a socket that plays outpace's part."""

import json
import math
import os
import pathlib
import socket
import sys
import tempfile
import threading
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "src"))

import outpace_step  # noqa: E402


class Lazy:
    """A loss on a device: it remembers when it was read."""

    def __init__(self, value, log):
        self.value, self.log = value, log

    def __float__(self):
        self.log.append("read")
        return self.value


class Run:
    perturbs = True
    log = []

    def __init__(self, ask):
        self.ask, self.steps = ask, 0

    def step(self):
        self.steps += 1
        self.log.append("step")
        if self.ask.data_seed == 13:
            raise ValueError("the data set is not there")
        return Lazy(math.nan if self.steps == 3 else 5.0 - self.steps, self.log)

    def finish(self):
        self.log.append("finish")

    def save(self, path):
        pathlib.Path(path).write_text(f"{self.ask.perturb_ulps}")


class Judge:
    """Listens, lets `serve` run in a thread, asks."""

    def __init__(self, start, **stated):
        self.folder = tempfile.TemporaryDirectory()
        path = os.path.join(self.folder.name, "s")
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen(1)
        os.environ[outpace_step.SOCKET_VARIABLE] = path
        self.raised = None

        def serve():
            try:
                outpace_step.serve(start, **stated)
            except Exception as error:  # handed to the test
                self.raised = error

        self.thread = threading.Thread(target=serve)
        self.thread.start()
        self.link, _ = self.listener.accept()
        self.link.settimeout(10)
        self.lines = self.link.makefile("rw")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.link.shutdown(socket.SHUT_WR)
        self.thread.join(10)
        self.lines.close()
        self.link.close()
        self.listener.close()
        self.folder.cleanup()
        del os.environ[outpace_step.SOCKET_VARIABLE]

    def hear(self):
        return json.loads(self.lines.readline())

    def ask(self, **request):
        self.lines.write(json.dumps(request) + "\n")
        self.lines.flush()
        return self.hear()


class Protocol(unittest.TestCase):
    def setUp(self):
        Run.log.clear()

    def test_a_whole_conversation(self):
        self.assertFalse(outpace_step.driven())
        with Judge(Run, tokens_per_step=64, parameters=2) as judge:
            self.assertTrue(outpace_step.driven())
            hello = {"type": "hello", "protocol": 1, "can": ["save", "perturb"], "tokens_per_step": 64, "parameters": 2}
            self.assertEqual(judge.hear(), hello)
            ready = judge.ask(type="start", model_seed=1, data_seed=2, perturb_ulps=1)
            self.assertEqual(ready, {"type": "ready"})
            self.assertEqual(judge.ask(type="step", n=2), {"type": "done", "step": 2, "losses": [4.0, 3.0]})
            # No loss is read before the last step of the turn is done.
            self.assertEqual(Run.log, ["step", "step", "finish", "read", "read"])
            self.assertEqual(judge.ask(type="step", n=1), {"type": "done", "step": 3, "losses": [None]})
            path = os.path.join(judge.folder.name, "checkpoint")
            self.assertEqual(judge.ask(type="save", path=path), {"type": "saved"})
            self.assertEqual(pathlib.Path(path).read_text(), "1")
            # A new start counts from nothing.
            judge.ask(type="start", model_seed=1, data_seed=2)
            self.assertEqual(judge.ask(type="step", n=1)["step"], 1)
            judge.lines.write('{"type": "stop"}\n')
            judge.lines.flush()
            judge.thread.join(10)
            self.assertFalse(judge.thread.is_alive())
        self.assertIsNone(judge.raised)

    def test_a_plain_function_serves_too(self):
        class Plain:
            def step(self):
                return 1

        with Judge(lambda ask: Plain()) as judge:
            self.assertEqual(judge.hear(), {"type": "hello", "protocol": 1, "can": []})
            judge.ask(type="start", model_seed=0, data_seed=0)
            self.assertEqual(judge.ask(type="step", n=1)["losses"], [1.0])
        self.assertIsNone(judge.raised)

    def test_failures_are_told_and_raised(self):
        for requests, said, raised in (
            ([{"type": "start", "model_seed": 1, "data_seed": 13}, {"type": "step", "n": 1}], "ValueError: the data set is not there", ValueError),
            ([{"type": "step", "n": 1}], "ProtocolError: `step` before `start`", outpace_step.ProtocolError),
            ([{"type": "dance"}], "ProtocolError: unknown request `dance`", outpace_step.ProtocolError),
            ([{"type": "start", "model_seed": 1, "data_seed": 1}, {"type": "predict"}], "ProtocolError: unknown request `predict`", outpace_step.ProtocolError),
        ):
            with self.subTest(said), Judge(Run) as judge:
                judge.hear()
                for request in requests:
                    answer = judge.ask(**request)
                self.assertEqual(answer, {"type": "error", "message": said})
                judge.thread.join(10)
                self.assertIsInstance(judge.raised, raised)


if __name__ == "__main__":
    unittest.main()
