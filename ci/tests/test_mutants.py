"""Tests of ci/mutants.sh with a `cargo` that says what a test wants."""

import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
LISTED = "crates/trial/src/a.rs: replace + with - in one"
CARGO = """#!/bin/sh
[ "$2" = --version ] && exit ${VERSION_CODE:-0}
echo "$@" >"$SAID"
while [ $# -gt 1 ]; do [ "$1" = --output ] && out=$2; shift; done
mkdir -p "$out/mutants.out"
printf "$MISSED" >"$out/mutants.out/missed.txt"
exit $CODE
"""


class Mutants(unittest.TestCase):
    def setUp(self):
        temporary = tempfile.TemporaryDirectory()
        self.addCleanup(temporary.cleanup)
        self.dir = pathlib.Path(temporary.name)
        for name in ["ci", "docs", "bin", "crates"]:
            (self.dir / name).mkdir()
        shutil.copy(ROOT / "ci/mutants.sh", self.dir / "ci")
        (self.dir / "docs/mutants.md").write_text(f"# Mutants\n\n- `{LISTED}`: why.\n")
        (self.dir / "bin/cargo").write_text(CARGO)
        (self.dir / "bin/cargo").chmod(0o755)
        for command in ["init -q", "add ci docs", "commit -qm begin"]:
            words = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org"]
            subprocess.run(words + command.split(), cwd=self.dir, check=True)

    def run_it(self, *arguments, missed="", code=0, version_code=0):
        env = dict(os.environ, MISSED=missed, CODE=str(code), VERSION_CODE=str(version_code),
                   SAID=str(self.dir / "said"), PATH=f"{self.dir}/bin:{os.environ['PATH']}")
        return subprocess.run([self.dir / "ci/mutants.sh", *arguments], env=env, text=True,
                              capture_output=True)

    def check(self, ends_with, part, **said):
        ended = self.run_it(**said)
        self.assertEqual(ended.returncode, ends_with, ended)
        self.assertIn(part, ended.stdout + ended.stderr)

    def test_a_survivor_has_to_be_listed(self):
        listed = LISTED.replace(": ", ":12:5: ", 1)
        self.check(0, "is listed in docs/mutants.md: 0")
        self.check(0, "is listed in docs/mutants.md: 1", missed=listed + "\n", code=2)
        self.check(0, "no longer survives, take it from docs/mutants.md: " + LISTED)
        other = "crates/trial/src/b.rs:1:2: replace f -> f64 with 0.0"
        self.check(1, "crates/trial/src/b.rs: replace f -> f64 with 0.0\n",
                   missed=f"{listed}\n{other}\n", code=3)

    def test_a_run_that_did_not_end_well_is_not_a_result(self):
        self.check(4, "cargo mutants ended with 4", code=4)
        self.check(2, "cargo install --locked cargo-mutants", version_code=101)

    def test_with_a_revision_only_what_changed_since_then(self):
        (self.dir / "crates/a.rs").write_text("fn a() {}\n")
        subprocess.run(["git", "add", "-N", "crates"], cwd=self.dir, check=True)
        ended = self.run_it("HEAD", "results")
        self.assertEqual(ended.returncode, 0, ended)
        self.assertIn("--in-diff results/since.diff", (self.dir / "said").read_text())
        self.assertIn("+fn a() {}", (self.dir / "results/since.diff").read_text())
        self.assertNotIn("no longer survives", ended.stdout)


if __name__ == "__main__":
    unittest.main()
