"""Safetensors files: the length of a header, the header in JSON, the bytes of the tensors."""

from __future__ import annotations

import ctypes
import json
import math
import struct
from typing import Any, BinaryIO, Callable, Dict, Iterator, Mapping, Tuple

DTYPES = {
    "float64": "F64",
    "float32": "F32",
    "float16": "F16",
    "bfloat16": "BF16",
    "float8_e4m3fn": "F8_E4M3",
    "float8_e5m2": "F8_E5M2",
    "int64": "I64",
    "int32": "I32",
    "int16": "I16",
    "int8": "I8",
    "uint64": "U64",
    "uint32": "U32",
    "uint16": "U16",
    "uint8": "U8",
    "bool": "BOOL",
}
"""Names of number formats, in PyTorch and in the file."""

ALIGNMENT = 8
"""The header is filled up with blanks, so that the first tensor begins at a multiple of this."""


def write(path: str, tensors: Mapping[str, Any], metadata: Mapping[str, str]) -> None:
    """Writes PyTorch tensors under their names. A tensor that has two names is written twice."""
    header: Dict[str, Any] = {"__metadata__": dict(metadata)}
    end = 0
    for name, tensor in tensors.items():
        begin, end = end, end + _size(tensor)
        header[name] = {
            "dtype": _dtype(name, tensor),
            "shape": list(tensor.shape),
            "data_offsets": [begin, end],
        }
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % ALIGNMENT)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for tensor in tensors.values():
            write_bytes(file, tensor)


def read(path: str) -> Iterator[Tuple[str, Callable[[Any], None]]]:
    """Names of tensors, each with a function that fills one on the CPU of the same format and
    shape. Raises ValueError where it has another."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        for name, about in header.items():
            if name == "__metadata__":
                continue

            def fill(tensor: Any, name: str = name, about: Dict[str, Any] = about) -> None:
                is_one = [_dtype(name, tensor), list(tensor.shape)]
                if is_one != [about["dtype"], about["shape"]]:
                    raise ValueError(f"{path}: `{name}` is not {is_one[0]} of shape {is_one[1]}")
                file.seek(8 + length + about["data_offsets"][0])
                if size := _size(tensor):
                    file.readinto((ctypes.c_char * size).from_address(tensor.data_ptr()))

            yield name, fill


def _size(tensor: Any) -> int:
    return int(math.prod(tensor.shape) * tensor.element_size())


def _dtype(name: str, tensor: Any) -> str:
    dtype = str(tensor.dtype).replace("torch.", "")
    if dtype not in DTYPES:
        raise TypeError(f"`{name}` is of {dtype}, which a safetensors file cannot hold")
    return DTYPES[dtype]


def write_bytes(file: BinaryIO, tensor: Any) -> None:
    """Writes the numbers of a PyTorch tensor, one after the other."""
    # From memory, because bfloat16 has no counterpart in numpy, which need not be installed either.
    if size := _size(tensor):
        tensor = tensor.detach().cpu().contiguous()
        file.write((ctypes.c_char * size).from_address(tensor.data_ptr()))
