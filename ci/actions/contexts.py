"""The contexts of expressions and the variables of a step's process, as GitHub documents them."""

import os
import platform
from pathlib import Path
from typing import Any

import globs
from expressions import Scope
from model import Config, Frame, JobState, Run
from values import CaseSensitive, Documented, Value
from workflow_file import Workflow

JOB = ("github", "needs", "strategy", "matrix", "vars", "inputs")
STEP = (*JOB, "job", "runner", "env", "secrets", "steps")
# Where GitHub allows what ("Contexts reference"; workflow-v1.0.json of actions/languageservices).
AVAILABLE: dict[str, tuple[str, ...]] = {
    "run-name": ("github", "inputs", "vars"),
    "concurrency": ("github", "inputs", "vars"),
    "env": ("github", "secrets", "inputs", "vars"),
    "job.if": ("github", "needs", "vars", "inputs"),
    "job.strategy": ("github", "needs", "vars", "inputs"),
    "job": JOB,
    "job.env": (*JOB, "secrets"),
    "job.defaults": (*JOB, "env"),
    "job.outputs": STEP,
    "step": STEP,
    "step.if": tuple(name for name in STEP if name != "secrets"),
    "input": ("github", "strategy", "matrix", "job", "runner"),
    "action.output": ("github", "inputs", "strategy", "matrix", "steps", "job", "runner", "env"),
    "composite": ("github", "inputs", "strategy", "matrix", "steps", "job", "runner", "env"),
}
GITHUB_VARIABLES = (
    "actor", "actor_id", "api_url", "base_ref", "event_name",
    "event_path", "graphql_url", "head_ref", "job", "ref", "ref_name", "ref_protected", "ref_type",
    "repository", "repository_id", "repository_owner", "repository_owner_id", "retention_days",
    "run_attempt", "run_id", "run_number", "server_url", "sha", "triggering_actor", "workflow",
    "workflow_ref", "workflow_sha", "workspace",
)


def github_context(config: Config, workflow: Workflow, ref: str, sha: str) -> dict[str, Any]:
    """All of it that does not change from job to job."""
    owner, repository = config.repository.split("/")[0], config.payload.get("repository") or {}
    pull = config.payload.get("pull_request") or {}
    server = config.api_url  # one port plays both github.com and its API
    return {
        "action": "", "action_path": "", "action_ref": "", "action_repository": "",
        "action_status": "", "actor": config.actor, "actor_id": "1", "api_url": config.api_url,
        "base_ref": (pull.get("base") or {}).get("ref", ""), "env": "", "event": config.payload,
        "event_name": config.event, "event_path": "", "graphql_url": f"{config.api_url}/graphql",
        "head_ref": (pull.get("head") or {}).get("ref", ""), "job": "", "output": "", "path": "",
        "ref": ref, "ref_name": ref.removeprefix("refs/heads/").removeprefix("refs/tags/")
        .removeprefix("refs/pull/"), "ref_protected": False,
        "ref_type": "tag" if ref.startswith("refs/tags/") else "branch",
        "repository": config.repository, "repository_id": str(repository.get("id", 1)),
        "repository_owner": owner, "repository_owner_id": "1",
        "repositoryUrl": f"{server}/{config.repository}.git", "retention_days": "90",
        "run_attempt": "1", "run_id": str(config.run_id), "run_number": str(config.run_number),
        "secret_source": "Actions", "server_url": server, "sha": sha, "state": "",
        "step_summary": "", "token": "", "triggering_actor": config.actor,
        "workflow": workflow.name, "workspace": "",
        "workflow_ref": f"{config.repository}/{config.workflow}@{ref}", "workflow_sha": sha,
    }


def runner_context(job: JobState) -> dict[str, Any]:
    arch = {"x86_64": "X64", "aarch64": "ARM64"}.get(platform.machine(), platform.machine())
    labels = job.record.runs_on if isinstance(job.record.runs_on, list) else [job.record.runs_on]
    return {"name": "local", "os": "Linux", "arch": arch, "temp": str(job.temp), "debug": "",
            "tool_cache": str(job.temp / "tools"),
            "environment": "self-hosted" if "self-hosted" in labels else "github-hosted"}


