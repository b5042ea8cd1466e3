"""Runs one process of a step, line by line, with an end to its time. It interprets nothing."""

import os
import re
import shlex
import signal
import subprocess
import threading
import time
from pathlib import Path
from typing import Callable

from workflow_file import WorkflowError

# The runner's own, for `shell: bash` and for no shell at all.
SHELLS = {
    "bash": "bash --noprofile --norc -eo pipefail {0}",
    "sh": "sh -e {0}",
    "python": "python {0}",
    "": "bash -e {0}",
}
# The runner splits what it reads there; other separators of Unicode do not count.
LINE_END = re.compile(rb"\r\n|\r|\n")
# How long a process left in the background may hold the pipe open once the step has ended.
GRACE_S = 2.0


def command_line(shell: str, script: Path) -> list[str]:
    template = SHELLS.get(shell, shell)
    if "{0}" not in template:
        raise WorkflowError(f"shell: {shell!r} is not emulated and has no {{0}}")
    return [part.replace("{0}", str(script)) for part in shlex.split(template)]


def run_process(command: list[str], folder: Path, environment: dict[str, str],
                deadline: float, hear: Callable[[str], None]) -> int | None:
    """The exit code, or None where time ran out. `hear` gets each line, of both streams."""
    process = subprocess.Popen(command, cwd=folder, env=environment, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               start_new_session=True)
    reader = threading.Thread(target=read_lines, args=(process.stdout, hear), daemon=True)
    reader.start()
    # A thread waits, since Popen.wait with a limit asks again and again, up to 50 ms apart.
    waiter = threading.Thread(target=process.wait, daemon=True)
    waiter.start()
    waiter.join(max(0.0, deadline - time.monotonic()))
    late = waiter.is_alive()
    if late:
        end_group(process.pid)
        waiter.join()
    reader.join(GRACE_S)
    # The runner ends what a job leaves behind; here each step does, so that tests leave nothing.
    end_group(process.pid)
    reader.join(GRACE_S)
    return None if late else process.returncode


def read_lines(stream, hear: Callable[[str], None]) -> None:
    rest = b""
    while chunk := os.read(stream.fileno(), 65536):
        *lines, rest = LINE_END.split(rest + chunk)
        # A \r at the end of a chunk may be the first half of \r\n.
        if chunk.endswith(b"\r") and lines:
            rest = lines.pop() + b"\r"
        for line in lines:
            hear(line.decode("utf-8", "replace"))
    for line in LINE_END.split(rest):
        if line:
            hear(line.decode("utf-8", "replace"))
    stream.close()


def end_group(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass  # all of it has ended
