#!/usr/bin/env python3
"""The reference GPT in PyTorch, to be timed beside outpace-gpt.

Same sizes, same weights, same batches: `outpace-gpt export` writes the initial weights and the batches of a pair of seeds, and both programs
begin from them. What PyTorch offers is used as its documentation recommends: F.rms_norm, scaled_dot_product_attention, fused AdamW; `--compile`
adds torch.compile. Needs Python 3.11, torch and safetensors.

Device and precision are those of the config, as in outpace-gpt, or of the command line. f32 is f32 everywhere, without TF32. bf16: weights,
moments and the update in f32, the network in bf16, the loss of its bf16 logits in f32.

By hand:          train.py --config ../../crates/gpt/configs/gpt-micro.toml --trainer outpace-gpt --steps 50
On a GPU:         train.py --config ../../crates/gpt/configs/gpt-124m.toml --trainer outpace-gpt --steps 50 --compile --json
Under outpace:    outpace compare --base-cmd 'python3 examples/pytorch/train.py ...' --candidate-cmd 'outpace-gpt train ...'
                  (with --compile: 'TORCHINDUCTOR_CACHE_DIR=/... python3 ...', or each of its processes compiles anew)
Validation text:  text.py, for the time-to-loss track
"""

import argparse
import json
import math
import os
import pathlib
import subprocess
import sys
import tempfile
import time
import tomllib

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import nn

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "python/outpace_step/src"))

import outpace_step  # noqa: E402

DTYPES = {"f32": torch.float32, "bf16": torch.bfloat16}
# A unit in the last place, in units of f32: bf16 is the upper half of an f32.
UNITS = {"f32": 1, "bf16": 1 << 16}
MAGNITUDE = 0x7FFFFFFF
# Tokens and batches to prepare under outpace, where every start waits for them: more than a block trains on, and for gpt-124m (256 batches) soon
# made beside its weights.
TOKENS, FEWEST_BATCHES = 1 << 22, 50


def weight(*dims):
    return nn.Parameter(torch.empty(dims))


# Casts are written out. torch.autocast would compute this in f32 on a GPU (PyTorch 2.12 and later; slower and larger, says
# pytorch/pytorch#188955), and its fused kernel wants a weight of its input's dtype.
def norm(x, weight, epsilon):
    return F.rms_norm(x, x.shape[-1:], weight.to(x.dtype), epsilon)


def rotate(x, cos, sin):
    """Half-split rotary embedding of (batch, sequence, heads, head_dim), computed in f32: bf16 angles would place distant tokens wrongly."""
    a, b = x.chunk(2, dim=-1)
    return torch.cat((a * cos - b * sin, a * sin + b * cos), dim=-1).to(x.dtype)


class Attention(nn.Module):
    def __init__(self, sizes, epsilon):
        super().__init__()
        width = sizes["width"]
        self.heads, self.epsilon = sizes["heads"], epsilon
        self.norm, self.qkv, self.out = weight(width), weight(width, 3 * width), weight(width, width)

    def forward(self, x, cos, sin):
        qkv = norm(x, self.norm, self.epsilon) @ self.qkv.to(x.dtype)
        q, k, v = (part.unflatten(-1, (self.heads, -1)) for part in qkv.chunk(3, dim=-1))
        # Turned before they are transposed: the kernels lay out h, and expect its gradient, as they find q, and nothing has to be copied.
        q, k, v = (part.transpose(1, 2) for part in (rotate(q, cos, sin), rotate(k, cos, sin), v))
        # In bf16 this is flash attention: on Hopper cuDNN's (PyTorch's own with TORCH_CUDNN_SDPA_DEPRIORITIZED=1 in the environment).
        h = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return x + h.transpose(1, 2).flatten(2) @ self.out.to(x.dtype)


class Mlp(nn.Module):
    def __init__(self, sizes, epsilon):
        super().__init__()
        width, hidden = sizes["width"], sizes["width"] * sizes.get("mlp_ratio", 4)
        self.epsilon = epsilon
        self.norm, self.up, self.down = weight(width), weight(width, hidden), weight(hidden, width)

    def forward(self, x):
        h = F.relu(norm(x, self.norm, self.epsilon) @ self.up.to(x.dtype)).square()
        return x + h @ self.down.to(x.dtype)


