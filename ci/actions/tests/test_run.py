"""Jobs and steps: what runs, with which environment, and what a failure means."""

import unittest

from support import CHECKOUT, PIN, Case, commit, git
from run_workflow import run_workflow  # found by support
from values import ExpressionError
from workflow_file import WorkflowError


class Jobs(Case):
    def conclusions(self, result) -> dict[str, str]:
        return {job.name: job.conclusion for job in result.jobs}

    def test_needs_outputs_and_conditions(self):
        result = self.run_text("""
            on: push
            jobs:
              last:
                needs: [first, broken]
                if: always() && needs.first.outputs.number == '5'
                runs-on: here
                steps: [{run: 'test "${{ needs.broken.result }}" = failure'}]
              skipped:
                needs: broken
                runs-on: here
                steps: [{run: exit 1}]
              rescue:
                needs: skipped
                if: failure()
                runs-on: here
                steps: [{run: 'true'}]
              first:
                runs-on: [self-hosted, "${{ 'gpu' }}"]
                outputs: {number: "${{ steps.a.outputs.n }}", none: "${{ steps.a.outputs.x }}"}
                steps: [{id: a, run: 'echo n=5 >> "$GITHUB_OUTPUT"'}]
              broken:
                runs-on: here
                steps: [{run: exit 3}, {run: echo never}, {if: failure(), run: echo seen}]
            """)
        self.assertEqual(result.conclusion, "failure")
        self.assertEqual(self.conclusions(result), {
            "first": "success", "broken": "failure", "last": "success", "skipped": "skipped",
            "rescue": "success"})
        self.assertEqual(result.job("first").outputs, {"number": "5"})
        self.assertEqual(result.job("first").runs_on, ["self-hosted", "gpu"])
        self.assertEqual([step.conclusion for step in result.job("broken").steps],
                         ["failure", "skipped", "success"])
        self.assertIn("exit code 3", result.job("broken").steps[0].error)

    def test_matrix_with_fail_fast_and_tolerance(self):
        result = self.run_text("""
            on: push
            jobs:
              a:
                runs-on: here
                strategy: {matrix: {n: [1, 2, 3]}}
                steps: [{run: 'exit $(( ${{ matrix.n }} == 2 ))'}]
              b:
                runs-on: here
                continue-on-error: ${{ matrix.n == 2 }}
                strategy: {fail-fast: false, matrix: {n: "${{ fromJSON('[1,2]') }}"}}
                steps: [{run: 'exit $(( ${{ matrix.n }} == 2 ))'}]
            """)
        self.assertEqual(self.conclusions(result), {
            "a (1)": "success", "a (2)": "failure", "a (3)": "cancelled", "b (1)": "success",
            "b (2)": "failure"})
        self.assertEqual(result.jobs[-1].result, "success")

    def test_only_one_job_and_those_it_needs(self):
        text = """
            on: push
            jobs:
              a: {runs-on: here, steps: [{run: 'true'}]}
              b: {runs-on: here, needs: a, steps: [{run: 'true'}]}
              c: {runs-on: here, steps: [{run: 'false'}]}
            """
        self.assertEqual(self.conclusions(self.run_text(text, only_job="b")),
                         {"a": "success", "b": "success"})

    def test_an_environment_waits_until_it_is_approved(self):
        text = """
            on: push
            jobs:
              gpu:
                runs-on: gpu
                environment: ${{ github.event_name == 'push' && 'gpu-fork' || '' }}
                steps: [{run: touch "$RUNNER_TEMP/ran"}]
              after: {needs: gpu, if: always(), runs-on: here, steps: [{run: 'true'}]}
            """
        waiting = self.run_text(text)
        self.assertEqual(waiting.conclusion, "waiting")
        self.assertEqual([(job.conclusion, job.steps) for job in waiting.jobs],
                         [("waiting", [])] * 2)
        self.assertEqual(self.api.state.tokens, {})
        for about, expected in [({"approved": frozenset(["gpu-fork"])}, ["success", "success"]),
                                ({"rejected": frozenset(["gpu-fork"])}, ["failure", "success"])]:
            result = self.run_text(text, **about)
            self.assertEqual([job.conclusion for job in result.jobs], expected)

    def test_a_workflow_of_the_repository_is_read_at_the_commit_of_the_event(self):
        commit(self.base, {".github/workflows/w.yml": """
            name: committed
            on: push
            jobs: {j: {runs-on: here, steps: [{run: 'true'}]}}
            """})
        (self.base / ".github/workflows/w.yml").write_text("changed since")
        result = run_workflow(self.config())
        self.assertEqual((result.workflow, result.conclusion), ("committed", "success"))

    def test_an_event_that_does_not_start_the_workflow(self):
        result = self.run_text("on: pull_request\njobs: {j: {runs-on: h, steps: [{run: 'true'}]}}")
        self.assertEqual((result.conclusion, result.jobs), ("skipped", []))
        self.assertIn("not started", result.notes[0])


