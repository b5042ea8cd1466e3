#!/usr/bin/env python3
"""Runs the jobs of one workflow of GitHub Actions as they stand in its YAML, without GitHub.

    run_workflow.py --repository OWNER/NAME=FOLDER --workflow .github/workflows/x.yml \\
                    --event pull_request --payload event.json --artifacts FOLDER --temp FOLDER

The log goes to stderr, the result as JSON to stdout or --result. Exit code: 0 where the workflow's
conclusion is success or skipped, 1 where it is another one, 2 where it cannot be run honestly.
See README.md for what is emulated. It never reaches out of this machine by itself.
"""

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import artifact_store  # noqa: E402
import contexts  # noqa: E402
import events  # noqa: E402
import repository  # noqa: E402
import triggers  # noqa: E402
from expressions import interpolate, resolve  # noqa: E402
from github_api import GithubApi  # noqa: E402
from jobs import run_jobs  # noqa: E402
from model import Config, Log, Result, Run  # noqa: E402
from values import ExpressionError  # noqa: E402
from workflow_file import Workflow, WorkflowError, parse_workflow  # noqa: E402


def run_workflow(config: Config, echo: bool = False) -> Result:
    """Reads the workflow at the commit of the event, runs it, and tells all that happened."""
    config = replace(config, temp=config.temp.resolve(), artifacts=config.artifacts.resolve())
    place = config.temp / f"run-{config.run_id}"
    place.mkdir(parents=True)
    config = replace(config, temp=place)
    ref = config.ref or repository.ref_of(config.event, config.payload, config.default_branch)
    sha = config.sha or repository.commit_of(config.folder, ref)
    workflow = read_workflow(config, sha)
    result = Result(workflow.name, config.workflow, config.event, ref, sha, config.run_id,
                    log=str(place / "log.txt"))
    run = Run(config, workflow, contexts.github_context(config, workflow, ref, sha),
              repository.is_fork(config.event, config.payload), Log(Path(result.log), echo), result)
    with run.log.file:
        run.log.line(f"workflow {workflow.name}: {config.event}, {ref} at {sha}")
        if reason := triggers.why_not(workflow, config.event, config.payload):
            result.conclusion = "skipped"
            result.notes.append(f"not started: {reason}")
            return result
        run_started(run)
        run.log.line(f"workflow {workflow.name}: {result.conclusion}")
    return result


def run_started(run: Run) -> None:
    """The run is known to the API from its start, as artifacts of it are."""
    result, config = run.result, run.config
    result.notes += triggers.unemulated(run.workflow, config.event)
    note_texts(run)
    artifact_store.write_run(config.artifacts, events.run_object(result, config))
    run_jobs(run)
    artifact_store.write_run(config.artifacts, events.run_object(result, config))


def read_workflow(config: Config, sha: str) -> Workflow:
    if config.from_disk:
        text = config.from_disk.read_text(encoding="utf-8")
    else:
        text = repository.git(config.folder, "show", f"{sha}:{config.workflow}")
    return parse_workflow(text, config.workflow)


def note_texts(run: Run) -> None:
    """The name of the run and its concurrency group, which have no other effect here."""
    data = run.workflow.data
    if "run-name" in data:
        name = interpolate(data["run-name"], contexts.run_scope(run, "run-name"))
        run.result.notes.append(f"run-name: {name}")
    if "concurrency" in data:
        group = resolve(data["concurrency"], contexts.run_scope(run, "concurrency"))
        run.result.notes.append(f"concurrency: {json.dumps(group)}")


def pairs(values: list[str]) -> dict[str, str]:
    return dict(value.split("=", 1) for value in values)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repository", action="append", required=True, metavar="OWNER/NAME=FOLDER",
                        help="the git repository that plays GitHub's; more for forks")
    parser.add_argument("--workflow", required=True, help="path in the repository, at the commit")
    parser.add_argument("--from-disk", type=Path, help="read the workflow from this file instead")
    parser.add_argument("--event", required=True)
    parser.add_argument("--payload", type=Path, required=True, help="JSON of the event")
    parser.add_argument("--artifacts", type=Path, required=True)
    parser.add_argument("--temp", type=Path, required=True)
    parser.add_argument("--result", type=Path, help="write the JSON here, not to stdout")
    parser.add_argument("--default-branch", default="main")
    parser.add_argument("--ref")
    parser.add_argument("--sha")
    parser.add_argument("--run-id", type=int)
    parser.add_argument("--job", help="only this job, and those that it needs")
    parser.add_argument("--approve", action="append", default=[], metavar="ENVIRONMENT")
    parser.add_argument("--reject", action="append", default=[], metavar="ENVIRONMENT")
    parser.add_argument("--secret", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--var", action="append", default=[], metavar="NAME=VALUE")
    parser.add_argument("--runner-env", action="append", default=[], metavar="NAME=VALUE",
                        help="what the runner's machine has in its environment")
    parser.add_argument("--use", action="append", default=[], metavar="OWNER/NAME=FOLDER|record")
    parser.add_argument("--cache", type=Path, help="folder of caches; without it all miss")
    parser.add_argument("--api-url", help="a github_api.py that runs; without it one is started")
    parser.add_argument("--admin-key", default="", help="what that github_api.py printed")
    parser.add_argument("--private", action="store_true", help="the repository is not public")
    return parser.parse_args()


def config_of(arguments: argparse.Namespace, api_url: str, admin_key: str) -> Config:
    name, _, folder = arguments.repository[0].partition("=")
    config = Config(
        repository=name, folder=Path(folder), workflow=arguments.workflow, event=arguments.event,
        payload=json.loads(arguments.payload.read_text()), artifacts=arguments.artifacts,
        temp=arguments.temp, api_url=api_url, admin_key=admin_key, from_disk=arguments.from_disk,
        ref=arguments.ref, sha=arguments.sha, secrets=pairs(arguments.secret),
        variables=pairs(arguments.var), only_job=arguments.job,
        approved=frozenset(arguments.approve), rejected=frozenset(arguments.reject),
        uses=pairs(arguments.use), cache=arguments.cache, default_branch=arguments.default_branch,
        runner_environment=pairs(arguments.runner_env))
    return replace(config, run_id=arguments.run_id) if arguments.run_id else config


def main() -> int:
    arguments = parse_arguments()
    folders = {name: Path(folder) for name, folder in pairs(arguments.repository).items()}
    api = None if arguments.api_url else GithubApi(folders, arguments.artifacts, arguments.private)
    try:
        if api:
            api.state.default_branch = arguments.default_branch
        url, key = (api.url, api.admin_key) if api else (arguments.api_url, arguments.admin_key)
        result = run_workflow(config_of(arguments, url, key), echo=True)
        output = result.as_dict() | ({"github": api.state.dump()} if api else {})
    except (WorkflowError, ExpressionError) as error:
        print(f"run_workflow: {error}", file=sys.stderr)
        return 2
    finally:
        if api:
            api.close()
    text = json.dumps(output, indent=2)
    arguments.result.write_text(text) if arguments.result else print(text)
    return 0 if result.conclusion in ("success", "skipped") else 1


if __name__ == "__main__":
    sys.exit(main())
