#!/usr/bin/env python3
"""A stand-in for the few parts of GitHub that workflows speak to, on loopback, in memory.

    github_api.py --repository OWNER/NAME=FOLDER --artifacts FOLDER

prints one line of JSON with its address and admin key, and ends with its standard input. As a
library: `GithubApi(folders, artifacts)`. The state is at /_state; tokens, pull requests and faults
are ordered at /_tokens, /_pulls and /_faults with the admin key.
"""

import argparse
import json
import secrets
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parent))
import artifact_store  # noqa: E402
import github_checks  # noqa: E402,F401 - adds its routes
import github_git  # noqa: E402
import github_issues  # noqa: E402,F401 - adds its routes
from github_faults import Fault  # noqa: E402
from github_routes import Answer, Refused, Request, answer  # noqa: E402
from github_state import State  # noqa: E402


class GithubApi:
    """The server in threads of this process."""

    def __init__(self, repositories: dict[str, Path], artifacts: Path, private: bool = False):
        self.state = State(repositories, artifacts.resolve(), private)
        self.admin_key = secrets.token_hex(16)
        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.api = self
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def __enter__(self) -> "GithubApi":
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()


class Server(ThreadingHTTPServer):
    daemon_threads = True
    api: GithubApi


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    # Small answers wait for an acknowledgement otherwise, 40 ms each.
    disable_nagle_algorithm = True
    wbufsize = 65536

    @property
    def api(self) -> GithubApi:
        return self.server.api

    def log_message(self, *_: Any) -> None:
        """The state has a list of requests."""

    def handle_one(self) -> None:
        split = urlsplit(self.path)
        body = self.read_body()
        if repository := github_git.find(self.api.state, split.path):
            return self.answer_git(repository, split.path, split.query, body)
        if split.path.startswith("/_blob/"):
            return self.answer_blob(split.path.removeprefix("/_blob/"))
        if split.path.startswith("/_"):
            return self.answer_admin(split.path, body)
        self.answer_api(split.path, dict(parse_qsl(split.query, keep_blank_values=True)), body)

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = handle_one

    def read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        chunks = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass  # trailers
        return b"".join(chunks)

    def send(self, status: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() != "content-length":
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def send_json(self, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
        content = b"" if body is None else json.dumps(body).encode()
        self.send(status, content, {"Content-Type": "application/json; charset=utf-8",
                                    **(headers or {})})

    def answer_api(self, path: str, query: dict[str, str], body: bytes) -> None:
        state = self.api.state
        with state.lock:
            fault = state.faults.next(self.command, path)
            if fault is None or fault.carried_out:
                status, content, headers = self.carry_out(path, query, body)
            if fault:
                status, content, headers = fault.answer()
            state.requests.append({"method": self.command, "path": path, "query": query,
                                   "status": status, "fault": fault.kind if fault else None})
        if fault and fault.kind == "close":
            self.close_connection = True
            return
        self.send_json(status, content, headers)

    def carry_out(self, path: str, query: dict[str, str],
                  body: bytes) -> tuple[int, Any, dict[str, str]]:
        try:
            request = Request(self.api.state, self.command, path, query, self.parsed(body),
                              self.token(), self.api.url)
            done: Answer = answer(request)
        except Refused as refused:
            return refused.status, refused.body, {}
        return done.status, done.body, done.headers

    def token(self):
        if not self.headers.get("User-Agent"):
            raise Refused(403, "Request forbidden by administrative rules. Please make sure your "
                               "request has a User-Agent header.")
        sent, token = github_git.token_of(self.api.state, self.headers.get("Authorization"))
        if sent and token is None:
            raise Refused(401, "Bad credentials")
        return token

    def parsed(self, body: bytes) -> dict[str, Any]:
        try:
            found = json.loads(body or b"{}")
        except ValueError as error:
            raise Refused(400, "Problems parsing JSON") from error
        if not isinstance(found, dict):
            raise Refused(400, "Body should be a JSON object")
        return found

    def answer_git(self, repository: str, path: str, query: str, body: bytes) -> None:
        state, headers = self.api.state, {k.lower(): v for k, v in self.headers.items()}
        request = github_git.GitRequest(self.command, path, query, headers, body)
        status = github_git.allowed(state, repository, request)
        with state.lock:
            state.requests.append({"method": self.command, "path": path, "query": query,
                                   "status": status, "fault": None})
        if status != 200:
            return self.send(status, b"", {"WWW-Authenticate": 'Basic realm="GitHub"'})
        status, answered, content = github_git.serve(state, repository, request)
        self.send(status, content, answered)

    def answer_blob(self, secret: str) -> None:
        """As the store behind GitHub: the address is the permission, a token is an error."""
        state = self.api.state
        if self.headers.get("Authorization"):
            return self.send_json(403, {"message": "AuthenticationFailed: no token belongs here"})
        artifact = artifact_store.by_id(state.artifacts, state.blobs.get(secret, 0))
        if artifact is None:
            return self.send_json(404, {"message": "Not Found"})
        self.send(200, artifact_store.content(state.artifacts, artifact),
                  {"Content-Type": "application/zip"})

    def answer_admin(self, path: str, body: bytes) -> None:
        state = self.api.state
        if path == "/_state" and self.command == "GET":
            return self.send_json(200, state.dump())
        if not secrets.compare_digest(self.headers.get("X-Admin-Key", ""), self.api.admin_key):
            return self.send_json(403, {"message": "the admin key is missing or wrong"})
        with state.lock:
            about = json.loads(body)
            match path:
                case "/_tokens":
                    return self.send_json(201, {"token": state.add_token(**about)})
                case "/_pulls":
                    return self.send_json(201, state.add_pull(**about))
                case "/_issues":
                    return self.send_json(201, state.add_issue(**about))
                case "/_faults":
                    state.faults.ordered.append(Fault(**about))
                    return self.send_json(201, {})
        self.send_json(404, {"message": "no such page"})


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repository", action="append", required=True, metavar="OWNER/NAME=FOLDER")
    parser.add_argument("--artifacts", type=Path, required=True)
    parser.add_argument("--private", action="store_true")
    arguments = parser.parse_args()
    folders = dict(pair.split("=", 1) for pair in arguments.repository)
    with GithubApi({name: Path(folder) for name, folder in folders.items()}, arguments.artifacts,
                   arguments.private) as api:
        print(json.dumps({"url": api.url, "admin_key": api.admin_key}), flush=True)
        sys.stdin.read()
    return 0


if __name__ == "__main__":
    sys.exit(main())
