"""What a `uses:` is: an action of the checkout, one that is mapped, or one that is emulated.

Composite actions run for real from their action.yml. Of others only those run that emulated.py
lists; every action of a third party must be pinned by its commit. The rest is an error.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable

from contexts import step_scope
from expressions import interpolate
from model import Frame, StepRecord
from workflow_file import WorkflowError, check_steps, load_yaml

PINNED = re.compile(r"(?P<name>[\w.-]+/[\w.-]+(?:/[\w./-]+)?)@(?P<commit>[0-9a-f]{40})")
# As GitHub has it.
MAX_DEPTH = 10


class ActionError(Exception):
    """An action that ran and failed."""


@dataclass
class Call:
    """One use of an action, and what the action may touch."""

    uses: str
    inputs: dict[str, str]  # as given, names in lower case
    frame: Frame
    record: StepRecord
    environment: dict[str, str]
    run_steps: Callable[[Frame, list[dict[str, Any]]], None]
    outputs: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.outputs = self.record.outputs

    @property
    def job(self):
        return self.frame.job

    def log(self, line: str) -> None:
        self.job.run.log.line(f"{'  ' * self.frame.depth}   | {line}")

    def remember(self, action: str, **what: Any) -> None:
        """What the action would have done outside of this machine."""
        self.job.run.result.recorded.append({"action": action, "job": self.job.record.id, **what})


def use(call: Call) -> None:
    if call.uses.startswith("./"):
        return run_composite(call, inside(call.job.workspace, call.uses))
    name, mapped = name_of(call.uses), call.job.run.config.uses
    implementation = mapped.get(name) or emulated().get(name)
    if implementation is None:
        raise WorkflowError(unknown(call.uses))
    if implementation == "record":
        return call.remember(name, inputs=call.inputs)
    if callable(implementation):
        implementation(call)
        return None
    return run_composite(call, Path(implementation))


def emulated() -> dict[str, Callable[[Call], None]]:
    from emulated import ACTIONS  # they use this file
    return ACTIONS


def unknown(uses: str) -> str:
    return f"uses: {uses} is not emulated. Hint: map it with --use NAME=FOLDER or NAME=record"


def name_of(uses: str) -> str:
    if (match := PINNED.fullmatch(uses)) is None:
        raise WorkflowError(f"uses: {uses} is not pinned by a commit of 40 hexadecimal digits")
    return match["name"]


def check_uses(uses: str, mapped: dict[str, Any]) -> None:
    """Before anything runs: whether a step of the workflow names something that can be run."""
    if not uses.startswith("./") and name_of(uses) not in {**mapped, **emulated()}:
        raise WorkflowError(unknown(uses))


def inside(workspace: Path, uses: str) -> Path:
    folder = (workspace / uses).resolve()
    if not folder.is_relative_to(workspace.resolve()):
        raise WorkflowError(f"uses: {uses} is outside of the workspace")
    return folder


def run_composite(call: Call, folder: Path) -> None:
    action = load_action(folder, call.uses)
    if call.frame.depth + 1 >= MAX_DEPTH:
        raise WorkflowError(f"uses: {call.uses}: more than {MAX_DEPTH} actions inside each other")
    repository, _, commit = call.uses.partition("@")
    frame = Frame(job=call.job, records=call.record.steps, action_path=folder, action_ref=commit,
                  action_repository=repository if commit else "", inputs=inputs_of(call, action),
                  environment={**call.frame.environment, **call.environment},
                  depth=call.frame.depth + 1)
    call.run_steps(frame, action["runs"]["steps"])
    scope = step_scope(frame, "action.output", {})
    for name, about in (action.get("outputs") or {}).items():
        call.outputs[name] = interpolate(about.get("value", ""), scope)
    if frame.failed:
        raise ActionError(f"a step of {call.uses} failed")


def load_action(folder: Path, uses: str) -> dict[str, Any]:
    for name in ("action.yml", "action.yaml"):
        if (path := folder / name).is_file():
            action = load_yaml(path.read_text(encoding="utf-8"), str(path))
            break
    else:
        raise ActionError(f"Can't find 'action.yml' or 'action.yaml' for {uses}. Did you forget to "
                          "run actions/checkout before running your local action?")
    if action.get("runs", {}).get("using") != "composite":
        raise WorkflowError(f"uses: {uses}: only composite actions are run from their action.yml")
    check_steps(action["runs"]["steps"], str(path))
    return action


def inputs_of(call: Call, action: dict[str, Any]) -> dict[str, str]:
    declared = {name.lower(): about or {} for name, about in (action.get("inputs") or {}).items()}
    warn_unexpected(call, set(declared))
    scope = step_scope(call.frame, "input", {})
    # A required input that is missing is empty, as on GitHub, which does not check it.
    return {name: call.inputs[name] if name in call.inputs
            else interpolate(about.get("default", ""), scope) for name, about in declared.items()}


def warn_unexpected(call: Call, declared: set[str]) -> None:
    if unexpected := sorted(set(call.inputs) - declared):
        call.record.annotate("warning", f"Unexpected input(s) {', '.join(unexpected)}, valid "
                                        f"inputs are {', '.join(sorted(declared))}")
