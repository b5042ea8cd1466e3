"""The endpoints of GitHub's REST API that the stand-in knows, and who may call them.

Answers and limits follow GitHub's documentation. On a public repository whatever is public may be
read with any token, as on GitHub; the content of an artifact needs `actions: read` here always.
"""

import re
from dataclasses import dataclass, field
from typing import Any, Callable
from urllib.parse import urlencode

from github_state import State, Token

PER_PAGE, MAX_PER_PAGE = 30, 100
FORBIDDEN = "Resource not accessible by integration"

# Any of these pairs of scope and level opens the door.
Doors = tuple[tuple[str, str], ...]
READ_ISSUES: Doors = (("issues", "read"), ("pull-requests", "read"))
WRITE_ISSUES: Doors = (("issues", "write"), ("pull-requests", "write"))


class Refused(Exception):
    def __init__(self, status: int, message: str, errors: list[Any] | None = None):
        super().__init__(message)
        self.status = status
        self.body: dict[str, Any] = {"message": message, "status": str(status),
                     "documentation_url": "https://docs.github.com/rest"}
        if errors is not None:
            self.body["errors"] = errors


def invalid(**error: Any) -> Refused:
    return Refused(422, "Validation Failed", [error])


@dataclass
class Request:
    state: State
    method: str
    path: str
    query: dict[str, str]
    body: dict[str, Any]
    token: Token | None
    url: str
    repository: str = ""
    parts: dict[str, str] = field(default_factory=dict)

    def number(self, name: str) -> int:
        return int(self.parts[name])

    def may(self, scope: str, level: str) -> bool:
        return self.token is not None and self.token.may(scope, level)


@dataclass
class Answer:
    body: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Route:
    method: str
    pattern: re.Pattern[str]
    doors: Doors
    public: bool
    handler: Callable[[Request], Answer]


ROUTES: list[Route] = []


def route(method: str, path: str, *doors: tuple[str, str], public: bool = False):
    """`{name}` in the path is digits where the name says so, else anything without a slash."""
    pattern = re.sub(r"\{(number|id)\}", r"(?P<\1>[0-9]+)", path)
    pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", pattern)

    def add(handler: Callable[[Request], Answer]) -> Callable[[Request], Answer]:
        ROUTES.append(Route(method, re.compile(pattern), doors, public, handler))
        return handler

    return add


def answer(request: Request) -> Answer:
    repository, rest = repository_of(request)
    request.repository = repository
    for entry in ROUTES:
        match = entry.pattern.fullmatch(rest)
        if match and entry.method == request.method:
            request.parts = match.groupdict()
            check_access(request, entry)
            return entry.handler(request)
    raise Refused(501, f"the stand-in does not know {request.method} {request.path}")


def repository_of(request: Request) -> tuple[str, str]:
    match = re.fullmatch(r"/repos/([^/]+/[^/]+)(/.*)?", request.path)
    if match is None:
        raise Refused(501, f"the stand-in does not know {request.method} {request.path}")
    for known in request.state.repositories:
        if known.lower() == match[1].lower():
            return known, match[2] or ""
    raise Refused(404, "Not Found")


def check_access(request: Request, entry: Route) -> None:
    if entry.public and not request.state.private:
        return
    if request.token is None:
        raise Refused(401, "Requires authentication")
    own = request.token.repository == request.repository
    if not own or not any(request.token.may(*door) for door in entry.doors):
        raise Refused(403, FORBIDDEN)


def page(request: Request, items: list[Any], key: str | None = None) -> Answer:
    """One page of a list, with the Link header that leads to the others."""
    try:
        per_page = int(request.query.get("per_page", PER_PAGE))
        number = max(1, int(request.query.get("page", 1)))
    except ValueError as error:
        raise Refused(422, "per_page and page must be numbers") from error
    per_page = min(max(1, per_page), MAX_PER_PAGE)
    last = max(1, -(-len(items) // per_page))
    shown = items[(number - 1) * per_page:number * per_page]
    body = shown if key is None else {"total_count": len(items), key: shown}
    return Answer(body, headers=links(request, per_page, number, last))


def links(request: Request, per_page: int, number: int, last: int) -> dict[str, str]:
    wanted: dict[str, int] = {}
    if number > 1:
        wanted |= {"prev": min(number - 1, last), "first": 1}
    if number < last:
        wanted |= {"next": number + 1, "last": last}
    found = [f'<{request.url}{request.path}?'
             f'{urlencode({**request.query, "per_page": per_page, "page": target})}>; rel="{rel}"'
             for rel, target in wanted.items()]
    return {"Link": ", ".join(found)} if found else {}


def text(request: Request, name: str, limit: int) -> str | None:
    """A text of the body that may be missing."""
    return None if request.body.get(name) is None else within(request, name, limit)


def needed_text(request: Request, name: str, limit: int) -> str:
    if not isinstance(value := request.body.get(name), str) or not value.strip():
        raise invalid(code="missing_field", field=name)
    return within(request, name, limit)


def within(request: Request, name: str, limit: int) -> str:
    value = request.body[name]
    if not isinstance(value, str):
        raise invalid(code="invalid", field=name)
    if len(value) > limit:
        raise invalid(code="custom", field=name,
                      message=f"{name} is too long (maximum is {limit} characters)")
    return value
