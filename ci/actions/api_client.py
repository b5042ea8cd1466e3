"""Asks the stand-in for GitHub's API, as an action would, and registers tokens there as GitHub."""

import http.client
import json
import urllib.error
import urllib.request
from typing import Any

from permissions import Permissions

TRIES = 3
TIMEOUT_S = 60


class ApiError(Exception):
    """An answer that is none."""


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """The address of an artifact must be asked without the token, so redirects come back here."""

    def redirect_request(self, *_: Any) -> None:
        return None


def register_token(api_url: str, admin_key: str, repository: str, permissions: Permissions) -> str:
    body = {"repository": repository, "permissions": permissions}
    request = urllib.request.Request(f"{api_url}/_tokens", json.dumps(body).encode(),
                                     {"X-Admin-Key": admin_key}, method="POST")
    return json.loads(send(request)[1])["token"]


def get_json(url: str, token: str) -> Any:
    return json.loads(get_bytes(url, token))


def get_bytes(url: str, token: str) -> bytes:
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/vnd.github+json",
               "User-Agent": "outpace-ci-actions"}
    location, body = send(urllib.request.Request(url, headers=headers))
    return send(urllib.request.Request(location))[1] if location else body


def send(request: urllib.request.Request) -> tuple[str | None, bytes]:
    """Where a redirect leads, and the body. Tries again where trying again can help."""
    opener = urllib.request.build_opener(NoRedirect)
    for attempt in range(1, TRIES + 1):
        try:
            with opener.open(request, timeout=TIMEOUT_S) as answer:
                return None, answer.read()
        except urllib.error.HTTPError as error:
            if error.code == 302:
                return error.headers["Location"], b""
            if error.code < 500 or attempt == TRIES:
                raise ApiError(f"{error.code} for {request.full_url}: "
                               f"{error.read().decode(errors='replace')[:500]}") from error
        except (urllib.error.URLError, OSError, http.client.HTTPException) as error:
            if attempt == TRIES:
                raise ApiError(f"{request.full_url}: {error}") from error
    raise AssertionError("the last try returns or raises")
