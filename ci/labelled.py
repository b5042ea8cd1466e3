#!/usr/bin/env python3
"""Holds `outpace regressions` against series whose changes people have marked.

Usage: ci/labelled.py FOLDER [--outpace PROGRAM]

FOLDER has a JSON file for each series of the Turing Change Point Dataset, with `values`, and
`annotations`: by annotator, the places of changes.
The series go through `history import` and `regressions --known` in a scratch repository. F1 (margin
5) and cover are those of van den Burg and Williams, 2020, section 3.
"""

import argparse
import collections
import datetime
import json
import math
import pathlib
import subprocess
import tempfile

FIRST = datetime.date(1990, 1, 1)
CONFIG = 'version = 1\n[workload.w]\nrun = ["true"]\n[policy]\neditable = ["a"]\n'


def figures(name, values):
    """A record a day. Times are above 0, so each is the exponential of a value."""
    width = 20 * (max(values) - min(values) or 1)
    for number, value in enumerate(values):
        yield {"schema": "outpace.imported/1", "tool": "hyperfine", "series": name, "unit": "s",
               "smaller_is_better": True, "value": math.exp((value - values[0]) / width),
               "finished": f"{FIRST + datetime.timedelta(days=number)}T00:00:00Z"}


def with_start(cuts):
    return sorted({0, *cuts})


def hits(marks, found):
    """Each mark counts once, and each prediction for one mark."""
    free, count = list(found), 0
    for mark in marks:
        near = [cut for cut in free if abs(cut - mark) <= 5]
        if near:
            free.remove(min(near, key=lambda cut: abs(cut - mark)))
            count += 1
    return count


def f1(found, annotations):
    found, sets = with_start(found), [with_start(marks) for marks in annotations]
    precision = hits(with_start(sum(annotations, [])), found) / len(found)
    recall = sum(hits(marks, found) / len(marks) for marks in sets) / len(sets)
    return 2 * precision * recall / (precision + recall)


def parts(cuts, n):
    ends = sorted({0, n, *cuts})
    return list(zip(ends, ends[1:]))


def cover(found, annotations, n):
    found = parts(found, n)

    def best(a):
        overlap = [max(0, min(a[1], b[1]) - max(a[0], b[0])) /
                   (max(a[1], b[1]) - min(a[0], b[0])) for b in found]
        return max(overlap) * (a[1] - a[0])

    return sum(sum(map(best, parts(marks, n))) / n for marks in annotations) / len(annotations)


parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
parser.add_argument("folder", type=pathlib.Path)
parser.add_argument("--outpace", default="outpace")
options = parser.parse_args()
series = {path.stem: json.loads(path.read_text()) for path in sorted(options.folder.glob("*.json"))}

with tempfile.TemporaryDirectory() as folder:
    def run(*command):
        return subprocess.run(command, cwd=folder, check=True, stdout=subprocess.PIPE, text=True).stdout

    outpace = str(pathlib.Path(options.outpace).resolve()) if "/" in options.outpace else options.outpace
    pathlib.Path(folder, "outpace.toml").write_text(CONFIG)
    run("git", "init", "-q")
    run("git", "add", ".")
    run("git", "-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-q", "-m", "begin")
    lines = [json.dumps(line) for name, one in series.items() for line in figures(name, one["values"])]
    pathlib.Path(folder, "figures.jsonl").write_text("\n".join(lines))
    run(outpace, "-q", "history", "import", "figures.jsonl")
    days = {entry["id"]: (datetime.date.fromisoformat(entry["date"]) - FIRST).days
            for entry in map(json.loads, run(outpace, "history", "list", "--json").splitlines())}
    found = collections.defaultdict(list)
    for change in json.loads(run(outpace, "regressions", "--known", "--json"))["changes"]:
        found[change["workload"].split(": ")[1]].append(days[change["after"]])

scores = []
for name, one in series.items():
    annotations = list(one["annotations"].values())
    score = f1(found[name], annotations), cover(found[name], annotations, len(one["values"]))
    scores.append(score)
    print(f"{name}: {found[name]}   F1 {score[0]:.3f}   cover {score[1]:.3f}")
mean = [sum(of) / len(scores) for of in zip(*scores)]
print(f"{len(scores)} series: F1 {mean[0]:.3f}, cover {mean[1]:.3f}")
