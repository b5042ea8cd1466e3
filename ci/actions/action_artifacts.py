"""actions/upload-artifact 7, download-artifact 8 and upload-pages-artifact 5, with real archives.

Files of the own run come from the artifact folder, those of another run over the API with a token
that needs `actions: read`, as on GitHub. Not emulated: retention, archive: false.
"""

import fnmatch
import io
import os
import tarfile
import zipfile
from dataclasses import asdict
from pathlib import Path

import api_client
import artifact_store
import globs
from actions import ActionError, Call
from artifact_store import Artifact, ArtifactError

UPLOAD = {"name": "artifact", "path": "", "if-no-files-found": "warn", "retention-days": "",
          "compression-level": "6", "overwrite": "false", "include-hidden-files": "false"}
DOWNLOAD = {"name": "", "path": "", "pattern": "", "merge-multiple": "false", "github-token": "",
            "repository": "${{ github.repository }}", "run-id": "${{ github.run_id }}",
            "digest-mismatch": "error"}
PAGES = {"name": "github-pages", "path": "_site/", "retention-days": "1",
         "include-hidden-files": "false"}


def upload(call: Call) -> None:
    hidden = call.inputs["include-hidden-files"] == "true"
    files, starts = globs.find(call.inputs["path"], call.job.workspace, hidden)
    if not files:
        return nothing_found(call)
    root = globs.root_of(files, starts)
    content = zipped([(str(path.relative_to(root)), path) for path in files],
                     int(call.inputs["compression-level"]))
    keep(call, call.inputs["name"], content, call.inputs["overwrite"] == "true")


def nothing_found(call: Call) -> None:
    message = f"No files were found with the provided path: {call.inputs['path']}. " \
              "No artifacts will be uploaded."
    match call.inputs["if-no-files-found"]:
        case "error":
            raise ActionError(message)
        case "warn":
            call.record.annotate("warning", message)
    call.log(message)


def zipped(files: list[tuple[str, Path]], level: int) -> bytes:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED, compresslevel=level) as archive:
        for name, path in files:
            archive.write(path, name)
    return memory.getvalue()


def keep(call: Call, name: str, content: bytes, overwrite: bool) -> None:
    config = call.job.run.config
    try:
        artifact = artifact_store.store(config.artifacts, config.run_id, name, content, overwrite)
    except ArtifactError as error:
        raise ActionError(str(error)) from error
    call.job.run.result.artifacts.append(asdict(artifact))
    call.log(f"artifact {name}: {artifact.size_in_bytes} bytes, {artifact.digest}")
    call.outputs["artifact-id"] = str(artifact.id)
    call.outputs["artifact-digest"] = artifact.digest.removeprefix("sha256:")
    call.outputs["artifact-url"] = (f"{call.job.github['server_url']}/{config.repository}/actions"
                                    f"/runs/{config.run_id}/artifacts/{artifact.id}")


def upload_pages(call: Call) -> None:
    """A composite action on GitHub: a tar in a zip."""
    folder = call.job.workspace / call.inputs["path"]
    if not folder.is_dir():
        raise ActionError(f"{call.inputs['path']} is no folder")
    left_out = {".git", ".github"}

    def chosen(info: tarfile.TarInfo) -> tarfile.TarInfo | None:
        names = Path(info.name).parts
        hidden = any(name.startswith(".") for name in names)
        if left_out & set(names) or (hidden and call.inputs["include-hidden-files"] != "true"):
            return None
        return info

    path = call.job.temp / "artifact.tar"
    with tarfile.open(path, "w", dereference=True) as archive:
        archive.add(folder, ".", filter=chosen)
    keep(call, call.inputs["name"], zipped([("artifact.tar", path)], 6), False)
    call.outputs["artifact_id"] = call.outputs.pop("artifact-id")


def download(call: Call) -> None:
    place = call.job.workspace / os.path.expanduser(call.inputs["path"])
    found = chosen_artifacts(call)
    for artifact, content in found:
        # More than one get a folder each, unless they are to be merged.
        alone = call.inputs["name"] or call.inputs["merge-multiple"] == "true" or len(found) == 1
        unpack(call, artifact, content, place if alone else place / artifact.name)
    call.log(f"{len(found)} artifacts downloaded to {place}")
    call.outputs["download-path"] = str(place)


def chosen_artifacts(call: Call) -> list[tuple[Artifact, bytes]]:
    every = of_other_run(call) if call.inputs["github-token"] else of_this_run(call)
    name, pattern = call.inputs["name"], call.inputs["pattern"] or "*"
    if not name:
        return [pair for pair in every if fnmatch.fnmatchcase(pair[0].name, pattern)]
    found = [pair for pair in every if pair[0].name == name]
    if not found:
        raise ActionError(f"Unable to download artifact(s): Artifact not found for name: {name}")
    return found[-1:]


def of_this_run(call: Call) -> list[tuple[Artifact, bytes]]:
    """Without a token the original ignores `run-id`, and so does this."""
    config = call.job.run.config
    return [(artifact, artifact_store.content(config.artifacts, artifact))
            for artifact in artifact_store.listed(config.artifacts, config.run_id)]


def of_other_run(call: Call) -> list[tuple[Artifact, bytes]]:
    base = f"{call.job.run.config.api_url}/repos/{call.inputs['repository']}/actions"
    token, known = call.inputs["github-token"], set(Artifact.__dataclass_fields__)
    try:
        listing = api_client.get_json(f"{base}/runs/{call.inputs['run-id']}/artifacts?per_page=100",
                                      token)
        return [(Artifact(**{key: value for key, value in about.items() if key in known},
                          run_id=int(call.inputs["run-id"])),
                 api_client.get_bytes(f"{base}/artifacts/{about['id']}/zip", token))
                for about in listing["artifacts"]
                if call.inputs["name"] in ("", about["name"])]
    except api_client.ApiError as error:
        raise ActionError(f"Unable to download artifact(s): {error}") from error


def unpack(call: Call, artifact: Artifact, content: bytes, place: Path) -> None:
    import hashlib
    if "sha256:" + hashlib.sha256(content).hexdigest() != artifact.digest:
        message = f"Digest validation failed for artifact(s): {artifact.name}"
        if call.inputs["digest-mismatch"] == "error":
            raise ActionError(message)
        call.record.annotate("warning", message)
    place.mkdir(parents=True, exist_ok=True)
    try:
        # Names that lead out of the folder are cut, and links come out as files, by zipfile.
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            archive.extractall(place)
    except (zipfile.BadZipFile, OSError, RuntimeError) as error:
        raise ActionError(f"Unable to extract the artifact {artifact.name}: {error}") from error