class Model(nn.Module):
    """The decoder of crates/gpt/src/model.rs, with its names. Matrices are (inputs, outputs)."""

    def __init__(self, sizes, dtype):
        super().__init__()
        width, symbols = sizes["width"], sizes["symbols"]
        self.dtype, self.epsilon = dtype, sizes.get("norm_epsilon", 1e-5)
        self.embedding, self.norm, self.head = weight(symbols, width), weight(width), weight(width, symbols)
        parts = {"attention": Attention, "mlp": Mlp}
        self.blocks = nn.ModuleList(
            nn.ModuleDict({name: part(sizes, self.epsilon) for name, part in parts.items()}) for _ in range(sizes["layers"])
        )
        dim = width // sizes["heads"]
        position = torch.arange(sizes["sequence"], dtype=torch.float64)[:, None, None]
        rate = sizes.get("rotary_base", 10_000.0) ** (-2.0 * torch.arange(dim // 2, dtype=torch.float64) / dim)
        for name, table in (("cos", torch.cos(position * rate)), ("sin", torch.sin(position * rate))):
            self.register_buffer(name, table.to(torch.float32), persistent=False)

    def forward(self, inputs, targets):
        """The loss. (F.linear_cross_entropy in chunks would save the logits, but gives it in bf16 and does not compile, in PyTorch 2.15.)"""
        return F.cross_entropy(self.logits(inputs).flatten(0, 1).float(), targets.flatten())

    def logits(self, inputs):
        """Of all symbols after each token, for rows of at most `sequence` tokens."""
        x = F.embedding(inputs, self.embedding).to(self.dtype)
        cos, sin = (table[: inputs.shape[1]] for table in (self.cos, self.sin))
        for block in self.blocks:
            x = block["mlp"](block["attention"](x, cos, sin))
        return norm(x, self.norm, self.epsilon) @ self.head.to(x.dtype)


class Run:
    """One run from a pair of seeds."""

    perturbs = True
    options = None  # set by main

    def __init__(self, ask):
        o = self.options
        with open(o.config, "rb") as file:
            self.config = tomllib.load(file)
        tensors = export(o, ask.model_seed, ask.data_seed)
        batch, sequence = self.config["data"]["batch"], self.config["model"]["sequence"]
        self.batches = [
            tensors.pop(name).to(torch.int64).view(-1, batch, sequence).to(o.device)
            for name in ("batches.inputs", "batches.targets")
        ]
        if ask.perturb_ulps:
            units = ask.perturb_ulps * UNITS[o.precision]
            tensors = {name: nudged(value, units) for name, value in tensors.items()}
        self.model = Model(self.config["model"], DTYPES[o.precision])
        self.model.load_state_dict(tensors)
        self.model.to(o.device)
        self.optimizer = adamw(self.model.parameters(), self.config.get("optimizer", {}))
        self.loss_of = self.model
        self.steps = 0
        if o.compile:
            self.loss_of = torch.compile(self.model, fullgraph=True, dynamic=False, mode=o.compile_mode)
            self.compile_now()

    def compile_now(self):
        """The first pass compiles; it belongs to getting ready, and changes nothing."""
        inputs, targets = self.batches
        self.loss_of(inputs[0], targets[0]).backward()
        self.optimizer.zero_grad(set_to_none=True)

    def step(self):
        """Waits for nothing: the loss stays on the device, and the learning rate is a plain number that goes with the kernel's launch."""
        inputs, targets = (part[self.steps % len(part)] for part in self.batches)
        self.steps += 1
        loss = self.loss_of(inputs, targets)
        loss.backward()
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.config.get("optimizer", {}), self.steps)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        # A copy, because a mode of torch.compile with CUDA graphs writes the next loss to the same place.
        return loss.detach().clone()

    def finish(self):
        if self.options.device == "cuda":
            torch.cuda.synchronize()

    def save(self, path):
        save_file({name: value.cpu() for name, value in self.model.state_dict().items()}, path)

    def load(self, path):
        self.model.load_state_dict(load_file(path))

    def predict(self, tokens):
        """Logits. What is longer than a sequence is read in several, as outpace-gpt does."""
        parts = tokens.split(self.config["model"]["sequence"], dim=1)
        return torch.cat([self.model.logits(part) for part in parts], dim=1)


def export(options, model_seed, data_seed):
    """Initial weights and batches, as the other side makes them."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "start.safetensors")
        # Under outpace this variable would make the exporter wait for requests.
        environment = {name: value for name, value in os.environ.items() if name != outpace_step.SOCKET_VARIABLE}
        subprocess.run(
            [options.trainer, "export", "--config", options.config, "--out", path, "--steps", str(options.batches)]
            + ["--model-seed", str(model_seed), "--data-seed", str(data_seed)],
            check=True,
            env=environment,
        )
        return load_file(path)


def nudged(value, units):
    """Every weight moved by so many units of f32, up or down by coin toss, as crates/gpt/src/random.rs does."""
    bits = value.view(torch.int32)
    # Bits of floats are ordered as their magnitudes are; below zero they count backwards.
    place = torch.where(bits < 0, -(bits & MAGNITUDE), bits)
    up = torch.randint(0, 2, value.shape, generator=torch.Generator().manual_seed(1)).bool()
    place += torch.where(up, units, -units).to(torch.int32)
    return torch.where(place < 0, place.abs() | ~MAGNITUDE, place).view(torch.float32)


def adamw(weights, settings):
    weights = list(weights)
    decay = settings.get("weight_decay", 0.1)
    groups = [
        {"params": [w for w in weights if w.dim() > 1], "weight_decay": decay},
        {"params": [w for w in weights if w.dim() <= 1], "weight_decay": 0.0},
    ]
    betas = (settings.get("beta1", 0.9), settings.get("beta2", 0.95))
    return torch.optim.AdamW(groups, lr=0.0, betas=betas, eps=settings.get("epsilon", 1e-8), fused=True)


def learning_rate(settings, step):
    """As crates/gpt/src/trainer.rs: a linear rise, then constant or half a cosine."""
    peak, warmup = settings.get("learning_rate", 1e-3), settings.get("warmup_steps", 20)
    if step <= warmup:
        return peak * step / warmup
    if settings.get("schedule", "constant") == "constant":
        return peak
    done = min((step - warmup) / (settings.get("total_steps", 1000) - warmup), 1.0)
    last = settings.get("final_fraction", 0.1)
    return peak * (last + (1 - last) * 0.5 * (1 + math.cos(math.pi * done)))


def by_hand(options):
    run = Run(outpace_step.Start(options.model_seed, options.data_seed))
    losses = []
    for number in range(options.steps):
        if number == options.warmup:
            run.finish()
            begin = time.perf_counter()
        losses.append(run.step())
    run.finish()
    seconds = time.perf_counter() - begin
    tokens_per_s = run.batches[0][0].numel() * (options.steps - options.warmup) / seconds
    losses = [float(loss) for loss in losses]
    for number, loss in enumerate(losses, 1):
        print(f"step {number}  loss {loss:.6f}")
    on_gpu = options.device == "cuda"
    name = torch.cuda.get_device_name() if on_gpu else "cpu"
    peak = torch.cuda.max_memory_allocated() if on_gpu else None
    memory = f", {peak / 2**30:.2f} GiB" if on_gpu else ""
    print(f"{tokens_per_s:.0f} tokens/s on {name}{memory}, PyTorch {torch.__version__}")
    if options.json:
        document = {
            "tokens_per_s": tokens_per_s,
            "peak_memory_bytes": peak,
            "device": name,
            "torch": torch.__version__,
            "compile": options.compile_mode if options.compile else None,
            "precision": options.precision,
            "losses": [loss if math.isfinite(loss) else None for loss in losses],
        }
        print(json.dumps(document))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", required=True, help="config of outpace-gpt")
    parser.add_argument("--trainer", default="outpace-gpt", help="the program outpace-gpt, for `export`")
    parser.add_argument("--device", choices=["cpu", "cuda"], help="[default: run.device of the config]")
    parser.add_argument("--precision", choices=DTYPES, help="[default: run.precision of the config]")
    parser.add_argument("--compile", action="store_true", help="use torch.compile")
    parser.add_argument("--compile-mode", default="default", help="its mode; max-autotune takes minutes [default: %(default)s]")
    parser.add_argument(
        "--batches", type=int, help="batches to prepare; a longer run sees them again [default: --steps; under outpace 4 Mi tokens]"
    )
    parser.add_argument("--steps", type=int, default=20, help="steps to train by hand [default: %(default)s]")
    parser.add_argument("--warmup", type=int, help="the first so many of them are not timed [default: 3 with --json, else 0]")
    parser.add_argument("--json", action="store_true", help="end with one line of JSON")
    parser.add_argument("--model-seed", type=int, default=1)
    parser.add_argument("--data-seed", type=int, default=1)
    options = parser.parse_args()
    if options.warmup is None:
        options.warmup = 3 if options.json else 0
    if not 0 <= options.warmup < options.steps:
        parser.error(f"--warmup {options.warmup} must be below --steps {options.steps}")
    return options


def main():
    options = arguments()
    with open(options.config, "rb") as file:
        config = tomllib.load(file)
    run = config.get("run", {})
    options.device = options.device or run.get("device", "cpu")
    options.precision = options.precision or run.get("precision", "f32")
    tokens_per_step = config["data"]["batch"] * config["model"]["sequence"]
    driven = outpace_step.driven()
    if options.batches is None:
        options.batches = max(TOKENS // tokens_per_step, FEWEST_BATCHES) if driven else options.steps
    torch.set_num_threads(run.get("threads", 0) or len(os.sched_getaffinity(0)))
    # Products of f32 in f32 and not in TF32, as cuBLAS computes them for outpace-gpt.
    torch.set_float32_matmul_precision("highest")
    Run.options = options
    if driven:
        sizes = Model(config["model"], torch.float32).parameters()
        outpace_step.serve(Run, tokens_per_step=tokens_per_step, parameters=sum(part.numel() for part in sizes))
    else:
        by_hand(options)


if __name__ == "__main__":
    main()
