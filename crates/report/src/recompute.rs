//! Commands that recompute what a report says.

use outpace_record::Kind;
use outpace_text::{plain, short};

use crate::data::ReportData;
use crate::text::NAME;

/// Feeds the verdicts to the judge again, which looks at their samples and their rule alone.
///
/// Rejected candidates are left out: they were refused for something else than their times.
const JUDGE: &str = "jq -c '(.attempts[].verdicts[], .verdicts[]) \
  | select(.log_e != null and .verdict != \"rejected\")' report.json | outpace judge -";

/// A command, and the sentence that says what it is for.
pub(crate) struct Step {
    pub(crate) purpose: &'static str,
    pub(crate) command: String,
}

/// What can be recomputed from this report; nothing where nothing was timed.
pub(crate) fn steps(data: &ReportData) -> Vec<Step> {
    let mut steps = Vec::new();
    if let Some(range) = audited(data) {
        steps.push(Step {
            purpose: "Every merge carries its raw samples in baselines/proofs/. \
                      Any clone can judge them again, without a clock:",
            command: format!("outpace audit {range}"),
        });
    }
    let verdicts = data.attempts.iter().flat_map(|a| &a.verdicts);
    let mut verdicts = verdicts.chain(&data.verdicts);
    if verdicts.any(|v| v.log_e.is_some() && v.verdict != Kind::Rejected) {
        steps.push(Step {
            purpose: "So can every verdict of this report, from the samples in report.json:",
            command: JUDGE.to_owned(),
        });
    }
    steps
}

/// The commits that the campaign merged.
fn audited(data: &ReportData) -> Option<String> {
    let campaign = data.campaign.as_ref()?;
    data.attempts.iter().find(|a| a.merged.is_some())?;
    let range = format!("{}..{}", short(&campaign.start), campaign.into);
    Some(shell_word(&plain(&range, NAME)))
}

/// One word of a shell. Names of branches and files may hold `;`, `$` and quotes.
pub fn shell_word(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "._/-:".contains(c);
    if word.chars().all(is_plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::shell_word;

    #[test]
    fn a_branch_name_is_one_word_of_a_shell() {
        for (word, expect) in [
            ("8c1f0e2..outpace/main", "8c1f0e2..outpace/main"),
            ("a..b;rm", "'a..b;rm'"),
            ("a..$(x)'y", r"'a..$(x)'\''y'"),
        ] {
            assert_eq!(shell_word(word), expect);
        }
    }
}
