"""Trains a small GPT on the characters of data/input.txt, on the CPU, and prints a sample."""

import math
import pathlib

import outpace_step
import torch
import torch.nn.functional as F
from torch import nn

batch_size, block_size = 8, 32
layers, heads, width = 3, 8, 64
learning_rate, max_iters, report_every = 3e-3, 300, 50
sample_length = 300

text = (pathlib.Path(__file__).parent / "data" / "input.txt").read_text()
symbols = sorted(set(text))
data = torch.tensor([symbols.index(symbol) for symbol in text])
future = torch.ones(block_size, block_size, dtype=torch.bool).triu(1)

seeds = outpace_step.start(tokens_per_step=batch_size * block_size)
torch.manual_seed(seeds.model_seed)


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x):
        hidden = future[: x.shape[1], : x.shape[1]]
        split = (part.split(width // heads, dim=-1) for part in self.qkv(x).chunk(3, dim=-1))
        mixed = []
        for query, key, value in zip(*split):
            scores = query @ key.transpose(-2, -1) / math.sqrt(width // heads)
            mixed.append(scores.masked_fill(hidden, -math.inf).softmax(dim=-1) @ value)
        return self.out(torch.cat(mixed, dim=-1))


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention()
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class GPT(nn.Module):
    def __init__(self):
        super().__init__()
        self.token = nn.Embedding(len(symbols), width)
        self.position = nn.Embedding(block_size, width)
        self.blocks = nn.Sequential(*(Block() for _ in range(layers)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, len(symbols))

    def forward(self, tokens):
        x = self.token(tokens) + self.position.weight[: tokens.shape[1]]
        return self.head(self.norm(self.blocks(x)))


def get_batch():
    starts = torch.randint(len(data) - block_size, (batch_size,))
    places = starts[:, None] + torch.arange(block_size)
    return data[places], data[places + 1]


@torch.no_grad()
def sample(tokens):
    for _ in range(sample_length):
        logits = model(tokens[:, -block_size:])[:, -1]
        drawn = torch.multinomial(logits.softmax(dim=-1), 1)
        tokens = torch.cat((tokens, drawn), dim=1)
    return "".join(symbols[token] for token in tokens[0])


model = GPT()
optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate)

for step in outpace_step.steps(range(max_iters), model=model):
    inputs, targets = get_batch()
    loss = F.cross_entropy(model(inputs).flatten(0, 1), targets.flatten())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    outpace_step.loss(loss)
    if step % report_every == 0:
        print(f"step {step}  loss {loss.item():.4f}")

print(sample(data[:1][None]))