class Steps(Case):
    def test_environment_of_all_levels_and_clean_otherwise(self):
        result = self.run_text("""
            on: push
            env: {A: workflow, B: workflow, C: workflow}
            defaults: {run: {shell: bash}}
            jobs:
              j:
                runs-on: here
                env: {B: job, C: "job ${{ github.event_name }}"}
                steps:
                  - env: {C: "step ${{ env.B }}"}
                    run: test "$A/$B/$C" = "workflow/job/step job"
                  - run: |
                      echo "C=file" >> "$GITHUB_ENV"
                      echo "GITHUB_SHA=forged" >> "$GITHUB_ENV"
                      echo "NODE_OPTIONS=x" >> "$GITHUB_ENV"
                      mkdir "$RUNNER_TEMP/bin" && echo "$RUNNER_TEMP/bin" >> "$GITHUB_PATH"
                      printf '#!/bin/sh\\necho mine' > "$RUNNER_TEMP/bin/tool"
                      chmod +x "$RUNNER_TEMP/bin/tool"
                  - run: |
                      test "$C" = file && test "$GITHUB_SHA" = "${{ github.sha }}"
                      test -z "${NODE_OPTIONS-}" && test "$(tool)" = mine
                      test "$CI$GITHUB_ACTIONS" = truetrue && test "$(ls -A "$HOME")" = ""
                      test -z "$(env | grep -i token)" && test -s "$GITHUB_EVENT_PATH"
                      false | true
            """)
        self.assertEqual([step.conclusion for step in result.jobs[0].steps],
                         ["success", "success", "failure"], self.log(result))
        self.assertIn("exit code 1", result.jobs[0].steps[2].error)  # of the pipe, the last line

    def test_shells_folders_and_summaries(self):
        result = self.steps("""
            - {run: 'false | true', name: without pipefail}
            - {run: 'false | true', shell: bash, continue-on-error: true, id: piped}
            - {run: 'print(2 ** 10)', shell: python}
            - run: mkdir -p a/b
            - {run: 'test "$PWD" = "$GITHUB_WORKSPACE/a/b"', working-directory: a/b}
            - {run: 'echo "# one" >> "$GITHUB_STEP_SUMMARY"'}
            - {run: 'echo two ${{ github.token }} >> "$GITHUB_STEP_SUMMARY"'}
            - {if: steps.piped.outcome == 'failure' && steps.piped.conclusion == 'success', run: ls}
            """)
        self.assertEqual(result.conclusion, "success", self.log(result))
        self.assertEqual(result.jobs[0].summary, "# one\n\ntwo ***\n")
        self.assertIn("   | 1024", self.log(result))
        self.assertNotIn("ghs_", self.log(result))

    def test_time_limits(self):
        result = self.steps("""
            - {run: sleep 60, timeout-minutes: 0.005, continue-on-error: true}
            - {run: echo goes on}
            """)
        step = result.jobs[0].steps[0]
        self.assertEqual((step.outcome, result.conclusion), ("failure", "success"))
        self.assertIn("timed out", step.error)
        result = self.run_text("""
            on: push
            jobs:
              j:
                runs-on: here
                timeout-minutes: 0.01
                steps: [{run: sleep 60}, {run: echo no}, {if: always(), run: echo yes}]
            """)
        self.assertEqual([step.conclusion for step in result.jobs[0].steps],
                         ["cancelled", "skipped", "success"])
        self.assertEqual(result.conclusion, "cancelled")

    def test_masks_and_secrets(self):
        result = self.run_text("""
            on: push
            jobs:
              j:
                runs-on: here
                outputs: {leak: "${{ steps.a.outputs.leak }}", fine: "${{ steps.a.outputs.fine }}"}
                steps:
                  - id: a
                    env: {KEY: "${{ secrets.KEY }}", NONE: "${{ secrets.NONE }}"}
                    run: |
                      echo "::add-mask::hidden-value"; echo "a hidden-value and $KEY/$NONE"
                      echo "leak=$KEY" >> "$GITHUB_OUTPUT"; echo fine=1 >> "$GITHUB_OUTPUT"
            """, secrets={"KEY": "open-sesame"})
        self.assertIn("| a *** and ***/", self.log(result))
        self.assertEqual(result.jobs[0].outputs, {"fine": "1"})

    def test_unknown_names_stop_the_run(self):
        for step in ("run: echo ${{ githb.sha }}", "run: echo ${{ github.shaa }}",
                     "run: echo ${{ nope(1) }}", "if: secrets.KEY\n  run: a",
                     "shell: pwsh\n  run: a", f"uses: someone/action{PIN}",
                     "uses: actions/checkout@v7", f"uses: actions/github-script{PIN}"):
            with self.subTest(step), self.assertRaises(Exception) as caught:
                self.steps(f"- {step}")
            self.assertIn(type(caught.exception).__name__, ("ExpressionError", "WorkflowError"))

    def test_dispatch_inputs(self):
        result = self.run_text("""
            on:
              workflow_dispatch: {inputs: {go: {type: boolean, default: false}, n: {default: 3}}}
            jobs:
              j:
                if: inputs.go
                runs-on: here
                steps: [{run: 'test ${{ inputs.n }} = 3'}]
            """, event="workflow_dispatch", payload={"inputs": {"go": "true"}})
        self.assertEqual([job.conclusion for job in result.jobs], ["success"])


