"""With PyTorch itself, where it is installed."""

import importlib.util
import math
import struct
import unittest

from driver import Script, read_safetensors

SCRIPT = """
    import torch, outpace_step
    from torch import nn

    seeds = outpace_step.start(tokens_per_step=8)
    torch.manual_seed(seeds.model_seed)

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.norm, self.last = nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Linear(4, 4)
            self.last.weight = self.first.weight
            self.brief = nn.Parameter(torch.randn(3, 5).T.to(torch.bfloat16))
            self.zero = nn.Parameter(torch.zeros(2))
            self.register_buffer("mask", torch.tensor([True, False]))
            self.register_buffer("hidden", torch.ones(1), persistent=False)

        def forward(self, x):
            x = self.last(self.norm(self.first(x)))
            return x.square().mean() + self.brief.float().square().mean() + self.zero.sum()

    model = Model()
    after = torch.rand(1)  # the next random number does not change by what is perturbed
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    for batch in outpace_step.steps(torch.randn(2, 8, 4), model=model):
        optimizer.zero_grad()
        loss = model(batch)
        loss.backward()
        optimizer.step()
        outpace_step.loss(loss)
        loss.detach().add_(1.0)  # what was reported stays
    """

WITHOUT = "PyTorch is not installed: checkpoints and perturbed weights are tried with a small copy"


@unittest.skipUnless(importlib.util.find_spec("torch"), WITHOUT)
class Torch(unittest.TestCase):
    def run_one(self, **fields):
        """The checkpoint before the first step, and the losses of three steps."""
        script = Script(SCRIPT, packages=())
        with script, script.driven() as outpace:
            outpace.begin(**fields)
            path = str(script.folder / "saved")
            self.assertEqual(outpace.ask("save", path=path), {"type": "saved"})
            saved = read_safetensors(path)
            losses = outpace.step(3)["losses"]
            self.assertEqual(outpace.stop()[0::2], (0, ""))
        return saved, losses

    def test_checkpoints_losses_and_perturbed_weights(self):
        (plain, metadata), losses = self.run_one()
        (moved, _), others = self.run_one(perturb_ulps=1)
        self.assertEqual(plain["first.weight"], plain["last.weight"])
        self.assertEqual(plain["brief"][:2], ("BF16", [5, 3]))
        self.assertEqual(plain["mask"], ("BOOL", [2], b"\1\0"))
        self.assertEqual(plain["norm.num_batches_tracked"], ("I64", [], bytes(8)))
        self.assertEqual(plain.keys(), moved.keys())
        self.assertNotIn("hidden", plain)
        self.assertIn('"mask", "norm.num_batches_tracked"', metadata["buffers"])
        for name, code, count in (("first.weight", "i", 16), ("brief", "h", 15), ("zero", "i", 2)):
            both = [struct.unpack(f"<{count}{code}", values[name][2]) for values in (plain, moved)]
            moves = {abs(after - before) for before, after in zip(*both)}
            self.assertEqual(moves, {1}, name)
        for loss, other in zip(losses, others):
            self.assertLess(loss, 5.0)
            self.assertTrue(math.isclose(loss, other, rel_tol=1e-2), (loss, other))
        self.assertNotEqual(losses, others)


if __name__ == "__main__":
    unittest.main()
