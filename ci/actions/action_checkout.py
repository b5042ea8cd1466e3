"""actions/checkout of version 7, with real git against the repository that plays GitHub's.

It fetches over HTTP from the stand-in for GitHub, so that a token without `contents` is refused
there. Like the original it refuses the code of a fork where a workflow has a token that may write.
Not emulated: SSH keys, sparse checkouts, filters, LFS.
"""

import base64
import os
import re
import secrets
import shutil
import subprocess
from pathlib import Path
from typing import Any

import api_client
from actions import ActionError, Call

INPUTS = {
    "repository": "${{ github.repository }}", "ref": "", "token": "${{ github.token }}",
    "persist-credentials": "true", "path": "", "clean": "true", "fetch-depth": "1",
    "fetch-tags": "false", "submodules": "false", "lfs": "false", "show-progress": "true",
    "set-safe-directory": "true", "allow-unsafe-pr-checkout": "false",
}
COMMIT = re.compile(r"[0-9a-fA-F]{40}")
PULL = re.compile(r"refs/pull/[0-9]+/(?:head|merge)")
TAGS = "+refs/tags/*:refs/tags/*"


def run(call: Call) -> None:
    if call.inputs["lfs"] == "true":
        raise ActionError("lfs: true is not emulated")
    folder = target(call)
    ref, commit = wanted(call)
    refuse_fork_code(call, ref, commit)
    prepare(call, folder)
    credentials = write_credentials(call, folder)
    fetch(call, folder, ref, commit)
    check_out(call, folder, ref, commit)
    if call.inputs["submodules"] in ("true", "recursive"):
        update_submodules(call, folder)
    if call.inputs["persist-credentials"] == "true":
        call.job.post.append(lambda: remove_credentials(folder, credentials))
    else:
        remove_credentials(folder, credentials)
    call.outputs["commit"] = git(call, folder, "rev-parse", "HEAD").strip()
    call.outputs["ref"] = ref


def target(call: Call) -> Path:
    folder = (call.job.workspace / call.inputs["path"]).resolve()
    if not folder.is_relative_to(call.job.workspace.resolve()):
        raise ActionError(f"Repository path '{folder}' is not under '{call.job.workspace}'")
    return folder


def own_repository(call: Call) -> bool:
    return call.inputs["repository"].lower() == call.job.run.config.repository.lower()


def wanted(call: Call) -> tuple[str, str]:
    """The ref and the commit to get; one of them may be empty."""
    ref = call.inputs["ref"].strip()
    if COMMIT.fullmatch(ref):
        return "", ref
    if ref:
        return ref, ""
    if own_repository(call):
        return call.job.github["ref"], call.job.github["sha"]
    url = f"{call.job.github['api_url']}/repos/{call.inputs['repository']}"
    try:
        branch = api_client.get_json(url, call.inputs["token"])["default_branch"]
    except api_client.ApiError as error:
        raise ActionError(str(error)) from error
    return f"refs/heads/{branch}", ""


def refuse_fork_code(call: Call, ref: str, commit: str) -> None:
    if call.inputs["allow-unsafe-pr-checkout"] == "true":
        return
    if own_repository(call) and not call.inputs["ref"].strip():
        return
    head, shas = head_of_fork(call.job.github["event_name"], call.job.github["event"])
    if head is None:
        return
    if (call.inputs["repository"].lower() == head.lower() or PULL.fullmatch(ref)
            or commit.lower() in shas):
        raise ActionError("Refusing to check out fork pull request code from a "
                          f"'{call.job.github['event_name']}' workflow")


def head_of_fork(event: str, payload: dict[str, Any]) -> tuple[str | None, list[str]]:
    """The fork whose code must not be run here, and its commits; None where there is no fork."""
    if event == "pull_request_target":
        pull = payload["pull_request"]
        head, shas = pull["head"]["repo"], [pull["head"]["sha"], pull.get("merge_commit_sha")]
    elif event == "workflow_run" and payload["workflow_run"]["event"].startswith("pull_request"):
        run_of = payload["workflow_run"]
        head, shas = run_of["head_repository"], [run_of["head_sha"]]
    else:
        return None, []
    if not head or head["id"] == payload["repository"]["id"]:
        return None, []
    return head["full_name"], [sha.lower() for sha in shas if sha]


def prepare(call: Call, folder: Path) -> None:
    """An empty repository with its remote. What is there from before goes, as with `clean`."""
    if folder.is_dir():
        for path in folder.iterdir():
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    folder.mkdir(parents=True, exist_ok=True)
    git(call, folder, "init", "--quiet", "--template=", "--initial-branch=main")
    url = f"{call.job.github['server_url']}/{call.inputs['repository']}"
    append(folder, section("gc", auto="0") + section(
        "remote", "origin", url=url, fetch="+refs/heads/*:refs/remotes/origin/*"))