ACTION = """
    name: composite
    inputs:
      word: {default: "${{ github.repository }}"}
      times: {required: true}
    outputs:
      text: {value: "${{ steps.make.outputs.text }}"}
      about: {value: "${{ steps.make.outputs.about }}"}
    runs:
      using: composite
      steps:
        - id: make
          shell: bash
          env:
            WORD: ${{ inputs.word }}
            TIMES: ${{ inputs.times }}
            # hashFiles sees nothing of an action that lies outside of the workspace.
            HASH: ${{ hashFiles(format('{0}/data', github.action_path)) }}
            SELF: ${{ github.action_repository }}@${{ github.action_ref }}
          run: |
            test "$OUTER" = caller
            for _ in $(seq "$TIMES"); do out+="$WORD "; done
            echo "about=$SELF/$HASH" >> "$GITHUB_OUTPUT"
            echo "text=$out" >> "$GITHUB_OUTPUT"; cat "$GITHUB_ACTION_PATH/data"
        - {if: inputs.times == 0, shell: bash, run: exit 4}
        - {if: failure(), shell: bash, run: echo cleaning}
        - {shell: bash, run: echo last >> "$GITHUB_ENV_FILE" || true}
    """


class Composite(Case):
    def setUp(self) -> None:
        super().setUp()
        commit(self.base, {"tools/action.yml": ACTION, "tools/data": "of the action\n",
                           "action.yml": """
            name: outer
            outputs: {text: {value: "${{ steps.inner.outputs.text }}"}}
            runs:
              using: composite
              steps: [{id: inner, uses: ./tools, env: {OUTER: caller}, with: {times: 2}}]
            """})

    def test_inputs_outputs_and_nesting(self):
        result = self.steps(f"""
            - uses: {CHECKOUT}
            - {{uses: ./tools, id: a, env: {{OUTER: caller}}, with: {{word: x, times: 2}}}}
            - {{uses: ./, id: b}}
            - {{run: 'test "${{{{ steps.a.outputs.text }}}}" = "x x "'}}
            """)
        self.assertEqual(result.conclusion, "success", self.log(result))
        steps = result.jobs[0].steps
        self.assertEqual(steps[2].outputs, {"text": "base/project base/project "})
        self.assertRegex(steps[1].outputs["about"], "^@/[0-9a-f]{64}$")
        self.assertEqual([step.conclusion for step in steps[1].steps],
                         ["success", "skipped", "skipped", "success"])
        self.assertIn("| of the action", self.log(result))

    def test_a_failure_inside(self):
        result = self.steps(f"""
            - uses: {CHECKOUT}
            - {{uses: ./tools, env: {{OUTER: caller}}, with: {{times: 0, typo: 1}}}}
            """)
        step = result.jobs[0].steps[1]
        self.assertEqual(step.outcome, "failure")
        self.assertEqual([inner.conclusion for inner in step.steps],
                         ["success", "failure", "success", "skipped"])
        self.assertIn("Unexpected input(s) typo", step.annotations[0]["message"])

    def test_an_action_that_is_not_there_or_not_composite(self):
        result = self.steps("- uses: ./tools")
        self.assertIn("forget to run actions/checkout", result.jobs[0].steps[0].error)
        commit(self.base, {"action.yml": "runs: {using: node24, main: x.js}"})
        with self.assertRaises(WorkflowError):
            self.steps(f"- uses: {CHECKOUT}\n- uses: ./")

    def test_secrets_do_not_reach_into_a_composite_action(self):
        commit(self.base, {"action.yml": """
            runs: {using: composite, steps: [{shell: bash, run: 'echo ${{ secrets.KEY }}'}]}
            """})
        with self.assertRaises(ExpressionError):
            self.steps(f"- uses: {CHECKOUT}\n- uses: ./")

    def test_a_mapped_action(self):
        done = []
        result = self.steps(f"""
            - {{uses: some/tool{PIN}, with: {{a: 1}}}}
            - {{uses: other/tool/sub{PIN}, with: {{b: 2}}, id: x}}
            - {{uses: third/tool{PIN}, env: {{OUTER: caller}}, with: {{times: 1, word: w}}, id: y}}
            - {{run: 'test "${{{{ steps.y.outputs.text }}}}" = "w "'}}
            """, uses={"some/tool": "record", "third/tool": str(self.base / "tools"),
                       "other/tool/sub": lambda call: done.append(call.inputs)})
        self.assertEqual(result.conclusion, "success", self.log(result))
        self.assertEqual(result.recorded[0]["inputs"], {"a": "1"})
        self.assertEqual(done, [{"b": "2"}])
        self.assertEqual(result.jobs[0].steps[2].outputs["about"], f"third/tool{PIN}/")
        self.assertEqual(git(self.base, "status", "--porcelain"), "")


if __name__ == "__main__":
    unittest.main()
