"""The jobs of a run, one after the other in the order of their `needs`, each in its own folders.

Also what a job is given: its token, its secrets, its approval. Concurrency groups and runner labels
are noted and otherwise without effect.
"""

import json
import time
from dataclasses import dataclass
from typing import Any

import api_client
import contexts
import matrix
import permissions
from actions import ActionError, check_uses
from conditions import holds
from expressions import Scope, interpolate, resolve
from model import Frame, JobRecord, JobState, Run
from steps import run_steps
from values import EvaluationError, to_number, truthy
from workflow_file import WorkflowError

# GitHub's own.
DEFAULT_MINUTES = 360


def run_jobs(run: Run) -> None:
    jobs = run.workflow.jobs
    for job in jobs.values():
        for step in job["steps"]:
            if "uses" in step:
                check_uses(step["uses"], run.config.uses)
    records: dict[str, list[JobRecord]] = {}
    for job_id in ordered(jobs, run.config.only_job):
        records[job_id] = run_job(run, job_id, jobs[job_id], records)
        run.result.jobs += records[job_id]
    run.result.conclusion = overall(run.result.jobs)


def ordered(jobs: dict[str, Any], only: str | None) -> list[str]:
    """Each job after those that it needs; with `only`, no others than it and them."""
    found: list[str] = []

    def visit(job_id: str, above: tuple[str, ...]) -> None:
        if job_id not in jobs or job_id in above:
            raise WorkflowError(f"needs: {job_id} is no job, or needs itself")
        for needed in needs_of(jobs[job_id]):
            visit(needed, (*above, job_id))
        if job_id not in found:
            found.append(job_id)

    for job_id in [only] if only else jobs:
        visit(job_id, ())
    return found


def needs_of(job: dict[str, Any]) -> list[str]:
    needs = job.get("needs") or []
    return [needs] if isinstance(needs, str) else needs


def run_job(run: Run, job_id: str, job: dict[str, Any],
            records: dict[str, list[JobRecord]]) -> list[JobRecord]:
    needs = {needed: {"result": combined([record.result for record in records[needed]]),
                      "outputs": {name: value for record in records[needed]
                                  for name, value in record.outputs.items()}}
             for needed in needs_of(job)}
    before = [record.result for other in ancestors(run.workflow.jobs, job_id)
              for record in records[other]]
    scope = contexts.job_scope(run, "job.if", needs)
    scope.functions = status_functions(before)
    if "waiting" in before or not holds(job.get("if"), scope):
        what = "waiting" if "waiting" in before else "skipped"
        return [JobRecord(job_id, str(job.get("name", job_id)), what, what)]
    return run_matrix(run, job_id, job, needs)


def ancestors(jobs: dict[str, Any], job_id: str) -> set[str]:
    found: set[str] = set()
    for needed in needs_of(jobs[job_id]):
        found |= {needed} | ancestors(jobs, needed)
    return found


def status_functions(before: list[str]) -> dict[str, Any]:
    return {"success": lambda: all(result == "success" for result in before),
            "failure": lambda: "failure" in before, "always": lambda: True,
            "cancelled": lambda: False}


def combined(results: list[str]) -> str:
    for worst in ("waiting", "failure", "cancelled", "success"):
        if worst in results:
            return worst
    return "skipped"


def overall(jobs: list[JobRecord]) -> str:
    return combined([job.result for job in jobs])


def run_matrix(run: Run, job_id: str, job: dict[str, Any],
               needs: dict[str, Any]) -> list[JobRecord]:
    strategy = resolve(job.get("strategy") or {}, contexts.job_scope(run, "job.strategy", needs))
    runs = matrix.combinations(strategy.get("matrix"))
    records: list[JobRecord] = []
    for index, combination in enumerate(runs):
        about = {"fail-fast": strategy.get("fail-fast", True), "job-index": index,
                 "job-total": len(runs), "max-parallel": strategy.get("max-parallel", len(runs))}
        scope = contexts.job_scope(run, "job", needs, combination, about)
        record = new_record(job_id, job, combination, scope)
        planned = Planned(run, job, record, needs, about, scope)
        records.append(record)
        if about["fail-fast"] and any(other.result == "failure" for other in records):
            record.conclusion = record.result = "cancelled"
        else:
            run_one(planned)
    return records


