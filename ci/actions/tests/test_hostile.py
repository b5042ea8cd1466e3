"""Foreign text: what it sets off where it is handled badly, and that it does nothing otherwise."""

import io
import json
import textwrap
import unittest
import zipfile

from support import CHECKOUT, FORK, PIN, Case, git
import artifact_store  # found by support
import events

HOSTILE = [
    "`touch pwned`", "$(touch pwned)", "\"; touch pwned; \"", "'; touch pwned; '",
    "a\n::set-output name=verdict::faster\nb", "a\r::set-output name=verdict::faster",
    "x ##[set-output name=verdict]faster", "::add-mask::a", "::stop-commands::x",
    "${{ secrets.KEY }}", "a\nEOF\nverdict=faster\nx<<EOF\n", "\u2028::error::no line end",
    "<script>alert(1)</script>", "a\x1b[2Jb", "%0A::error::x",
]


class Hostile(Case):
    def dispatch(self, steps: str, *texts: str):
        """Runs the steps once for each text, which they know as inputs.T."""
        each = [textwrap.dedent(steps).replace("inputs.T ", f"inputs.t{number} ")
                .replace("id: a", f"id: a{number}").replace("steps.a.", f"steps.a{number}.")
                for number in range(len(texts))]
        inputs = {f"t{number}": text for number, text in enumerate(texts)}
        return self.steps("\n".join(each), event="workflow_dispatch",
                          secrets={"KEY": "open-sesame"},
                          payload=events.dispatch("base/project", inputs))

    def test_through_the_environment_nothing_happens(self):
        result = self.dispatch("""
            - env: {TEXT: "${{ github.event.inputs.T }}"}
              run: |
                printf '%s' "$TEXT" > text
                end=end-3141592653589793
                { echo "text<<$end"; cat text; echo; echo "$end"; } >> "$GITHUB_OUTPUT"
                test ! -e pwned
              id: a
            - {run: 'printf %s "$TEXT" | cmp - text', env: {TEXT: "${{ steps.a.outputs.text }}"}}
            """, *HOSTILE)
        self.assertEqual(result.conclusion, "success", self.log(result))
        self.assertEqual(result.commands(), [])
        self.assertEqual([step.outputs["text"] for step in result.jobs[0].steps[::2]], HOSTILE)
        self.assertNotIn("open-sesame", self.log(result))

    def test_in_a_script_it_runs(self):
        # The driver must show the mistake, or a test that finds none says nothing.
        result = self.dispatch("""
            - run: echo "${{ github.event.inputs.T }}"
            - run: test -e pwned
            """, "$(touch pwned)")
        self.assertEqual(result.conclusion, "success", self.log(result))

    def test_printed_it_is_a_command(self):
        for text, expected in [
            ("a\n::set-output name=verdict::faster", "set-output"),
            ("a\r::set-output name=verdict::faster", "set-output"),
            ("a ##[set-output name=verdict]faster", "set-output"),
            ("::warning::x", "warning"), ("\u2028::error::x", "error"), ("%0A::error::x", None),
        ]:
            with self.subTest(text):
                result = self.dispatch("""
                    - {run: 'printf "%s\\n" "$TEXT"', id: a,
                       env: {TEXT: "${{ inputs.T }}"}}
                    """, text)
                self.assertEqual([command.name for command in result.commands()],
                                 [expected] if expected else [])
                verdict = {"verdict": "faster"} if expected == "set-output" else {}
                self.assertEqual(result.jobs[0].steps[0].outputs, verdict)

    def test_between_stop_commands_it_is_text(self):
        result = self.dispatch("""
            - env: {TEXT: "${{ inputs.T }}"}
              run: |
                echo "::stop-commands::end-3141592653589793"
                printf '%s\\n' "$TEXT"
                echo "::end-3141592653589793::"
            """, *HOSTILE)
        for step in result.jobs[0].steps:
            self.assertEqual([command.name for command in step.commands],
                             ["stop-commands", "resume-commands"])

    def test_a_guessed_delimiter_sets_other_outputs(self):
        result = self.dispatch("""
            - id: a
              env: {TEXT: "${{ inputs.T }}"}
              run: '{ echo "text<<EOF"; echo "$TEXT"; echo EOF; } >> "$GITHUB_OUTPUT"'
            """, "a\nEOF\nverdict=faster\nx<<EOF\n")
        self.assertEqual(result.jobs[0].steps[0].outputs["verdict"], "faster")

    def test_set_env_by_print_fails_the_step(self):
        result = self.dispatch("""
            - {run: 'echo "$TEXT"', env: {TEXT: "${{ inputs.T }}"}}
            - {if: always(), run: 'test -z "${LD_PRELOAD-}"'}
            """, "::set-env name=LD_PRELOAD::x")
        self.assertEqual([step.outcome for step in result.jobs[0].steps], ["failure", "success"])


