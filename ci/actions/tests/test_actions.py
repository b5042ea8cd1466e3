"""The emulated actions: checkout, artifacts, caches, Pages, attestations."""

import hashlib
import io
import json
import subprocess
import unittest
import zipfile

from support import BASE, CHECKOUT, FORK, PIN, Case, commit, git
import artifact_store  # found by support
import events


class Checkout(Case):
    def test_depth_tags_and_refs(self):
        old = git(self.base, "rev-parse", "HEAD")
        git(self.base, "tag", "v1")
        git(self.base, "branch", "old")
        commit(self.base, {"new": "x"})
        count = "git rev-list --count HEAD"
        for given, script in [
            ("{}", f'test "$({count})" = 1 && test -z "$(git tag)" && test -e new'),
            ("{fetch-depth: 0}", f'test "$({count})" = 2 && git rev-parse v1 origin/old'),
            ("{fetch-depth: 2}", f'test "$({count})" = 2 && ! git rev-parse -q origin/old'),
            ("{ref: old}", "test ! -e new && test $(git branch --show-current) = old"),
            ("{ref: v1}", "test ! -e new"),
            (f"{{ref: {old}}}", f"test $(git rev-parse HEAD) = {old}"),
            ("{ref: refs/heads/old, path: a/b}", "test ! -e a/b/new && test ! -e README"),
            (f"{{repository: {FORK}, path: fork}}", "test -e fork/theirs"),
            (f"{{repository: {FORK}, ref: topic, path: fork}}", "test ! -e fork/theirs"),
        ]:
            if FORK in given and not self.fork.exists():
                git(self.folder, "clone", "--quiet", str(self.base), "fork")
                git(self.fork, "branch", "topic")
                commit(self.fork, {"theirs": "x"})
            with self.subTest(given):
                result = self.steps(f"- {{uses: {CHECKOUT}, with: {given}}}\n"
                                    f"- run: |\n    {script}\n")
                self.assertEqual(result.conclusion, "success", self.log(result))

    def test_the_commit_of_the_event_counts_where_the_branch_has_moved(self):
        old = git(self.base, "rev-parse", "HEAD")
        commit(self.base, {"new": "x"})
        for depth in (0, 1):
            result = self.steps(f"- {{uses: {CHECKOUT}, with: {{fetch-depth: {depth}}}}}\n"
                                f"- run: test $(git rev-parse HEAD) = {old} && test ! -e new",
                                sha=old)
            self.assertEqual(result.conclusion, "success", self.log(result))

    def test_credentials_are_there_only_where_they_persist(self):
        look = "git config --get-regexp extraheader"
        file = 'ls "$RUNNER_TEMP"/git-credentials-*'
        for given, script in [("{}", f"{look} && {file}"),
                              ("{persist-credentials: false}", f"! {look} && ! {file}")]:
            with self.subTest(given):
                result = self.steps(f"- {{uses: {CHECKOUT}, with: {given}}}\n"
                                    f"- run: |\n    {script}\n")
                self.assertEqual(result.conclusion, "success", self.log(result))
        # The job has ended, and the credentials with it.
        self.assertEqual(list((self.folder / "temp").rglob("git-credentials-*")), [])

    def test_a_push_needs_contents_write(self):
        for level, code in (("read", "failure"), ("write", "success")):
            result = self.run_text(f"""
                on: push
                permissions: {{contents: {level}}}
                jobs:
                  j:
                    runs-on: here
                    steps:
                      - uses: {CHECKOUT}
                      - run: git push origin HEAD:refs/heads/by-{level}
                """)
            self.assertEqual(result.conclusion, code, self.log(result))
        self.assertEqual(git(self.base, "branch", "--list", "by-*"), "by-write")

    def test_a_push_of_more_than_git_sends_in_one_piece(self):
        result = self.run_text(f"""
            on: push
            permissions: {{contents: write}}
            jobs:
              j:
                runs-on: here
                steps:
                  - uses: {CHECKOUT}
                  - run: |
                      head -c 3000000 /dev/urandom > big && git add big
                      git -c user.name=a -c user.email=a@b commit -q -m big
                      git push -q origin HEAD:refs/heads/big
            """)
        self.assertEqual(result.conclusion, "success", self.log(result))

    def test_submodules(self):
        git(self.folder, "init", "--quiet", "-b", "main", "part")
        commit(self.folder / "part", {"inside": "x"})
        git(self.base, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add",
            str(self.folder / "part"), "part")
        commit(self.base, {})
        for given, script in (("true", "test -e part/inside"), ("false", "test ! -e part/inside")):
            result = self.steps(f"- {{uses: {CHECKOUT}, with: {{submodules: {given}}}}}\n"
                                f"- run: {script}")
            self.assertEqual(result.conclusion, "success", self.log(result))

    def test_a_mistyped_input_fails(self):
        result = self.steps(f"- {{uses: {CHECKOUT}, with: {{persist-credential: false}}}}")
        self.assertIn("no input persist-credential", result.jobs[0].steps[0].error)


