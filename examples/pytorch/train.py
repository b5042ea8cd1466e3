#!/usr/bin/env python3
"""The reference GPT in PyTorch, to be timed beside outpace-gpt.

Same sizes, same weights, same batches: `outpace-gpt export` writes the initial weights and the batches of a pair of seeds, and both programs
begin from them. What PyTorch offers is used as its documentation recommends: F.rms_norm, scaled_dot_product_attention, fused AdamW; `--compile`
adds torch.compile. Needs Python 3.11, torch and safetensors.

By hand:          train.py --config ../../crates/gpt/configs/gpt-micro.toml --trainer outpace-gpt --steps 50
Under outpace:    outpace compare --base-cmd 'python3 examples/pytorch/train.py ...' --candidate-cmd 'outpace-gpt train ...'
"""

import argparse
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

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "python/outpace_step/src"))

import outpace_step  # noqa: E402

BLOCK = ("attention.norm", "attention.qkv", "attention.out", "mlp.norm", "mlp.up", "mlp.down")


class Model:
    """The decoder of crates/gpt/src/model.rs. Matrices are (inputs, outputs)."""

    def __init__(self, sizes, weights, device):
        self.layers, self.heads = sizes["layers"], sizes["heads"]
        self.width, self.sequence = sizes["width"], sizes["sequence"]
        self.epsilon = sizes.get("norm_epsilon", 1e-5)
        self.weights = {name: value.to(device).requires_grad_() for name, value in weights.items()}
        dim = self.width // self.heads
        position = torch.arange(self.sequence, dtype=torch.float64)[:, None]
        rate = sizes.get("rotary_base", 10_000.0) ** (-2.0 * torch.arange(dim // 2, dtype=torch.float64) / dim)
        angle = position * rate
        self.cos = angle.cos().to(torch.float32).to(device)
        self.sin = angle.sin().to(torch.float32).to(device)

    def norm(self, x, name):
        return F.rms_norm(x, (self.width,), self.weights[name], self.epsilon)

    def rotate(self, x):
        """Half-split rotary embedding of (batch, heads, sequence, head_dim)."""
        a, b = x.chunk(2, dim=-1)
        return torch.cat((a * self.cos - b * self.sin, a * self.sin + b * self.cos), dim=-1)

    def block(self, x, number):
        w = [f"blocks.{number}.{name}" for name in BLOCK]
        batch = x.shape[0]
        qkv = self.norm(x, w[0]) @ self.weights[w[1]]
        q, k, v = (
            part.view(batch, self.sequence, self.heads, -1).transpose(1, 2) for part in qkv.chunk(3, dim=-1)
        )
        h = F.scaled_dot_product_attention(self.rotate(q), self.rotate(k), v, is_causal=True)
        x = x + h.transpose(1, 2).reshape(batch, self.sequence, self.width) @ self.weights[w[2]]
        h = F.relu(self.norm(x, w[3]) @ self.weights[w[4]]).square()
        return x + h @ self.weights[w[5]]

    def loss(self, inputs, targets):
        x = F.embedding(inputs, self.weights["embedding"])
        for number in range(self.layers):
            x = self.block(x, number)
        logits = self.norm(x, "norm") @ self.weights["head"]
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten())


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
            tensors = {name: nudged(value, ask.perturb_ulps) for name, value in tensors.items()}
        self.model = Model(self.config["model"], tensors, o.device)
        self.optimizer = adamw(self.model.weights.values(), self.config["optimizer"])
        self.loss_of = torch.compile(self.model.loss) if o.compile else self.model.loss
        self.steps = 0
        if o.compile:
            self.compile_now()

    def compile_now(self):
        """The first pass compiles; it belongs to getting ready, and changes nothing."""
        inputs, targets = self.batches
        self.loss_of(inputs[0], targets[0]).backward()
        self.optimizer.zero_grad(set_to_none=True)

    def step(self):
        inputs, targets = (part[self.steps % len(part)] for part in self.batches)
        self.steps += 1
        loss = self.loss_of(inputs, targets)
        loss.backward()
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.config["optimizer"], self.steps)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return loss.detach()

    def finish(self):
        if self.options.device == "cuda":
            torch.cuda.synchronize()

    def save(self, path):
        save_file({name: value.detach().cpu() for name, value in self.model.weights.items()}, path)


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


def nudged(value, ulps):
    """Every weight moved by so many units in the last place, up or down by coin toss."""
    up = torch.randint(0, 2, value.shape, generator=torch.Generator().manual_seed(1)).bool()
    target = torch.where(up, math.inf, -math.inf).to(value.dtype)
    for _ in range(ulps):
        value = torch.nextafter(value, target)
    return value


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
    peak, warmup = settings["learning_rate"], settings.get("warmup_steps", 0)
    if step <= warmup:
        return peak * step / warmup
    if settings.get("schedule", "constant") == "constant":
        return peak
    done = min((step - warmup) / (settings["total_steps"] - warmup), 1.0)
    last = settings.get("final_fraction", 0.1)
    return peak * (last + (1 - last) * 0.5 * (1 + math.cos(math.pi * done)))


def by_hand(options):
    run = Run(outpace_step.Start(options.model_seed, options.data_seed))
    tokens = run.batches[0][0].numel()
    begin = time.perf_counter()
    for number in range(options.steps):
        loss = float(run.step())
        print(f"step {number + 1}  loss {loss:.6f}")
    run.finish()
    print(f"{tokens * options.steps / (time.perf_counter() - begin):.0f} tokens/s")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", required=True, help="config of outpace-gpt")
    parser.add_argument("--trainer", default="outpace-gpt", help="the program outpace-gpt, for `export`")
    parser.add_argument("--compile", action="store_true", help="use torch.compile")
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--batches", type=int, default=1000, help="batches to prepare; a longer run sees them again")
    parser.add_argument("--steps", type=int, default=20, help="steps to train by hand")
    parser.add_argument("--model-seed", type=int, default=1)
    parser.add_argument("--data-seed", type=int, default=1)
    options = parser.parse_args()
    with open(options.config, "rb") as file:
        config = tomllib.load(file)
    torch.set_num_threads(config.get("run", {}).get("threads", 0) or len(os.sched_getaffinity(0)))
    Run.options = options
    if outpace_step.driven():
        outpace_step.serve(Run, tokens_per_step=config["data"]["batch"] * config["model"]["sequence"])
    else:
        by_hand(options)


if __name__ == "__main__":
    main()