def write_credentials(call: Call, folder: Path) -> Path:
    """Since version 6 the token is in a file of its own, which .git/config includes."""
    path = call.job.temp / f"git-credentials-{secrets.token_hex(8)}.config"
    basic = base64.b64encode(f"x-access-token:{call.inputs['token']}".encode()).decode()
    call.job.run.log.mask(basic)
    path.touch(mode=0o600)
    path.write_text(section("http", f"{call.job.github['server_url']}/",
                            extraheader=f"AUTHORIZATION: basic {basic}"))
    append(folder, including(folder, path))
    return path


def including(folder: Path, credentials: Path) -> str:
    return section("includeIf", f"gitdir:{folder}/.git", path=str(credentials))


def remove_credentials(folder: Path, credentials: Path) -> None:
    credentials.unlink(missing_ok=True)
    config = folder / ".git/config"
    if config.exists():  # a step may delete all of it
        config.write_text(config.read_text().replace(including(folder, credentials), ""))


def section(name: str, part: str = "", **values: str) -> str:
    """A section of a git config: one process of git for each key is most of a test's time."""
    def quoted(text: str) -> str:
        return '"' + text.replace("\\", r"\\").replace('"', r'\"') + '"'

    lines = "".join(f"\t{key} = {quoted(value)}\n" for key, value in values.items())
    return f"[{name} {quoted(part)}]\n{lines}" if part else f"[{name}]\n{lines}"


def append(folder: Path, text: str) -> None:
    with (folder / ".git/config").open("a") as file:
        file.write(text)


def fetch(call: Call, folder: Path, ref: str, commit: str) -> None:
    depth = max(0, int(call.inputs["fetch-depth"] or 1))
    specs, options = specs_of(ref, commit), ["--quiet", "--no-recurse-submodules"]
    if depth == 0:
        # One after the other: a branch may have moved since the event, and its commit counts.
        git(call, folder, "fetch", *options, "origin", "+refs/heads/*:refs/remotes/origin/*", TAGS)
    else:
        options += [f"--depth={depth}"]
    if call.inputs["fetch-tags"] == "true":
        specs.append(TAGS)
    git(call, folder, "fetch", *options, "--no-tags", "origin", *specs)


def specs_of(ref: str, commit: str) -> list[str]:
    if ref.startswith("refs/heads/"):
        return [f"+{commit or ref}:refs/remotes/origin/{ref.removeprefix('refs/heads/')}"]
    if ref.startswith("refs/pull/"):
        return [f"+{commit or ref}:refs/remotes/pull/{ref.removeprefix('refs/pull/')}"]
    if ref.startswith("refs/tags/"):
        return [f"+{ref}:{ref}"]
    if commit:
        return [commit]
    return [f"+refs/heads/{ref}*:refs/remotes/origin/{ref}*", f"+refs/tags/{ref}*:refs/tags/{ref}*"]


def check_out(call: Call, folder: Path, ref: str, commit: str) -> None:
    if ref.startswith("refs/heads/"):
        return on_branch(call, folder, ref.removeprefix("refs/heads/"))
    if ref.startswith("refs/pull/"):
        ref = f"refs/remotes/pull/{ref.removeprefix('refs/pull/')}"
    elif ref and not ref.startswith("refs/"):
        if git(call, folder, "rev-parse", "-q", "--verify", f"refs/remotes/origin/{ref}",
               check=False):
            return on_branch(call, folder, ref)
        ref = f"refs/tags/{ref}"
    git(call, folder, "checkout", "--quiet", "--force", "--detach", ref or commit)


def on_branch(call: Call, folder: Path, branch: str) -> None:
    git(call, folder, "checkout", "--quiet", "--force", "-B", branch,
        f"refs/remotes/origin/{branch}")


def update_submodules(call: Call, folder: Path) -> None:
    recursive = ["--recursive"] if call.inputs["submodules"] == "recursive" else []
    depth = int(call.inputs["fetch-depth"] or 1)
    shallow = [f"--depth={depth}"] if depth > 0 else []
    git(call, folder, "submodule", "sync", "--quiet", *recursive)
    # Submodules of a test are folders of this machine.
    git(call, folder, "-c", "protocol.file.allow=always", "submodule", "update", "--quiet",
        "--init", "--force", *shallow, *recursive)


def git(call: Call, folder: Path, *arguments: str, check: bool = True) -> str:
    environment = {"PATH": os.environ.get("PATH", os.defpath), "HOME": str(call.job.home),
                   "GIT_TERMINAL_PROMPT": "0", "LANG": "C.UTF-8"}
    done = subprocess.run(["git", *arguments], cwd=folder, env=environment, text=True,
                          capture_output=True, errors="replace", check=False)
    if done.returncode != 0 and check:
        call.log(done.stderr.strip())
        raise ActionError(f"The process '/usr/bin/git' failed with exit code {done.returncode}: "
                          f"{done.stderr.strip()}")
    return done.stdout if done.returncode == 0 else ""