class Fork(Case):
    """A pull request of a fork is measured without rights, and published by a second workflow."""

    MEASURE = f"""
        name: measure
        on: pull_request
        permissions: {{contents: read, issues: write, id-token: write}}
        jobs:
          measure:
            runs-on: [self-hosted, gpu]
            outputs: {{sha: "${{{{ github.sha }}}}"}}
            steps:
              - {{uses: {CHECKOUT}, with: {{persist-credentials: false}}}}
              - env: {{KEY: "${{{{ secrets.KEY }}}}", TOKEN: "${{{{ github.token }}}}"}}
                run: |
                  test -z "$KEY" && test "$(cat new)" = "of the fork"
                  ! git config --get-regexp extraheader
                  curl -s -o out -w '%{{http_code}}' -H "Authorization: Bearer $TOKEN" \\
                    -d '{{"body": "x"}}' "$GITHUB_API_URL/repos/base/project/issues/1/comments" \\
                    > code
                  test "$(cat code)" = 403 && grep 'not accessible by integration' out
                  ! git -c http.extraheader="AUTHORIZATION: basic $(printf 'x:%s' "$TOKEN" |
                    base64 -w0)" push origin HEAD:refs/heads/mine
                  echo '{{"verdict": "faster"}}' > verdict.json
              - uses: actions/upload-artifact{PIN}
                with: {{name: verdict, path: verdict.json, if-no-files-found: error}}
        """
    PUBLISH = f"""
        name: publish
        on: {{workflow_run: {{workflows: [measure], types: [completed]}}}}
        permissions: {{}}
        jobs:
          publish:
            if: github.event.workflow_run.event == 'pull_request'
            permissions: {{actions: read, pull-requests: write}}
            runs-on: here
            steps:
              - uses: actions/download-artifact{PIN}
                with:
                  name: verdict
                  run-id: ${{{{ github.event.workflow_run.id }}}}
                  github-token: ${{{{ github.token }}}}
                  path: ${{{{ runner.temp }}}}/in
              - env: {{TOKEN: "${{{{ github.token }}}}", KEY: "${{{{ secrets.KEY }}}}"}}
                shell: python
                run: |
                  import json, os, urllib.request as http
                  assert os.environ["KEY"] == "open-sesame"
                  api = os.environ["GITHUB_API_URL"] + "/repos/base/project"
                  def ask(path, body=None):
                      token = {{"Authorization": "Bearer " + os.environ["TOKEN"]}}
                      return json.load(http.urlopen(http.Request(api + path, body, token)))
                  run = json.load(open(os.environ["GITHUB_EVENT_PATH"]))["workflow_run"]
                  head = run["head_repository"]["owner"]["login"] + ":" + run["head_branch"]
                  assert ask(f"/commits/{{run['head_sha']}}/pulls") == []
                  pull, = ask(f"/pulls?head={{head}}")
                  assert pull["head"]["sha"] == run["head_sha"]
                  verdict = open(os.environ["RUNNER_TEMP"] + "/in/verdict.json").read()
                  body = json.dumps({{"body": verdict}}).encode()
                  ask(f"/issues/{{pull['number']}}/comments", body)
        """

    def test_both_workflows(self):
        payload = self.pull_from_fork({"new": "of the fork\n"})
        measured = self.run_text(self.MEASURE, event="pull_request", payload=payload,
                                 secrets={"KEY": "open-sesame"})
        self.assertEqual(measured.conclusion, "success", self.log(measured))
        merge = git(self.base, "rev-parse", "refs/pull/1/merge")
        self.assertEqual((measured.ref, measured.sha), ("refs/pull/1/merge", merge))
        self.assertEqual(measured.jobs[0].permissions["issues"], "read")
        self.assertEqual([artifact["name"] for artifact in measured.artifacts], ["verdict"])

        config = self.config(event="pull_request", payload=payload, run_id=measured.run_id)
        after = events.workflow_run(measured, config)
        self.assertEqual(after["workflow_run"]["pull_requests"], [])
        published = self.run_text(self.PUBLISH, event="workflow_run", payload=after,
                                  secrets={"KEY": "open-sesame"})
        self.assertEqual(published.conclusion, "success", self.log(published))
        comment, = self.api.state.comments["base/project"]
        self.assertEqual(json.loads(comment["body"]), {"verdict": "faster"})

    def test_the_code_of_a_fork_is_not_checked_out_where_the_token_may_write(self):
        payload = self.pull_from_fork({"new": "x"})
        head = payload["pull_request"]["head"]["sha"]
        measured = self.run_text(self.MEASURE, event="pull_request", payload=payload)
        after = events.workflow_run(measured, self.config(event="pull_request", payload=payload))
        for given in (f"{{ref: {head}}}", "{ref: refs/pull/1/head}", "{ref: refs/pull/1/merge}",
                      f"{{repository: {FORK}, ref: topic}}"):
            with self.subTest(given):
                result = self.steps(f"- {{uses: {CHECKOUT}, with: {given}}}",
                                    event="workflow_run", payload=after)
                self.assertIn("Refusing to check out fork", result.jobs[0].steps[0].error)
        result = self.steps(f"""
            - uses: {CHECKOUT}
            - {{run: test ! -e new}}
            - {{uses: {CHECKOUT}, with: {{ref: {head}, allow-unsafe-pr-checkout: true}}}}
            """, event="workflow_run", payload=after)
        self.assertEqual(result.conclusion, "success", self.log(result))

    def test_an_archive_that_leads_out_stays_inside(self):
        memory = io.BytesIO()
        with zipfile.ZipFile(memory, "w") as archive:
            archive.writestr("../../out", "x")
            archive.writestr("/tmp/outpace-absolute", "x")
        config = self.config()
        artifact_store.store(config.artifacts, config.run_id, "a", memory.getvalue())
        result = self.steps(f"""
            - {{uses: actions/download-artifact{PIN}, with: {{path: in}}}}
            - {{run: test -f in/out && test -f in/tmp/outpace-absolute}}
            """, run_id=config.run_id)
        self.assertEqual(result.conclusion, "success", self.log(result))


if __name__ == "__main__":
    unittest.main()
