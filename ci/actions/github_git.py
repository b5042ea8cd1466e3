"""Git over HTTP for the stand-in, by git's own http-backend, with the permissions of the token.

Reading needs `contents: read` on a private repository, pushing `contents: write` on any.
"""

import base64
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs

from github_state import State, Token

PATH = re.compile(r"/(?P<name>[^/]+/[^/]+?)(?:\.git)?"
                  r"/(?P<service>info/refs|git-upload-pack|git-receive-pack)")
SETTINGS = {
    "safe.directory": "*",  # the folder may belong to somebody else
    "uploadpack.allowAnySHA1InWant": "true",  # as GitHub: any commit it has, by its id
    "uploadpack.allowFilter": "true",
    "http.receivepack": "true",
    "receive.denyCurrentBranch": "ignore",  # whatever is checked out there, GitHub has no such
}


@dataclass
class GitRequest:
    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes


def find(state: State, path: str) -> str | None:
    """The repository that a path of git's belongs to."""
    match = PATH.fullmatch(path)
    names = {name.lower(): name for name in state.repositories}
    return names.get(match["name"].lower()) if match else None


def token_of(state: State, authorization: str | None) -> tuple[bool, Token | None]:
    """Whether a token was sent, and which one it is."""
    scheme, _, value = (authorization or "").partition(" ")
    if not value:
        return False, None
    if scheme.lower() == "basic":
        try:
            value = base64.b64decode(value).decode().partition(":")[2]
        except ValueError:
            return True, None
    return True, state.tokens.get(value.strip())


def allowed(state: State, repository: str, request: GitRequest) -> int:
    """The status: 200, 401 where credentials are missing, 403 where they do not suffice."""
    service = parse_qs(request.query).get("service", [""])[0]
    write = "git-receive-pack" in (service, request.path.rsplit("/", 1)[-1])
    if not write and not state.private:
        return 200
    sent, token = token_of(state, request.headers.get("authorization"))
    if token is None:
        return 403 if sent else 401
    own = token.repository == repository
    return 200 if own and token.may("contents", "write" if write else "read") else 403


def serve(state: State, repository: str, request: GitRequest) -> tuple[int, dict[str, str], bytes]:
    folder = git_folder(state.repositories[repository])
    match = PATH.fullmatch(request.path)
    service = match["service"] if match else ""
    environment = {
        "PATH": os.environ.get("PATH", os.defpath), "GIT_PROJECT_ROOT": str(folder.parent),
        "PATH_INFO": f"/{folder.name}/{service}", "GIT_HTTP_EXPORT_ALL": "1", "REMOTE_USER": "x",
        "REMOTE_ADDR": "127.0.0.1", "REQUEST_METHOD": request.method, "QUERY_STRING": request.query,
        "CONTENT_TYPE": request.headers.get("content-type", ""),
        "CONTENT_LENGTH": str(len(request.body)), "GIT_CONFIG_COUNT": str(len(SETTINGS)),
        "HTTP_CONTENT_ENCODING": request.headers.get("content-encoding", ""),
        "GIT_PROTOCOL": request.headers.get("git-protocol", ""),
    }
    for index, (key, value) in enumerate(SETTINGS.items()):
        environment |= {f"GIT_CONFIG_KEY_{index}": key, f"GIT_CONFIG_VALUE_{index}": value}
    done = subprocess.run(["git", "http-backend"], input=request.body, env=environment,
                          capture_output=True, check=False)
    return parsed(done.stdout) if done.returncode == 0 else (500, {}, done.stderr)


def git_folder(folder: Path) -> Path:
    found = subprocess.run(["git", "-C", str(folder), "rev-parse", "--absolute-git-dir"],
                           capture_output=True, text=True, check=True)
    return Path(found.stdout.strip())


def parsed(output: bytes) -> tuple[int, dict[str, str], bytes]:
    head, _, body = output.partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
    status = int(headers.pop("Status", "200 OK").split()[0])
    return status, headers, body
