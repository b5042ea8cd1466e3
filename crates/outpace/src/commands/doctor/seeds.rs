//! What seeds can show of a workload on the time-to-loss track, and in how long.

use outpace_gate::BaseSeeds;
use outpace_record::{Forecast, LossCurve, SeedNoise};
use outpace_report::format::{duration, gain};
use outpace_stats::{Rule, SeedRule, forecast_seeds, median, standard_deviation};

/// Seeds of the base that are run.
pub(super) const SEEDS: usize = 5;
/// Of those that have to come to the loss for a forecast.
const FEWEST: usize = 3;
/// Shares of the time to the loss that a forecast is given for.
const LESS_TIME: [f64; 4] = [0.02, 0.05, 0.1, 0.2];

/// How runs of the base differ, as far as they came to the loss.
pub(super) fn noise(runs: &BaseSeeds) -> SeedNoise {
    let target = runs.target.target_loss;
    let steps = runs.curves.iter().filter_map(|c| c.steps_to(target));
    let steps: Vec<f64> = steps.collect();
    let logs: Vec<f64> = steps.iter().map(|n| n.ln()).collect();
    let seconds: Vec<f64> = runs.curves.iter().map(LossCurve::total_s).collect();
    SeedNoise {
        seeds: runs.curves.len(),
        reached: steps.len(),
        steps: (!steps.is_empty()).then(|| median(&steps)),
        steps_sd: (logs.len() >= FEWEST).then(|| standard_deviation(&logs)),
        run_s: median(&seconds),
    }
}

/// What can be proven in how long, where a step takes as long on both sides; nothing where too few
/// runs came to the loss.
pub(super) fn forecast(noise: &SeedNoise, parallel: bool, rule: &Rule) -> Vec<Forecast> {
    let Some(sd) = noise.steps_sd else {
        return Vec::new();
    };
    let rule = SeedRule::from(&rule.of_programs());
    let seed_s = noise.run_s * if parallel { 1.0 } else { 2.0 };
    // Two runs that share nothing but their length differ by both of their deviations.
    let sd = sd * f64::sqrt(2.0);
    let of = |less: f64| {
        let speedup = 1.0 / (1.0 - less) - 1.0;
        let seeds = forecast_seeds(sd, speedup, &rule);
        Forecast {
            speedup,
            blocks: seeds,
            seconds: seeds.map(|n| n as f64 * seed_s),
        }
    };
    LESS_TIME.map(of).to_vec()
}

/// A line for how runs differ, and one for each gain.
pub(super) fn lines(noise: &SeedNoise, forecast: &[Forecast], most: usize) -> Vec<String> {
    let run = duration(noise.run_s);
    let mut lines = vec![match (noise.steps, noise.steps_sd) {
        (Some(steps), Some(sd)) => format!(
            "seeds      the loss in {run} and {steps:.0} steps, which vary by {:.1} % (standard \
             deviation of {} seeds of the base)",
            100.0 * sd,
            noise.reached
        ),
        _ => format!(
            "seeds      no forecast: {} of {} came to the loss",
            noise.reached, noise.seeds
        ),
    }];
    if !forecast.is_empty() {
        lines.push(
            "           where only values differ; a change of the program times its steps besides"
                .into(),
        );
    }
    lines.extend(forecast.iter().map(|forecast| {
        let needs = match (forecast.blocks, forecast.seconds) {
            (Some(seeds), Some(s)) => format!("about {seeds} seeds ({})", duration(s)),
            _ => format!("more seeds than a gate takes (`max_blocks` = {most})"),
        };
        let less = 1.0 - 1.0 / (1.0 + forecast.speedup);
        format!("{:<10} needs {needs}", format!("{} time", gain(-less)))
    }));
    lines
}

/// What to do where runs end before the loss.
pub(super) fn advice(name: &str, noise: &SeedNoise) -> Option<String> {
    (noise.reached < noise.seeds).then(|| {
        format!(
            "{name}: {} of {} runs of the base did not come to the loss within `max_steps`. Hint: \
             change `target_loss` or `max_steps`",
            noise.seeds - noise.reached,
            noise.seeds
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sides_of_a_seed_are_paid_for() {
        let noise = SeedNoise {
            seeds: 5,
            reached: 5,
            steps: Some(450.0),
            steps_sd: Some(0.014),
            run_s: 3.0,
        };
        let rule = Rule::default();
        let [one, two] = [true, false].map(|parallel| forecast(&noise, parallel, &rule)[2]);
        let seeds = one.blocks.unwrap();
        assert!((9..=14).contains(&seeds), "{seeds}");
        assert_eq!(
            (one.seconds, two.seconds),
            (Some(3.0 * seeds as f64), Some(6.0 * seeds as f64))
        );
        let lines = lines(&noise, &[one], 100);
        assert!(
            lines[0].contains("450 steps, which vary by 1.4 %"),
            "{lines:?}"
        );
        assert!(
            lines[2].starts_with("-10.0 % time needs about "),
            "{lines:?}"
        );
    }

    #[test]
    fn runs_that_end_before_the_loss_give_no_forecast() {
        let noise = SeedNoise {
            seeds: 5,
            reached: 1,
            steps: Some(450.0),
            steps_sd: None,
            run_s: 3.0,
        };
        assert!(forecast(&noise, true, &Rule::default()).is_empty());
        assert!(lines(&noise, &[], 100)[0].contains("1 of 5 came to the loss"));
        assert!(advice("w", &noise).unwrap().contains("4 of 5"));
    }
}