def new_record(job_id: str, job: dict[str, Any], combination: dict[str, Any],
               scope: Scope) -> JobRecord:
    name = interpolate(job["name"], scope) if "name" in job else matrix.title(job_id, combination)
    environment = resolve(job.get("environment"), Scope({
        **scope.contexts, "steps": {}, "job": {}, "runner": {}, "env": {}}))
    if isinstance(environment, dict):
        environment = environment.get("name")
    return JobRecord(job_id, name, matrix=combination, environment=environment or None,
                     runs_on=resolve(job["runs-on"], scope),
                     concurrency=resolve(job.get("concurrency"), scope))


@dataclass
class Planned:
    """One run of a job that is to start, with all that is known before."""

    run: Run
    job: dict[str, Any]
    record: JobRecord
    needs: dict[str, Any]
    strategy: dict[str, Any]
    scope: Scope


def run_one(planned: Planned) -> None:
    run, job, record = planned.run, planned.job, planned.record
    record.permissions = permissions.effective(run.workflow.data, job, run.fork)
    if record.environment and record.environment not in run.config.approved:
        rejected = record.environment in run.config.rejected
        record.conclusion = record.result = "failure" if rejected else "waiting"
        run.log.line(f"== {record.name}: {record.environment} is "
                     f"{'rejected' if rejected else 'waited for'}")
        return
    run.log.line(f"== {record.name} on {record.runs_on}")
    try:
        frame = Frame(start(planned), record.steps)
        run_steps(frame, job["steps"])
        record.conclusion = frame.status
        finish(frame, job)
    except EvaluationError as error:
        record.conclusion = "failure"
        record.annotations.append({"level": "error", "message": str(error)})
    tolerated = truthy(resolve(job.get("continue-on-error", False), planned.scope))
    record.result = "success" if record.conclusion == "failure" and tolerated else record.conclusion
    run.log.line(f"== {record.name}: {record.conclusion}")


def start(planned: Planned) -> JobState:
    run, record, config = planned.run, planned.record, planned.run.config
    place = config.temp / f"{len(run.result.jobs)}-{record.id}-{planned.strategy['job-index']}"
    folders = [place / "work" / config.repository.split("/")[1], place / "temp", place / "home"]
    for folder in folders:
        folder.mkdir(parents=True)
    token = api_client.register_token(config.api_url, config.admin_key, config.repository,
                                      record.permissions)
    secrets = {"GITHUB_TOKEN": token, **({} if run.fork else config.secrets)}
    for secret in secrets.values():
        run.log.mask(secret)
    github = {**run.github, "token": token, "job": record.id, "workspace": str(folders[0]),
              "event_path": contexts.write_event(folders[1], json.dumps(config.payload))}
    minutes = to_number(resolve(planned.job.get("timeout-minutes", DEFAULT_MINUTES), planned.scope))
    state = JobState(run, record, github, planned.needs, planned.strategy, secrets,
                     workspace=folders[0], temp=folders[1], home=folders[2], defaults={},
                     deadline=time.monotonic() + 60 * minutes)
    set_environment(state, planned.job)
    return state


def set_environment(state: JobState, job: dict[str, Any]) -> None:
    """`env` of the workflow, then of the job, and the defaults of both."""
    run, more = state.run, {"secrets": state.secrets}
    arguments = (state.needs, state.record.matrix, state.strategy, more)
    for place, data in (("env", run.workflow.data), ("job.env", job)):
        scope = contexts.job_scope(run, place, *arguments)
        state.environment |= {name: interpolate(value, scope)
                              for name, value in (data.get("env") or {}).items()}
    for data in (run.workflow.data, job):
        state.defaults |= (data.get("defaults") or {}).get("run") or {}


def finish(frame: Frame, job: dict[str, Any]) -> None:
    """Outputs, the summary, and what actions left to do, last things first."""
    record, log = frame.job.record, frame.job.run.log
    scope = contexts.step_scope(frame, "job.outputs", {})
    for name, value in (job.get("outputs") or {}).items():
        text = interpolate(value, scope)
        if any(mask in text for mask in log.masks):
            record.annotations.append({"level": "warning", "message": f"Skip output '{name}' since "
                                                                      "it may contain secret."})
        elif text:
            record.outputs[name] = text
    record.summary = "\n".join(frame.job.summaries)
    for post in reversed(frame.job.post):
        try:
            post()
        except ActionError as error:
            record.annotations.append({"level": "warning", "message": f"post: {error}"})