def run_scope(run: Run, place: str) -> Scope:
    """For what belongs to the whole workflow."""
    return pick(place, run_contexts(run))


def run_contexts(run: Run) -> dict[str, Value]:
    return {"github": Documented("github", run.github), "vars": run.config.variables,
            "inputs": run_inputs(run), "secrets": {}}


def run_inputs(run: Run) -> dict[str, Any]:
    """Of `workflow_dispatch`, with its defaults; its booleans are booleans here."""
    given = run.config.payload.get("inputs") or {}
    declared = (run.workflow.on.get("workflow_dispatch") or {}).get("inputs") or {}
    found = {name: (about or {}).get("default", "") for name, about in declared.items()} | given
    for name, about in declared.items():
        if (about or {}).get("type") == "boolean" and isinstance(found[name], str):
            found[name] = found[name] == "true"
    return found


def job_scope(run: Run, place: str, needs: dict[str, Any],
              matrix: dict[str, Any] | None = None, strategy: dict[str, Any] | None = None,
              more: dict[str, Value] | None = None) -> Scope:
    """For what belongs to a job before its steps."""
    contexts = {**run_contexts(run), "needs": needs, "matrix": matrix or {},
                "strategy": strategy or {}, **(more or {})}
    return pick(place, contexts)


def step_scope(frame: Frame, place: str, environment: dict[str, str]) -> Scope:
    job = frame.job
    github = {**job.github, "action_status": frame.status if frame.composite else "",
              "action_path": str(frame.action_path or ""), "action_ref": frame.action_ref,
              "action_repository": frame.action_repository}
    contexts: dict[str, Value] = {
        "github": Documented("github", github), "needs": job.needs, "matrix": job.record.matrix,
        "strategy": job.strategy, "vars": job.run.config.variables, "steps": frame.steps,
        "inputs": frame.inputs if frame.composite else run_inputs(job.run),
        "secrets": job.secrets, "runner": Documented("runner", runner_context(job)),
        "env": CaseSensitive({**job.environment, **frame.environment, **environment}),
        "job": Documented("job", {"status": frame.status, "container": {}, "services": {},
                                  "check_run_id": None}),
    }
    inside = frame.composite and place in ("step", "step.if")
    scope = pick("composite" if inside else place, contexts)
    if place in ("step", "step.if", "input"):
        scope.functions["hashFiles"] = lambda *patterns: globs.hash_files(job.workspace, *patterns)
    if place == "step.if":
        scope.functions |= status_functions(frame)
    return scope


def status_functions(frame: Frame) -> dict[str, Any]:
    return {"success": lambda: frame.status == "success", "always": lambda: True,
            "failure": lambda: frame.status == "failure", "cancelled": lambda: frame.job.cancelled}


def pick(place: str, contexts: dict[str, Value]) -> Scope:
    return Scope({name: contexts[name] for name in AVAILABLE[place] if name in contexts})


def process_environment(frame: Frame, step: dict[str, str], files: dict[str, str],
                        action: str) -> dict[str, str]:
    """All that a process of a step sees. GITHUB_ and RUNNER_ variables cannot be overwritten."""
    job = frame.job
    path = [*reversed(job.prepended), os.environ.get("PATH", os.defpath)]
    github = {f"GITHUB_{name.upper()}": text(job.github[name]) for name in GITHUB_VARIABLES}
    runner = {f"RUNNER_{name.upper()}": value for name, value in runner_context(job).items()
              if value}
    own = {"GITHUB_ACTIONS": "true", "GITHUB_ACTION": action, **files,
           "GITHUB_ACTION_REPOSITORY": frame.action_repository,
           "GITHUB_ACTION_REF": frame.action_ref}
    if frame.composite:
        own["GITHUB_ACTION_PATH"] = str(frame.action_path)
    given = {**job.environment, **frame.environment, **step}
    return {"CI": "true", "HOME": str(job.home), "LANG": "C.UTF-8", **job.run.config
            .runner_environment, "PATH": os.pathsep.join(path), **given, **github, **runner, **own}


def text(value: Any) -> str:
    return "true" if value is True else "false" if value is False else str(value)


def write_event(folder: Path, payload: str) -> str:
    path = folder / "event.json"
    path.write_text(payload)
    return str(path)
