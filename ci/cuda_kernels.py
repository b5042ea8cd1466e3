#!/usr/bin/env python3
"""Compiles every CUDA kernel with NVRTC, without a GPU, and holds what it needs of one against docs/cuda-kernels.md.

    export CUDA_HOME=$(ci/cuda-toolkit.sh)
    ci/cuda_kernels.py            # fails where a kernel needs more registers, spills or shared memory than the table allows
    ci/cuda_kernels.py --write    # writes the table anew

Without a toolkit it says so, with the command that installs one, and exits with 0.
"""

import argparse
import ctypes
import glob
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
SOURCES = ROOT / "kernels/src"
TABLE = ROOT / "docs/cuda-kernels.md"
ARCHITECTURES = ("sm_80", "sm_90", "sm_100")
BEGIN, END = "<!-- written by ci/cuda_kernels.py -->\n", "<!-- end -->\n"


class Nvrtc:
    """The few calls of libnvrtc that compile a program."""

    def __init__(self, home):
        # It looks for its built-in functions by name, and finds what is loaded already.
        for name in ("libnvrtc-builtins.so*", "libnvrtc.so*"):
            self.library = ctypes.CDLL(sorted(glob.glob(f"{home}/lib*/{name}"))[0], mode=ctypes.RTLD_GLOBAL)

    def call(self, name, *arguments):
        code = getattr(self.library, name)(*arguments)
        if code != 0:
            raise RuntimeError(f"{name}: error {code}")

    def text(self, program, what):
        size = ctypes.c_size_t()
        self.call(f"nvrtcGet{what}Size", program, ctypes.byref(size))
        buffer = ctypes.create_string_buffer(size.value)
        self.call(f"nvrtcGet{what}", program, buffer)
        return buffer.raw

    def compile(self, path, architecture):
        """The PTX of a file, as the trainer gets it, or an error with the compiler's words."""
        program = ctypes.c_void_p()
        self.call(
            "nvrtcCreateProgram", ctypes.byref(program), source(path).encode(), str(path).encode(), 0, None, None
        )
        options = [f"--gpu-architecture={with_features(architecture).replace('sm', 'compute')}", f"-I{SOURCES / 'cuda'}", "--std=c++17"]
        encoded = (ctypes.c_char_p * len(options))(*(option.encode() for option in options))
        code = self.library.nvrtcCompileProgram(program, len(options), encoded)
        if code != 0:
            log = self.text(program, "ProgramLog").rstrip(b"\0").decode()
            raise RuntimeError(f"{path.relative_to(ROOT)} for {architecture}:\n{log}")
        return self.text(program, "PTX").rstrip(b"\0")


def with_features(architecture):
    """What is compiled for: Hopper's products of a warpgroup are in no other architecture, and have a name of their own."""
    return {"sm_90": "sm_90a"}.get(architecture, architecture)


def source(path):
    """As the trainer gives it to NVRTC: what all kernels share, the file, and its version for Hopper."""
    shared = "".join(f'#include "{name}.cuh"\n' for name in ("common", "tensor_core", "warpgroup"))
    hopper = path.with_name("hopper.cu")
    return f"{shared}#line 1\n{path.read_text()}" + (f'#line 1 "hopper.cu"\n{hopper.read_text()}' if hopper.exists() else "")


def resources(home, ptx, architecture, scratch):
    """Registers, bytes of stack and of shared memory of each kernel, as the assembler counts them."""
    scratch.write_bytes(ptx)
    command = [f"{home}/bin/ptxas", "-v", f"-arch={with_features(architecture)}", "-o", os.devnull, scratch]
    log = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=True).stderr
    if slow := re.findall(r".*Performance Loss: (.*)", log):
        raise RuntimeError(f"{architecture}: {slow[0]}")
    found = {}
    for part in log.split("Compiling entry function '")[1:]:
        number = lambda pattern: int(match[1]) if (match := re.search(pattern, part)) else 0
        needs = (number(r"Used (\d+) registers"), number(r"(\d+) bytes stack frame"), number(r"(\d+) bytes smem"))
        found[part[: part.index("'")]] = needs
    return found


def measure(home):
    """{(kernel, architecture): (registers, stack, shared)}"""
    nvrtc, scratch, found = Nvrtc(home), ROOT / "target/kernels.ptx", {}
    for path in sorted(SOURCES.glob("*/cuda.cu")):
        for architecture in ARCHITECTURES:
            kernels = resources(home, nvrtc.compile(path, architecture), architecture, scratch)
            if not kernels:
                raise RuntimeError(f"{path.relative_to(ROOT)}: no kernels for {architecture}")
            found |= {(name, architecture): needs for name, needs in kernels.items()}
    return found


def table(found):
    """One row a kernel."""
    lines = ["| kernel | " + " | ".join(ARCHITECTURES) + " |", "|---|" + "---|" * len(ARCHITECTURES)]
    for name in sorted({name for name, _ in found}):
        cells = (" / ".join(map(str, found.get((name, architecture), "-"))) for architecture in ARCHITECTURES)
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def limits():
    """What the table allows."""
    text = TABLE.read_text()
    found = {}
    for line in text[text.index(BEGIN) : text.index(END)].splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 1 + len(ARCHITECTURES):
            for architecture, cell in zip(ARCHITECTURES, cells[1:]):
                if "/" in cell:
                    found[cells[0], architecture] = tuple(int(number) for number in cell.split("/"))
    return found


def check(found):
    """What is wrong, in words."""
    allowed = limits()
    wrong = [f"{name} for {architecture}: not in the table" for name, architecture in sorted(found.keys() - allowed.keys())]
    wrong += [f"{name} for {architecture}: in the table, but there is no such kernel" for name, architecture in sorted(allowed.keys() - found.keys())]
    for key in sorted(found.keys() & allowed.keys()):
        for what, needs, limit in zip(("registers", "bytes of stack", "bytes of shared memory"), found[key], allowed[key]):
            if needs > limit:
                wrong.append(f"{key[0]} for {key[1]}: {needs} {what}, the table allows {limit}")
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="write the table anew")
    options = parser.parse_args()
    home = os.environ.get("CUDA_HOME")
    if not home or not glob.glob(f"{home}/lib*/libnvrtc.so*"):
        print("SKIPPED: no CUDA toolkit in CUDA_HOME, so the kernels are not compiled. Install one:\n    export CUDA_HOME=$(ci/cuda-toolkit.sh)")
        return 0
    found = measure(home)
    if options.write:
        text = TABLE.read_text()
        TABLE.write_text(text[: text.index(BEGIN)] + BEGIN + table(found) + text[text.index(END) :])
    wrong = check(found)
    for line in wrong:
        print(line)
    kernels = len({name for name, _ in found})
    print(f"{kernels} kernels compile for {', '.join(ARCHITECTURES)}; {len(wrong)} need more than docs/cuda-kernels.md allows")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
