"""Endpoints for issues, comments and pull requests."""

from github_routes import (FORBIDDEN, READ_ISSUES, WRITE_ISSUES, Answer, Refused, Request, invalid,
                           needed_text, page, route, text)
from github_state import Item, timestamp

MAX_BODY = 65_536
MAX_TITLE = 256


def find_issue(request: Request) -> Item:
    for issue in request.state.issues.get(request.repository, []):
        if issue["number"] == request.number("number"):
            return issue
    raise Refused(404, "Not Found")


def find_comment(request: Request) -> Item:
    for comment in request.state.comments.get(request.repository, []):
        if comment["id"] == request.number("id"):
            return comment
    raise Refused(404, "Not Found")


def check_issue_door(request: Request, issue: Item) -> None:
    """`pull-requests: write` opens pull requests only, `issues: write` both."""
    if "pull_request" not in issue and not request.may("issues", "write"):
        raise Refused(403, FORBIDDEN)


@route("GET", "", ("metadata", "read"), public=True)
def repository(request: Request) -> Answer:
    return Answer(request.state.repository(request.repository))


@route("GET", "/issues", *READ_ISSUES, public=True)
def list_issues(request: Request) -> Answer:
    state, labels = request.query.get("state", "open"), request.query.get("labels", "")
    wanted = {label for label in labels.split(",") if label}
    issues = [issue for issue in request.state.issues.get(request.repository, [])
              if state in ("all", issue["state"])
              and wanted <= {label["name"] for label in issue["labels"]}
              and request.query.get("creator") in (None, issue["user"]["login"])]
    newest_first = request.query.get("direction", "desc") == "desc"
    return page(request, sorted(issues, key=lambda issue: issue["number"], reverse=newest_first))


@route("POST", "/issues", ("issues", "write"))
def open_issue(request: Request) -> Answer:
    title = needed_text(request, "title", MAX_TITLE)
    body = text(request, "body", MAX_BODY)
    issue = request.state.add_issue(request.repository, title, body, labels_of(request))
    return Answer(issue, 201)


def labels_of(request: Request) -> tuple[str, ...]:
    labels = request.body.get("labels", [])
    if not isinstance(labels, list):
        raise invalid(code="invalid", field="labels")
    return tuple(label["name"] if isinstance(label, dict) else label for label in labels)


@route("GET", "/issues/{number}", *READ_ISSUES, public=True)
def get_issue(request: Request) -> Answer:
    return Answer(find_issue(request))


@route("PATCH", "/issues/{number}", *WRITE_ISSUES)
def change_issue(request: Request) -> Answer:
    issue = find_issue(request)
    check_issue_door(request, issue)
    for name, limit in (("title", MAX_TITLE), ("body", MAX_BODY)):
        if name in request.body:
            issue[name] = text(request, name, limit)
    if "state" in request.body:
        if request.body["state"] not in ("open", "closed"):
            raise invalid(code="invalid", field="state")
        issue["state"] = request.body["state"]
        issue["state_reason"] = request.body.get("state_reason")
    if "labels" in request.body:
        issue["labels"] = [{"name": label} for label in labels_of(request)]
    issue["updated_at"] = timestamp()
    return Answer(issue)


@route("GET", "/issues/{number}/comments", *READ_ISSUES, public=True)
def list_comments(request: Request) -> Answer:
    issue = find_issue(request)
    return page(request, [comment for comment in request.state.comments.get(request.repository, [])
                          if comment["issue_number"] == issue["number"]])


@route("POST", "/issues/{number}/comments", *WRITE_ISSUES)
def comment_on(request: Request) -> Answer:
    issue = find_issue(request)
    check_issue_door(request, issue)
    body = needed_text(request, "body", MAX_BODY)
    return Answer(request.state.add_comment(request.repository, issue, body), 201)


@route("GET", "/issues/comments/{id}", *READ_ISSUES, public=True)
def get_comment(request: Request) -> Answer:
    return Answer(find_comment(request))


@route("PATCH", "/issues/comments/{id}", *WRITE_ISSUES)
def change_comment(request: Request) -> Answer:
    comment = find_comment(request)
    comment["body"] = needed_text(request, "body", MAX_BODY)
    comment["updated_at"] = timestamp()
    return Answer(comment)


@route("GET", "/pulls", ("pull-requests", "read"), public=True)
def list_pulls(request: Request) -> Answer:
    state, head = request.query.get("state", "open"), request.query.get("head")
    found = [pull for pull in request.state.pulls.get(request.repository, [])
             if state in ("all", pull["state"])
             and head in (None, pull["head"]["label"])
             and request.query.get("base") in (None, pull["base"]["ref"])]
    return page(request, found[::-1])


@route("GET", "/pulls/{number}", ("pull-requests", "read"), public=True)
def get_pull(request: Request) -> Answer:
    for pull in request.state.pulls.get(request.repository, []):
        if pull["number"] == request.number("number"):
            return Answer(pull)
    raise Refused(404, "Not Found")


@route("POST", "/pulls", ("pull-requests", "write"))
def open_pull(request: Request) -> Answer:
    if not request.state.actions_may_open_pulls:
        raise Refused(403, "GitHub Actions is not permitted to create or approve pull requests.")
    title = needed_text(request, "title", MAX_TITLE)
    body = text(request, "body", MAX_BODY)
    head, base = (needed_text(request, name, MAX_TITLE) for name in ("head", "base"))
    branch = head.split(":")[-1]
    sha = commit_of_branch(request, "head", branch)
    if sha == commit_of_branch(request, "base", base):
        raise invalid(resource="PullRequest", code="custom",
                      message=f"No commits between {base} and {branch}")
    for pull in request.state.pulls.get(request.repository, []):
        if (pull["state"], pull["head"]["ref"], pull["base"]["ref"]) == ("open", branch, base):
            raise invalid(resource="PullRequest", code="custom", message="A pull request already "
                          f"exists for {pull['head']['label']}.")
    pull = request.state.add_pull(request.repository, branch, sha, base, title=title, body=body)
    return Answer(pull, 201)


def commit_of_branch(request: Request, field: str, branch: str) -> str:
    if found := request.state.resolve(request.repository, f"refs/heads/{branch}"):
        return found
    raise invalid(resource="PullRequest", code="invalid", field=field)


@route("GET", "/commits/{ref}/pulls", ("pull-requests", "read"), public=True)
def pulls_of_commit(request: Request) -> Answer:
    """Nothing for the commit of a fork, as on GitHub, where it belongs to another repository."""
    return page(request, [pull for pull in request.state.pulls.get(request.repository, [])
                          if pull["head"]["sha"] == request.parts["ref"]
                          and pull["head"]["repo"]["full_name"] == request.repository])
