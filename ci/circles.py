#!/usr/bin/env python3
"""Finds files of one crate that use each other in a circle.

A file uses another one if it names a module path that leads there, or an item that the root of
the crate exports from there. Roots and `mod.rs` files that only declare and re-export do not count.
The circles of `kernels` are allowed: an operation and its versions know each other.
"""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
USE = re.compile(r"\b(?:crate|super|self)(?:::\w+)*(?:::\{[^;]*?\})?(?=[^\w:])", re.S)
TESTS = re.compile(r"#\[cfg\(test\)\]\s*(?:#\[expect[^\]]*\]\s*)?mod tests \{.*", re.S)
COMMENT = re.compile(r"//[^\n]*")


def modules(src):
    """File of each module path below a crate's `src`."""
    found = {}
    for file in sorted(src.rglob("*.rs")):
        parts = list(file.relative_to(src).with_suffix("").parts)
        if parts[0] == "bin":
            continue
        if parts[-1] in ("lib", "main", "mod"):
            parts.pop()
        found[tuple(parts)] = file
    return found


def paths(tree, prefix=()):
    """Module paths of a `use` tree: `a::{b, c::d}` gives a::b and a::c::d."""
    depth, begin, parts = 0, 0, []
    for at, char in enumerate(tree + ","):
        depth += {"{": 1, "}": -1}.get(char, 0)
        if char == "," and depth == 0:
            parts.append(tree[begin:at].strip())
            begin = at + 1
    for part in filter(None, parts):
        head, brace, inner = part.partition("{")
        names = tuple(name.strip() for name in head.split("::") if name.strip())
        if brace:
            yield from paths(inner.rsplit("}", 1)[0], prefix + names)
        elif names:
            yield prefix + (names[:-1] + (names[-1].split(" as ")[0],))


def text_of(file):
    return TESTS.sub("", COMMENT.sub("", file.read_text()))


def exports(found):
    """Which module an item of a facade comes from."""
    items = {}
    for module, file in found.items():
        if file.name not in ("lib.rs", "main.rs", "mod.rs"):
            continue
        for tree in re.findall(r"\buse ([^;]*);", text_of(file)):
            for path in paths(tree):
                if path[0] not in ("crate", "super", "self", "std"):
                    items[module + (path[-1],)] = module + path
    return items


def graph(src):
    found = modules(src)
    items = exports(found)
    edges = {}
    for module, file in found.items():
        if file.name in ("lib.rs", "main.rs", "mod.rs"):
            # Below a `mod.rs` its own items are used; what it takes from its children is its plan.
            continue
        used = edges.setdefault(file, set())
        for match in USE.findall(text_of(file) + " "):
            for path in paths(match):
                target = absolute(path, module)
                while target in items and items[target] != target:
                    target = items[target]
                while target and target not in found:
                    target = target[:-1]
                if target in found and found[target] != file:
                    used.add(found[target])
    return edges


def absolute(path, module):
    if path[0] == "crate":
        return path[1:]
    base = list(module)
    path = list(path)
    while path and path[0] in ("super", "self"):
        if path.pop(0) == "super":
            base = base[:-1]
    return tuple(base + path)


def circles(edges):
    """Strongly connected components of more than one file (Tarjan)."""
    index, low, stack, found = {}, {}, [], []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in edges.get(node, ()):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            part = []
            while not part or part[-1] != node:
                part.append(stack.pop())
            if len(part) > 1:
                found.append(sorted(part))

    for node in edges:
        if node not in index:
            visit(node)
    return found


def main():
    wrong = 0
    for src in sorted(ROOT.glob("crates/*/src")):
        for circle in circles(graph(src)):
            wrong += 1
            print("circle:", ", ".join(str(file.relative_to(ROOT)) for file in circle))
    if wrong:
        sys.exit(f"{wrong} circles. Hint: move what both need into a file of its own")
    print("no file uses another one in a circle")


if __name__ == "__main__":
    main()
