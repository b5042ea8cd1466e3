"""What is done with PyTorch's tensors. PyTorch is never imported before the script does that."""

from __future__ import annotations

import contextlib
import json
import sys
from typing import Any, Iterable, Iterator, Mapping, Protocol, Tuple

from . import _safetensors

COMPILED = "_orig_mod."
"""What torch.compile puts into the names of a model's parameters."""


class Model(Protocol):
    """What is needed of a torch.nn.Module."""

    def state_dict(self) -> Mapping[str, Any]:
        """All parameters and persistent buffers, by name."""

    def named_buffers(self) -> Iterable[Tuple[str, Any]]:
        """All buffers, those too that are not persistent."""

    def parameters(self) -> Iterable[Any]:
        """The parameters, shared ones once."""


def synchronize() -> None:
    """Waits until the GPU has done what was queued."""
    cuda = getattr(sys.modules.get("torch"), "cuda", None)
    if cuda is not None and cuda.is_initialized():
        cuda.synchronize()


def kept(loss: Any) -> Any:
    """A copy of a loss, still on its device. `total += loss` would change the original later, and
    so does a compiled step with CUDA graphs, which writes each loss to the same place."""
    return loss.detach().clone() if hasattr(loss, "detach") else loss


def device(model: Any) -> Any:
    """Where a module's parameters are; of anything else, and without parameters, the CPU."""
    first = next(model.parameters(), None) if _is_module(model) else None
    return "cpu" if first is None else first.device


@contextlib.contextmanager
def evaluating(model: Any) -> Iterator[None]:
    """No gradients are kept, and a module is in evaluation mode. Afterwards each of its parts is in
    the mode that it was in, and the next random numbers are what they would have been."""
    torch = sys.modules.get("torch")
    if torch is None:
        yield
        return
    modes = [(part, part.training) for part in model.modules()] if _is_module(model) else []
    gpus = [torch.cuda.current_device()] if torch.cuda.is_initialized() else []
    with torch.no_grad(), torch.random.fork_rng(gpus):
        try:
            if modes:
                model.eval()
            yield
        finally:
            if modes:
                # A model may do more in `train` than to set the mode.
                model.train(modes[0][1])
            for part, mode in modes:
                part.training = mode


def _is_module(model: Any) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(model, torch.nn.Module)


def save(model: Model, path: str) -> None:
    """Writes parameters and persistent buffers. Which names are buffers stands in the metadata: a
    mask is one, and it is no result of training."""
    tensors = {plain(name): value for name, value in model.state_dict().items()}
    # A module may add a state of its own, which is no tensor.
    tensors = {name: value for name, value in tensors.items() if hasattr(value, "data_ptr")}
    buffers = {plain(name) for name, _ in model.named_buffers()} & tensors.keys()
    metadata = {"format": "pt", "buffers": json.dumps(sorted(buffers))}
    _safetensors.write(path, tensors, metadata)


def load(model: Model, path: str) -> None:
    """Gives parameters and buffers the values that `save` wrote."""
    torch = sys.modules["torch"]
    tensors = {plain(name): value for name, value in model.state_dict().items()}
    with torch.no_grad():
        for name, read in _safetensors.read(path):
            if name not in tensors:
                raise ValueError(f"{path}: the model has no `{name}`")
            # Through memory of the CPU, in the file's format and order.
            value = torch.empty_like(tensors[name], device="cpu").contiguous()
            read(value)
            tensors.pop(name).copy_(value)
    left = sorted(name for name, value in tensors.items() if hasattr(value, "data_ptr"))
    if left:
        raise ValueError(f"{path}: it has no `{left[0]}`")


def plain(name: str) -> str:
    """The name of a tensor without torch.compile, which makes no other model."""
    return name.replace(COMPILED, "")


def perturb(model: Model, ulps: int) -> None:
    """Moves every parameter by so many units in the last place, up or down by coin toss. All in
    one direction would be a change of scale, which a normalised model does not see."""
    import torch  # type: ignore[import-not-found, unused-ignore]

    integers = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
    for seed, parameter in enumerate(model.parameters()):
        if parameter.is_floating_point():
            # The bits of a float as an integer: below the sign they count the distance from zero.
            bits = parameter.detach().view(integers[parameter.element_size()])
            # A generator of its own, so that the script's random numbers stay what they are.
            coin = torch.Generator(device=bits.device).manual_seed(seed)
            up = torch.randint(0, 2, bits.shape, generator=coin, device=bits.device)
            from_zero = bits & torch.iinfo(bits.dtype).max
            up |= from_zero < ulps
            bits += ((2 * up - 1) * ulps).to(bits.dtype)
