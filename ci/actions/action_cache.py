"""actions/cache, restore and save. Without a folder for caches every restore misses."""

import hashlib
import io
import os
import tarfile
from pathlib import Path

import globs
from actions import ActionError, Call

INPUTS = {"path": "", "key": "", "restore-keys": "", "upload-chunk-size": "",
          "enablecrossosarchive": "false", "fail-on-cache-miss": "false", "lookup-only": "false",
          "save-always": "false"}


def both(call: Call) -> None:
    """Restores now, and saves at the end of a job that went well, where nothing was found."""
    restore(call)
    if call.outputs["cache-hit"] != "true":
        def save_if_well() -> None:
            if call.job.record.conclusion == "success":
                save(call)
        call.job.post.append(save_if_well)


def restore(call: Call) -> None:
    key, folder = call.inputs["key"], call.job.run.config.cache
    found = lookup(folder, key, call.inputs["restore-keys"].split()) if folder else None
    call.outputs |= {"cache-primary-key": key, "cache-matched-key": found or "",
                     "cache-hit": "true" if found == key else "false" if found else ""}
    call.remember("actions/cache/restore", key=key, found=found)
    if found is None and call.inputs["fail-on-cache-miss"] == "true":
        raise ActionError(f"Failed to restore cache entry. Input key: {key}")
    if found is not None and folder and call.inputs["lookup-only"] != "true":
        with tarfile.open(entry(folder, found)) as archive:
            archive.extractall(Path("/"), filter="tar")


def save(call: Call) -> None:
    key, folder = call.inputs["key"], call.job.run.config.cache
    call.remember("actions/cache/save", key=key)
    if folder is None or entry(folder, key).exists():
        return
    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode="w") as archive:
        for line in call.inputs["path"].split():
            for start in paths(call, line):
                archive.add(start)
    folder.mkdir(parents=True, exist_ok=True)
    entry(folder, key).write_bytes(memory.getvalue())
    entry(folder, key).with_suffix(".key").write_text(key)


def paths(call: Call, line: str) -> list[Path]:
    plain = call.job.workspace / line.replace("~", str(call.job.home), 1)
    if plain.exists():
        return [Path(os.path.normpath(plain))]
    return globs.find(line, call.job.workspace)[0]


def entry(folder: Path, key: str) -> Path:
    return folder / (hashlib.sha256(key.encode()).hexdigest() + ".tar")


def lookup(folder: Path, key: str, prefixes: list[str]) -> str | None:
    keys = sorted(folder.glob("*.key"), key=lambda path: path.stat().st_mtime, reverse=True)
    known = [path.read_text() for path in keys]
    if key in known:
        return key
    for prefix in [key, *prefixes]:
        for candidate in known:
            if candidate.startswith(prefix):
                return candidate
    return None
