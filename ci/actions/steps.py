"""Runs a list of steps: those of a job, and those of a composite action inside of one of its steps.

It decides what runs (`if`), with which environment, and what a failure means. What a `uses:` does
is in actions.py, the process of a `run:` in scripts.py.
"""

import time
from dataclasses import dataclass, field
from typing import Any

import actions
from command_files import MAX_SUMMARY_BYTES, BLOCKED, CommandFileError, Files
from commands import Command
from conditions import holds
from contexts import process_environment, step_scope
from expressions import Scope, interpolate, resolve
from model import Frame, StepRecord
from scripts import command_line, run_process
from values import EvaluationError, to_number, truthy

# What GitHub gives to the steps that still run once a job is cancelled.
AFTER_CANCEL_S = 5 * 60


class StepFailed(Exception):
    """A step that ran and failed; its text says why."""


class StepCancelled(Exception):
    """The job ran out of time while this step ran."""


def run_steps(frame: Frame, steps: list[dict[str, Any]]) -> None:
    for number, step in enumerate(steps, 1):
        record = StepRecord(name=default_name(step), id=step.get("id"), uses=step.get("uses"))
        frame.records.append(record)
        run_step(Doing(frame, step, record, step.get("id") or f"__step_{number}"))
        if record.id:
            frame.steps[record.id] = {"outputs": record.outputs, "outcome": record.outcome,
                                      "conclusion": record.conclusion}
        frame.failed = frame.failed or record.conclusion == "failure"


def default_name(step: dict[str, Any]) -> str:
    return str(step.get("name") or f"Run {step.get('uses') or first_line(str(step['run']))}")


def first_line(text: str) -> str:
    return (text.strip().splitlines() or [""])[0]


@dataclass
class Doing:
    """One step while it runs."""

    frame: Frame
    step: dict[str, Any]
    record: StepRecord
    action: str  # GITHUB_ACTION
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def scope(self) -> Scope:
        return step_scope(self.frame, "step", self.environment)

    def log(self, line: str) -> None:
        self.frame.job.run.log.line(f"{'  ' * self.frame.depth}{line}")


def run_step(doing: Doing) -> None:
    frame, record, began = doing.frame, doing.record, time.monotonic()
    try:
        doing.environment = {name: interpolate(value, doing.scope)
                             for name, value in (doing.step.get("env") or {}).items()}
        if not holds(doing.step.get("if"), step_scope(frame, "step.if", doing.environment)):
            record.outcome = record.conclusion = "skipped"
            return
        record.name = frame.job.run.log.masked(first_line(interpolate(record.name, doing.scope)))
        doing.log(f"-- {record.name}")
        use(doing) if "uses" in doing.step else run(doing)
    except (StepFailed, CommandFileError, EvaluationError, actions.ActionError) as error:
        record.error, record.outcome = str(error), "failure"
    except StepCancelled as error:
        record.error, record.outcome = str(error), "cancelled"
        frame.job.cancelled = True
    if refused := [command.refused for command in record.commands if command.refused]:
        record.error, record.outcome = refused[0], "failure"
    conclude(doing)
    record.seconds = round(time.monotonic() - began, 3)


def conclude(doing: Doing) -> None:
    record = doing.record
    record.conclusion = record.outcome
    if record.outcome == "failure":
        record.annotate("error", doing.frame.job.run.log.masked(record.error or ""))
        scope = step_scope(doing.frame, "step", {})
        if truthy(resolve(doing.step.get("continue-on-error", False), scope)):
            record.conclusion = "success"
    if record.error:
        doing.log(f"   {record.outcome}: {record.error}")


def use(doing: Doing) -> None:
    inputs = {name.lower(): interpolate(value, doing.scope)
              for name, value in (doing.step.get("with") or {}).items()}
    actions.use(actions.Call(doing.step["uses"], inputs, doing.frame, doing.record,
                             doing.environment, run_steps))


def run(doing: Doing) -> None:
    doing.frame.job.scripts += 1
    number = str(doing.frame.job.scripts)
    files = Files.make(doing.frame.job.temp / "_runner_file_commands" / number)
    code = run_script(doing, files)
    apply_files(doing.frame, doing.record, files)
    if code is None:
        raise out_of_time(doing.frame)
    if code != 0:
        raise StepFailed(f"Process completed with exit code {code}.")


def out_of_time(frame: Frame) -> Exception:
    if time.monotonic() >= frame.job.deadline:
        return StepCancelled("The job has exceeded its maximum execution time.")
    return StepFailed("The action has timed out.")


def deadline(doing: Doing) -> float:
    """The end of the step's time. An action that is emulated has no end but the job's."""
    job = doing.frame.job
    if job.cancelled:
        return time.monotonic() + AFTER_CANCEL_S
    minutes = doing.step.get("timeout-minutes")
    if minutes is None:
        return job.deadline
    own = time.monotonic() + 60 * to_number(resolve(minutes, doing.scope))
    return min(job.deadline, own)


def run_script(doing: Doing, files: Files) -> int | None:
    frame, job, scope = doing.frame, doing.frame.job, doing.scope
    # The defaults of a workflow do not reach into an action.
    settings = {**({} if frame.composite else job.defaults), **doing.step}
    shell = interpolate(settings.get("shell", ""), scope)
    if frame.composite and not shell:
        raise StepFailed("Required property is missing: shell")
    folder = interpolate(settings.get("working-directory", "."), scope)
    script = job.temp / f"step-{job.scripts}.sh"
    script.write_text(interpolate(doing.step["run"], scope) + "\n", encoding="utf-8")
    if not (place := job.workspace / folder).is_dir():
        raise StepFailed(f"The working directory {folder} does not exist.")
    variables = process_environment(frame, doing.environment, files.environment(), doing.action)
    return run_process(command_line(shell, script), place, variables, deadline(doing),
                       lambda line: hear(doing, line))


def hear(doing: Doing, line: str) -> None:
    """One line of a step's output: into the log, unless it is a command that logs do not show."""
    command = doing.frame.job.listener.hear(line)
    if command:
        doing.record.commands.append(command)
        obey(doing.frame, doing.record, command)
    if command is None or command.name not in ("add-mask", "set-output", "save-state"):
        doing.log(f"   | {line}")


def obey(frame: Frame, record: StepRecord, command: Command) -> None:
    match command.name:
        case "add-mask":
            frame.job.run.log.mask(command.data)
        case "set-output" if not command.refused:
            # Deprecated and still in force: this is what hostile text aims at.
            record.outputs[command.properties["name"]] = command.data
        case "error" | "warning" | "notice":
            record.annotate(command.name, frame.job.run.log.masked(command.data))


def apply_files(frame: Frame, record: StepRecord, files: Files) -> None:
    for name, value in files.pairs("env").items():
        if name.upper() in BLOCKED:
            record.annotate("error", f"Can't store {name} output parameter using '$GITHUB_ENV'")
        else:
            frame.job.environment[name] = value
    for folder in files.prepended():
        frame.job.prepended = [old for old in frame.job.prepended if old != folder] + [folder]
    record.outputs |= files.pairs("output")
    summary = files.text("step_summary")
    if len(summary.encode()) > MAX_SUMMARY_BYTES:
        record.annotate("error", "$GITHUB_STEP_SUMMARY upload aborted, supports content up to a "
                                 f"size of {MAX_SUMMARY_BYTES // 1024}k")
    elif summary:
        frame.job.summaries.append(frame.job.run.log.masked(summary))
