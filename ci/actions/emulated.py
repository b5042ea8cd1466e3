"""The actions written in JavaScript that this driver knows, by name, and their inputs."""

from typing import Callable

import action_artifacts
import action_cache
import action_checkout
import action_others
from actions import ActionError, Call
from expressions import interpolate
from contexts import step_scope

# Name -> what it does, and its inputs with their defaults.
KNOWN: dict[str, tuple[Callable[[Call], None], dict[str, str]]] = {
    "actions/checkout": (action_checkout.run, action_checkout.INPUTS),
    "actions/upload-artifact": (action_artifacts.upload, action_artifacts.UPLOAD),
    "actions/download-artifact": (action_artifacts.download, action_artifacts.DOWNLOAD),
    "actions/upload-pages-artifact": (action_artifacts.upload_pages, action_artifacts.PAGES),
    "actions/cache": (action_cache.both, action_cache.INPUTS),
    "actions/cache/restore": (action_cache.restore, action_cache.INPUTS),
    "actions/cache/save": (action_cache.save, action_cache.INPUTS),
    "actions/configure-pages": (action_others.configure_pages, action_others.CONFIGURE),
    "actions/deploy-pages": (action_others.deploy_pages, action_others.DEPLOY),
    "actions/attest": (action_others.attest, action_others.ATTEST),
    "actions/attest-build-provenance": (action_others.attest, action_others.ATTEST),
}


def with_inputs(run: Callable[[Call], None], inputs: dict[str, str]) -> Callable[[Call], None]:
    def called(call: Call) -> None:
        if unexpected := sorted(set(call.inputs) - set(inputs)):
            # GitHub only warns, and then `persist-credential: false` keeps the credentials.
            raise ActionError(f"{call.uses} has no input {', '.join(unexpected)} (GitHub warns)")
        scope = step_scope(call.frame, "input", {})
        defaults = {name: interpolate(value, scope) for name, value in inputs.items()}
        call.inputs = {**defaults, **call.inputs}
        run(call)

    return called


ACTIONS = {name: with_inputs(run, inputs) for name, (run, inputs) in KNOWN.items()}
