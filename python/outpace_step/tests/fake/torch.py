"""So much of PyTorch as the module under test calls, for machines without it.

A tensor is a flat array of numbers; one of bfloat16 holds the bits of its numbers.
"""

import array
import math
import random
import types

log = []


class Dtype:
    def __init__(self, name, code):
        self.name, self.code = name, code

    def __str__(self):
        return f"torch.{self.name}"


CODES = ((64, "q"), (32, "i"), (16, "h"), (8, "b"))
float64, float32, bfloat16 = Dtype("float64", "d"), Dtype("float32", "f"), Dtype("bfloat16", "h")
int64, int32, int16, int8 = (Dtype(f"int{bits}", code) for bits, code in CODES)


class Tensor:
    def __init__(self, values, dtype=float32, shape=None):
        self.values = values if isinstance(values, array.array) else array.array(dtype.code, values)
        self.dtype, self.device = dtype, "cpu"
        self.shape = (len(self.values),) if shape is None else shape

    def detach(self):
        return self

    cpu = contiguous = detach

    def clone(self):
        return Tensor(self.values[:], self.dtype, self.shape)

    def data_ptr(self):
        return self.values.buffer_info()[0]

    def element_size(self):
        return self.values.itemsize

    def is_floating_point(self):
        return "float" in self.dtype.name

    def view(self, dtype):
        """The same memory, as in PyTorch."""
        return Bits(memoryview(self.values).cast("B").cast(dtype.code), dtype)

    def backward(self):
        log.append("backward")

    def __float__(self):
        log.append("read")
        return float(self.values[0])

    def __iadd__(self, other):
        self.values[0] += float(other)
        return self

    def __truediv__(self, number):
        return Tensor([self.values[0] / number], self.dtype, self.shape)


class Bits:
    """Integers, with the arithmetic that moving by units in the last place takes."""

    def __init__(self, values, dtype=int64):
        self.values, self.dtype, self.device, self.shape = values, dtype, "cpu", (len(values),)

    def _with(self, other, operation):
        others = other.values if isinstance(other, Bits) else [other] * len(self.values)
        return Bits([operation(a, b) for a, b in zip(self.values, others)])

    def to(self, dtype):
        return self

    def __and__(self, other):
        return self._with(other, lambda a, b: a & b)

    def __or__(self, other):
        return self._with(other, lambda a, b: a | b)

    def __lt__(self, other):
        return self._with(other, lambda a, b: int(a < b))

    def __mul__(self, other):
        return self._with(other, lambda a, b: a * b)

    __rmul__ = __mul__

    def __sub__(self, other):
        return self._with(other, lambda a, b: a - b)

    def __iadd__(self, other):
        for place, value in enumerate(other.values):
            self.values[place] += value
        return self


class Generator:
    def __init__(self, device):
        self.random = random.Random(0)

    def manual_seed(self, seed):
        self.random.seed(seed)
        return self


def randint(low, high, shape, generator, device):
    return Bits([generator.random.randrange(low, high) for _ in range(math.prod(shape))])


def iinfo(dtype):
    return types.SimpleNamespace(max=2 ** (8 * array.array(dtype.code).itemsize - 1) - 1)


seeds = {}


def manual_seed(seed):
    seeds["torch"] = seed
    cuda.manual_seed_all(seed)


cuda = types.SimpleNamespace(
    is_initialized=lambda: True,
    synchronize=lambda: log.append("synchronize"),
    manual_seed_all=lambda seed: seeds.update(cuda=seed),
)