class PrivateCheckout(Case):
    private = True

    def test_a_private_repository_needs_contents_read(self):
        for level, code in (("none", "failure"), ("read", "success")):
            result = self.run_text(f"""
                on: push
                permissions: {{contents: {level}}}
                jobs: {{j: {{runs-on: here, steps: [{{uses: {CHECKOUT}}}]}}}}
                """)
            self.assertEqual(result.conclusion, code, self.log(result))


class Artifacts(Case):
    UPLOAD, DOWNLOAD = f"actions/upload-artifact{PIN}", f"actions/download-artifact{PIN}"

    def test_what_goes_in_and_under_which_name(self):
        cases = [
            ("path: out", ["a.json", "deep/b.json"]), ("path: out/a.json", ["a.json"]),
            ("path: 'out/*.json'", ["a.json"]),
            ("path: 'out/**/*.json'", ["a.json", "deep/b.json"]),
            ('path: "out\\n!out/deep"', ["a.json"]),
            ('path: "out/a.json\\nc.txt"', ["c.txt", "out/a.json"]),
            ("path: .hid", None), ("path: .hid/c", ["c"]), ("path: nothing", None),
            ("path: out, include-hidden-files: true", [".x", "a.json", "deep/b.json"]),
            ("path: .hid, include-hidden-files: true", ["c"]),
        ]
        uploads = "".join(f"- {{uses: {self.UPLOAD}, with: {{name: a{number}, {given}}}}}\n"
                          for number, (given, _) in enumerate(cases))
        result = self.steps("- run: mkdir -p out/deep .hid && touch out/a.json out/deep/b.json "
                            f"out/.x .hid/c c.txt\n{uploads}")
        self.assertEqual(result.conclusion, "success", self.log(result))
        stored = {artifact["name"]: artifact["digest"] for artifact in result.artifacts}
        for number, (given, expected) in enumerate(cases):
            with self.subTest(given):
                self.assertEqual(f"a{number}" in stored, expected is not None)
                if expected is not None:
                    self.check_archive(result.run_id, f"a{number}", stored, expected)

    def check_archive(self, run_id: int, name: str, stored: dict[str, str], expected: list[str]):
        content = (self.folder / f"artifacts/{run_id}/files/{name}.zip").read_bytes()
        self.assertEqual(stored[name], "sha256:" + hashlib.sha256(content).hexdigest())
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            self.assertEqual(sorted(archive.namelist()), expected)

    def test_no_file_and_the_same_name_twice_are_errors_where_they_should_be(self):
        result = self.steps(f"""
            - {{uses: {self.UPLOAD}, with: {{path: no, if-no-files-found: error}},
               continue-on-error: true}}
            - run: touch x
            - {{uses: {self.UPLOAD}, with: {{path: x}}}}
            - {{uses: {self.UPLOAD}, with: {{path: x, overwrite: true}}}}
            - {{uses: {self.UPLOAD}, with: {{path: x}}}}
            """)
        self.assertEqual([step.outcome for step in result.jobs[0].steps],
                         ["failure", "success", "success", "success", "failure"])
        self.assertIn("already exists", result.jobs[0].steps[4].error)

    def test_downloads_of_the_own_run(self):
        config = self.config()
        for name in ("one", "two"):
            memory = io.BytesIO()
            with zipfile.ZipFile(memory, "w") as archive:
                archive.writestr(f"{name}.txt", name)
            artifact_store.store(config.artifacts, config.run_id, name, memory.getvalue())
        for given, script in [
            ("name: one, path: in", "test -f in/one.txt"),
            ("path: in", "test -f in/one/one.txt && test -f in/two/two.txt"),
            ("path: in, pattern: 't*'", "test -f in/two.txt"),
            ("path: in, merge-multiple: true", "test -f in/one.txt && test -f in/two.txt"),
        ]:
            with self.subTest(given):
                result = self.steps(f"- {{uses: {self.DOWNLOAD}, with: {{{given}}}}}\n"
                                    f"- run: {script}", run_id=config.run_id,
                                    temp=self.folder / script.replace("/", "_"))
                self.assertEqual(result.conclusion, "success", self.log(result))

    def other_run(self, permissions: str, more: str, **about):
        return self.run_text(f"""
            on: push
            permissions: {{{permissions}}}
            jobs:
              j:
                runs-on: here
                steps: [{{uses: {self.DOWNLOAD}, with: {{name: a, run-id: 77, {more}}}}}]
            """, **about)

    def test_downloads_of_another_run(self):
        first = self.steps("- run: 'true'", run_id=77)
        artifact_store.store(self.folder / "artifacts", 77, "a", b"no archive")
        token = 'github-token: "${{ github.token }}"'
        for permissions, more, expected in [
            ("actions: read", token, "Unable to extract"), ("", token, "not accessible"),
            ("actions: read", "path: x", "not found"),
        ]:
            with self.subTest(permissions=permissions, more=more):
                result = self.other_run(permissions, more)
                self.assertIn(expected, result.jobs[0].steps[0].error)
        self.assertEqual(first.conclusion, "success")

    def test_a_changed_archive_and_a_bad_day_of_the_api(self):
        self.steps("- run: 'true'", run_id=77)
        artifact_store.store(self.folder / "artifacts", 77, "a", b"x")
        path = self.folder / "artifacts/77/files/a.zip"
        path.write_bytes(b"y")
        self.api.state.faults.add(status=502, count=2)
        result = self.other_run("actions: read", 'github-token: "${{ github.token }}"')
        self.assertIn("Digest validation failed", result.jobs[0].steps[0].error)


