"""Actions whose work lies outside of this machine: Pages and attestations. They are recorded.

They ask for the permissions that the originals need, and sign and publish nothing.
"""

import hashlib
import json
import re
from pathlib import Path

import artifact_store
import globs
from actions import ActionError, Call
from permissions import allows

CONFIGURE = {"token": "${{ github.token }}", "enablement": "false", "static_site_generator": "",
             "generator_config_file": ""}
DEPLOY = {"token": "${{ github.token }}", "timeout": "600000", "error_count": "10",
          "reporting_interval": "5000", "artifact_name": "github-pages", "preview": "false"}
ATTEST = {"subject-path": "", "subject-digest": "", "subject-name": "", "subject-checksums": "",
          "subject-version": "", "sbom-path": "", "predicate-type": "", "predicate": "",
          "predicate-path": "", "push-to-registry": "false", "create-storage-record": "true",
          "show-summary": "true", "github-token": "${{ github.token }}"}
DIGEST = re.compile(r"sha(?:224|256|384|512):[0-9a-f]+")
PROVENANCE = "https://slsa.dev/provenance/v1"


def need(call: Call, scope: str, level: str) -> None:
    if not allows(call.job.record.permissions, scope, level):
        raise ActionError(f"{call.uses} needs the permission {scope}: {level}")


def configure_pages(call: Call) -> None:
    need(call, "pages", "write" if call.inputs["enablement"] == "true" else "read")
    owner, name = call.job.run.config.repository.split("/")
    call.outputs |= {"base_url": f"https://{owner}.github.io/{name}", "base_path": f"/{name}",
                     "origin": f"https://{owner}.github.io", "host": f"{owner}.github.io"}
    call.remember("actions/configure-pages", enablement=call.inputs["enablement"])


def deploy_pages(call: Call) -> None:
    need(call, "pages", "write")
    need(call, "id-token", "write")
    config, name = call.job.run.config, call.inputs["artifact_name"]
    found = [artifact for artifact in artifact_store.listed(config.artifacts, config.run_id)
             if artifact.name == name]
    if len(found) != 1:
        raise ActionError(f"{len(found)} artifacts named {name} in this run, there must be one")
    owner, repository = config.repository.split("/")
    call.outputs["page_url"] = f"https://{owner}.github.io/{repository}/"
    call.remember("actions/deploy-pages", artifact=name, digest=found[0].digest,
                  environment=call.job.record.environment)


def attest(call: Call) -> None:
    need(call, "id-token", "write")
    need(call, "attestations", "write")
    statement = {"_type": "https://in-toto.io/Statement/v1", "subject": subjects(call),
                 **predicate(call)}
    call.remember("actions/attest", statement=statement)
    path = call.job.temp / f"attestation-{len(call.job.run.result.recorded)}.json"
    path.write_text(json.dumps({"unsigned": statement}))
    call.outputs |= {"bundle-path": str(path), "attestation-id": "1", "attestation-url":
                     f"{call.job.github['server_url']}/{call.job.run.config.repository}"
                     "/attestations/1"}


def subjects(call: Call) -> list[dict]:
    given = [name for name in ("subject-path", "subject-digest", "subject-checksums")
             if call.inputs[name]]
    if len(given) != 1:
        raise ActionError("One of subject-path, subject-digest, or subject-checksums must be "
                          f"provided, and only one; got {', '.join(given) or 'none'}")
    match given[0]:
        case "subject-path":
            return from_files(call)
        case "subject-digest":
            return [from_digest(call.inputs["subject-digest"], call.inputs["subject-name"])]
    return from_checksums(call)


def from_files(call: Call) -> list[dict]:
    patterns = call.inputs["subject-path"].replace(",", "\n")
    files = globs.find(patterns, call.job.workspace)[0]
    if not files:
        raise ActionError(f"Could not find subject at path {call.inputs['subject-path']}")
    return [{"name": call.inputs["subject-name"] or path.name,
             "digest": {"sha256": hashlib.sha256(path.read_bytes()).hexdigest()}}
            for path in files]


def from_digest(digest: str, name: str) -> dict:
    if not name:
        raise ActionError("subject-name must be provided when using subject-digest")
    if not DIGEST.fullmatch(digest):
        raise ActionError('subject-digest must be in the format "algorithm:hex_digest"')
    algorithm, _, value = digest.partition(":")
    return {"name": name, "digest": {algorithm: value}}


def from_checksums(call: Call) -> list[dict]:
    path = call.job.workspace / call.inputs["subject-checksums"]
    text = path.read_text() if "\n" not in call.inputs["subject-checksums"] and path.is_file() \
        else call.inputs["subject-checksums"]
    found = []
    for line in text.splitlines():
        if line.strip():
            digest, _, name = line.partition(" ")
            found.append(from_digest(f"sha256:{digest}", name.strip().removeprefix("*")))
    return found


def predicate(call: Call) -> dict:
    """A custom one needs its type and its content; without both the original says provenance."""
    kind, text, path = (call.inputs[name] for name in
                        ("predicate-type", "predicate", "predicate-path"))
    if not (kind or text or path):
        return {"predicateType": PROVENANCE, "predicate": None}
    if not kind or bool(text) == bool(path):
        raise ActionError("predicate-type, and one of predicate and predicate-path, are needed")
    return {"predicateType": kind, "predicate":
            json.loads(text or Path(call.job.workspace / path).read_text())}
