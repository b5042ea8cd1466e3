"""Parameters of the model as f32 tensors, and safetensors files of them."""

import json
import struct

SHAPES = {
    "embedding": [32, 32],
    "w1": [32, 96],
    "b1": [96],
    "w2": [96, 32],
    "b2": [32],
}


def _size(shape):
    return shape[0] if len(shape) == 1 else shape[0] * shape[1]


COUNT = sum(map(_size, SHAPES.values()))


def write(path, **parts):
    """`parts` are lists of COUNT numbers, by the name that comes before those of their tensors."""
    header, data = {}, b""
    for part, numbers in parts.items():
        at = 0
        for name, shape in SHAPES.items():
            tensor = struct.pack(f"<{_size(shape)}f", *numbers[at : at + _size(shape)])
            offsets = [len(data), len(data) + len(tensor)]
            header[f"{part}.{name}"] = {"dtype": "F32", "shape": shape, "data_offsets": offsets}
            data, at = data + tensor, at + _size(shape)
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(head)) + head + data)


def read(path):
    """The lists of COUNT numbers, by the name of their part."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header, data = json.loads(file.read(length)), file.read()
    parts = {}
    for key, tensor in header.items():
        begin, end = tensor["data_offsets"]
        part, name = key.split(".")
        if tensor["shape"] != SHAPES[name]:
            raise ValueError(f"{key}: another shape")
        numbers = struct.unpack(f"<{(end - begin) // 4}f", data[begin:end])
        parts.setdefault(part, {})[name] = numbers
    return {part: [n for name in SHAPES for n in of[name]] for part, of in parts.items()}