class Others(Case):
    def test_caches(self):
        steps = f"""
            - {{id: c, uses: actions/cache{PIN},
               with: {{path: kept, key: "k-${{{{ hashFiles('x') }}}}", restore-keys: k-}}}}
            - run: mkdir -p kept && date +%N >> kept/times
            """
        self.assertEqual(self.steps(steps).jobs[0].steps[0].outputs["cache-hit"], "")
        cache = self.folder / "cache"
        self.assertEqual(self.steps(steps, cache=cache).jobs[0].steps[0].outputs["cache-hit"], "")
        self.assertEqual(self.steps(steps, cache=cache).jobs[0].steps[0].outputs["cache-hit"],
                         "true")

    def attest(self, given: str, permissions: str = "id-token: write, attestations: write"):
        return self.run_text(f"""
            on: push
            permissions: {{{permissions}}}
            jobs:
              j:
                runs-on: here
                steps:
                  - run: echo samples > raw.json
                  - {{uses: actions/attest{PIN}, with: {{{given}}}}}
            """)

    def test_attestations(self):
        digest = hashlib.sha256(b"samples\n").hexdigest()
        custom = "predicate-type: 'https://example.org/x', predicate: '{\"a\": 1}'"
        for given in (f"subject-path: raw.json, {custom}",
                      f"subject-name: raw.json, subject-digest: 'sha256:{digest}', {custom}"):
            result = self.attest(given)
            self.assertEqual(result.conclusion, "success", self.log(result))
            statement = result.recorded[0]["statement"]
            self.assertEqual(statement["subject"],
                             [{"name": "raw.json", "digest": {"sha256": digest}}])
            self.assertEqual(statement["predicate"], {"a": 1})
        for given, permissions in [("subject-path: none", "id-token: write, attestations: write"),
                                   ("subject-path: raw.json", "id-token: write"),
                                   ("subject-path: raw.json", "attestations: write"),
                                   (f"subject-digest: '{digest}', subject-name: x",
                                    "id-token: write, attestations: write")]:
            self.assertEqual(self.attest(given, permissions).conclusion, "failure")

    def test_pages(self):
        result = self.run_text(f"""
            on: push
            permissions: {{pages: write, id-token: write}}
            jobs:
              build:
                runs-on: here
                steps:
                  - {{uses: actions/configure-pages{PIN}, id: p}}
                  - run: mkdir site && echo "${{{{ steps.p.outputs.base_path }}}}" > site/index.html
                  - {{uses: actions/upload-pages-artifact{PIN}, with: {{path: site}}}}
              deploy:
                needs: build
                runs-on: here
                environment: {{name: github-pages, url: "${{{{ steps.d.outputs.page_url }}}}"}}
                steps: [{{uses: actions/deploy-pages{PIN}, id: d}}]
            """, approved=frozenset(["github-pages"]))
        self.assertEqual(result.conclusion, "success", self.log(result))
        self.assertEqual(result.job("deploy").steps[0].outputs["page_url"],
                         "https://base.github.io/project/")
        self.assertEqual([what["action"] for what in result.recorded],
                         ["actions/configure-pages", "actions/deploy-pages"])


class CommandLine(Case):
    def test_a_run_by_hand(self):
        commit(self.base, {".github/workflows/w.yml": """
            on: push
            jobs: {j: {runs-on: here, steps: [{run: 'echo hello; exit ${{ vars.CODE }}'}]}}
            """})
        head = git(self.base, "rev-parse", "HEAD")
        payload = self.folder / "event.json"
        payload.write_text(json.dumps(events.push(BASE, "refs/heads/main", head, head)))
        script = str(events.__file__).replace("events.py", "run_workflow.py")
        for number, (more, code) in enumerate([(["--var", "CODE=0"], 0), (["--var", "CODE=1"], 1),
                                               (["--job", "none"], 2)]):
            done = subprocess.run(
                [script, "--repository", f"{BASE}={self.base}", "--workflow",
                 ".github/workflows/w.yml", "--event", "push", "--payload", str(payload),
                 "--artifacts", str(self.folder / "a"), "--temp", str(self.folder / f"t{number}"),
                 *more], capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, code, done.stderr)
            if code != 2:
                self.assertIn("| hello", done.stderr)
                self.assertIn("tokens", json.loads(done.stdout)["github"])


if __name__ == "__main__":
    unittest.main()
