//! What a result says, judged again: a conclusion never rests on what the artifact claims.

use outpace_record::{CiResult, GateConfig, Kind, Verdict};

use crate::place::Conclusion;

/// Relative tolerance of recomputed thresholds.
const TOLERANCE: f64 = 1e-9;

/// A result that may be shown.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown {
    /// What the check says.
    pub conclusion: Conclusion,
    /// One line of ours; no word of it comes from the artifact.
    pub headline: String,
    /// Verdicts whose samples give what they say.
    pub verdicts: Vec<Verdict>,
    /// Workloads of verdicts that do not hold, by number.
    pub faults: Vec<String>,
}

/// Judges every verdict again under the gate of the default branch.
pub fn shown(result: &CiResult, gate: &GateConfig) -> Shown {
    let (mut verdicts, mut faults) = (Vec::new(), Vec::new());
    for (n, verdict) in result.verdicts.iter().enumerate() {
        match holds(verdict, gate) {
            Ok(()) => verdicts.push(verdict.clone()),
            Err(why) => faults.push(format!("verdict {}: {why}", n + 1)),
        }
    }
    let has = |kind: Kind| verdicts.iter().any(|verdict| verdict.verdict == kind);
    let (conclusion, headline) = if !faults.is_empty() {
        (
            Conclusion::Neutral,
            "The result does not hold: its samples do not give its verdicts.",
        )
    } else if has(Kind::Rejected) {
        (
            Conclusion::Failure,
            "Refused: it does not build, or does not train the same model.",
        )
    } else if has(Kind::Slower) {
        (Conclusion::Failure, "Training is proven slower.")
    } else if verdicts.is_empty() {
        (
            Conclusion::Neutral,
            "Nothing was measured; the run's log says why.",
        )
    } else if has(Kind::NotProven) {
        (Conclusion::Neutral, "Neither slower nor faster is proven.")
    } else if has(Kind::Faster) {
        (Conclusion::Success, "Training is proven faster.")
    } else if has(Kind::NotSlower) {
        (Conclusion::Success, "Training is proven not slower.")
    } else {
        (Conclusion::Success, "Nothing that is trained with changed.")
    };
    Shown {
        conclusion,
        headline: headline.to_owned(),
        verdicts,
        faults,
    }
}

fn holds(verdict: &Verdict, gate: &GateConfig) -> Result<(), &'static str> {
    match verdict.verdict {
        // Nobody gains by these, and a refusal has no samples.
        Kind::Rejected | Kind::NotProven => return Ok(()),
        Kind::Same if verdict.blocks.is_empty() => return Ok(()),
        _ => {}
    }
    let is_weak = verdict.alpha > gate.alpha
        || verdict.threshold < (1.0 - TOLERANCE) / gate.alpha
        || verdict.min_speedup < gate.min_speedup
        || !verdict.threshold.is_finite();
    if is_weak {
        return Err("its rule is weaker than that of the default branch");
    }
    match verdict.judged_again() {
        Ok(again) if Kind::from(again.outcome) == verdict.verdict => Ok(()),
        Ok(_) => Err("its samples give another verdict"),
        Err(_) => Err("its samples cannot be judged"),
    }
}
