"""Artifacts as files: FOLDER/RUN/files/NAME.zip with its NAME.json, and FOLDER/RUN/run.json.

The driver writes them, the stand-in for the API serves them. It opens no archive.
"""

import hashlib
import json
import re
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

FORBIDDEN = re.compile(r'["<>|*?:\r\n\\/]')


class ArtifactError(Exception):
    """What GitHub's artifact service answers."""


@dataclass
class Artifact:
    id: int
    name: str
    run_id: int
    size_in_bytes: int
    digest: str
    expired: bool = False


def store(folder: Path, run_id: int, name: str, content: bytes,
          overwrite: bool = False) -> Artifact:
    if not name or FORBIDDEN.search(name):
        raise ArtifactError(f"The artifact name is not valid: {name!r}")
    place = folder / str(run_id) / "files"
    place.mkdir(parents=True, exist_ok=True)
    if (place / f"{name}.zip").exists() and not overwrite:
        raise ArtifactError("Conflict: an artifact with this name already exists on the workflow "
                            f"run: {name}")
    digest = "sha256:" + hashlib.sha256(content).hexdigest()
    artifact = Artifact(secrets.randbelow(2**40) + 1, name, run_id, len(content), digest)
    (place / f"{name}.zip").write_bytes(content)
    (place / f"{name}.json").write_text(json.dumps(asdict(artifact)))
    return artifact


def listed(folder: Path, run_id: int) -> list[Artifact]:
    found = [Artifact(**json.loads(path.read_text()))
             for path in (folder / str(run_id) / "files").glob("*.json")]
    return sorted(found, key=lambda artifact: artifact.id)


def by_id(folder: Path, artifact_id: int) -> Artifact | None:
    runs = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    for run in runs:
        for artifact in listed(folder, int(run)) if run.isdecimal() else []:
            if artifact.id == artifact_id:
                return artifact
    return None


def content(folder: Path, artifact: Artifact) -> bytes:
    return (folder / str(artifact.run_id) / "files" / f"{artifact.name}.zip").read_bytes()


def write_run(folder: Path, run: dict[str, Any]) -> None:
    place = folder / str(run["id"])
    place.mkdir(parents=True, exist_ok=True)
    (place / "run.json").write_text(json.dumps(run))


def read_run(folder: Path, run_id: int) -> dict[str, Any] | None:
    path = folder / str(run_id) / "run.json"
    return json.loads(path.read_text()) if path.exists() else None
