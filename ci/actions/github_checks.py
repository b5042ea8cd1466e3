"""Endpoints for check runs, commit statuses, workflow runs and artifacts."""

import re
import secrets

import artifact_store
from artifact_store import Artifact
from github_routes import Answer, Refused, Request, invalid, needed_text, page, route, text
from github_state import Item, timestamp

MAX_OUTPUT = 65_535
MAX_ANNOTATIONS = 50
MAX_DESCRIPTION = 140
CONCLUSIONS = ("action_required", "cancelled", "failure", "neutral", "success", "skipped",
               "timed_out")
STATES = ("error", "failure", "pending", "success")


def commit(request: Request, revision: str) -> str:
    found = request.state.resolve(request.repository, revision)
    if found is None:
        raise Refused(422, f"No commit found for SHA: {revision}")
    return found


@route("POST", "/check-runs", ("checks", "write"))
def open_check_run(request: Request) -> Answer:
    sha = needed_text(request, "head_sha", 40)
    if not re.fullmatch("[0-9a-f]{40}", sha):
        raise invalid(resource="CheckRun", code="invalid", field="head_sha")
    run: Item = {"id": request.state.new_id(), "head_sha": commit(request, sha),
                 "name": needed_text(request, "name", 256), "status": "queued",
                 "conclusion": None, "output": {"title": None, "summary": None, "text": None},
                 "started_at": timestamp(), "completed_at": None, "external_id": "",
                 "details_url": None, "app": {"slug": "github-actions"}}
    change(request, run)
    request.state.check_runs.setdefault(request.repository, []).append(run)
    return Answer(run, 201)


@route("PATCH", "/check-runs/{id}", ("checks", "write"))
def change_check_run(request: Request) -> Answer:
    for run in request.state.check_runs.get(request.repository, []):
        if run["id"] == request.number("id"):
            change(request, run)
            return Answer(run)
    raise Refused(404, "Not Found")


def change(request: Request, run: Item) -> None:
    """All is looked at before anything is changed."""
    body = request.body
    status, conclusion = body.get("status"), body.get("conclusion")
    if status not in (None, "queued", "in_progress", "completed"):
        raise invalid(resource="CheckRun", code="invalid", field="status")
    if conclusion is not None and conclusion not in CONCLUSIONS:
        raise invalid(resource="CheckRun", code="invalid", field="conclusion")
    if status == "completed" and conclusion is None:
        raise invalid(resource="CheckRun", code="missing_field", field="conclusion")
    output = checked_output(body["output"]) if body.get("output") is not None else None
    run |= {key: body[key] for key in ("external_id", "details_url", "name") if key in body}
    run["status"] = "completed" if conclusion else status or run["status"]
    if conclusion:
        run |= {"conclusion": conclusion, "completed_at": timestamp()}
    if output is not None:
        run["output"] = output


def checked_output(output: Item) -> Item:
    for name in ("title", "summary"):
        if not isinstance(output.get(name), str):
            raise invalid(resource="CheckRun", code="missing_field", field=f"output.{name}")
    for name in ("title", "summary", "text"):
        if len(output.get(name) or "") > MAX_OUTPUT:
            raise invalid(resource="CheckRun", code="custom", field=f"output.{name}",
                          message=f"Only {MAX_OUTPUT} characters are allowed; "
                                  f"{len(output[name])} were supplied.")
    annotations = output.get("annotations") or []
    if len(annotations) > MAX_ANNOTATIONS:
        raise invalid(resource="CheckRun", code="custom", field="output.annotations",
                      message=f"No more than {MAX_ANNOTATIONS} annotations a request")
    return {"text": None, **output, "annotations_count": len(annotations)}


@route("GET", "/commits/{ref}/check-runs", ("checks", "read"), public=True)
def check_runs_of(request: Request) -> Answer:
    sha = commit(request, request.parts["ref"])
    runs = [run for run in request.state.check_runs.get(request.repository, [])
            if run["head_sha"] == sha
            and request.query.get("check_name") in (None, run["name"])
            and request.query.get("status") in (None, run["status"])]
    if request.query.get("filter", "latest") == "latest":
        runs = list({run["name"]: run for run in runs}.values())
    return page(request, runs, "check_runs")


@route("POST", "/statuses/{ref}", ("statuses", "write"))
def set_status(request: Request) -> Answer:
    sha = commit(request, request.parts["ref"])
    if request.body.get("state") not in STATES:
        raise invalid(resource="Status", code="invalid", field="state")
    description = text(request, "description", MAX_DESCRIPTION)
    status = {"id": request.state.new_id(), "sha": sha, "state": request.body["state"],
              "description": description, "context": request.body.get("context", "default"),
              "target_url": request.body.get("target_url"), "created_at": timestamp()}
    request.state.statuses.setdefault(request.repository, []).append(status)
    return Answer(status, 201)


@route("GET", "/actions/runs/{id}", ("actions", "read"), public=True)
def get_run(request: Request) -> Answer:
    run = artifact_store.read_run(request.state.artifacts, request.number("id"))
    if run is None or run["repository"]["full_name"] != request.repository:
        raise Refused(404, "Not Found")
    return Answer(run)


@route("GET", "/actions/runs/{id}/artifacts", ("actions", "read"), public=True)
def list_artifacts(request: Request) -> Answer:
    get_run(request)
    found = artifact_store.listed(request.state.artifacts, request.number("id"))
    return page(request, [shown(request, artifact) for artifact in found
                          if request.query.get("name") in (None, artifact.name)], "artifacts")


def shown(request: Request, artifact: Artifact) -> Item:
    address = f"{request.url}/repos/{request.repository}/actions/artifacts/{artifact.id}"
    return {"id": artifact.id, "name": artifact.name, "size_in_bytes": artifact.size_in_bytes,
            "digest": artifact.digest, "expired": artifact.expired, "url": address,
            "archive_download_url": f"{address}/zip", "workflow_run": {"id": artifact.run_id}}


@route("GET", "/actions/artifacts/{id}/zip", ("actions", "read"))
def artifact_address(request: Request) -> Answer:
    """A redirect to an address that is a secret of its own, and takes no token."""
    artifact = artifact_store.by_id(request.state.artifacts, request.number("id"))
    if artifact is None:
        raise Refused(404, "Not Found")
    if artifact.expired:
        raise Refused(410, "Artifact has expired")
    secret = secrets.token_urlsafe(24)
    request.state.blobs[secret] = artifact.id
    return Answer(None, 302, {"Location": f"{request.url}/_blob/{secret}"})
