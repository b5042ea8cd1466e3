//! The optimiser: how the gradients of a step change the weights. Patches may change this file and
//! `model.rs`, and nothing of data, protocol or evaluation.

use crate::config::{Optimizer, Schedule};
use crate::model::Parameter;
use candle_core::{Result, Tensor};
use outpace_kernels::adamw::{Part, Rule, State, update_all};

/// Changes the weights and the states by the gradients of `step`, counted from 1. Weight decay is
/// for matrices.
///
/// # Errors
/// Only what candle reports.
pub fn update<'a>(
    optimizer: &Optimizer,
    step: u64,
    gradients: impl Iterator<Item = (&'a Parameter, &'a Tensor)>,
    states: &mut [State],
) -> Result<()> {
    let rule = rule(optimizer, step);
    let parts = gradients.map(|(parameter, grad)| {
        let is_matrix = parameter.value.rank() > 1;
        let weight_decay = if is_matrix { rule.weight_decay } else { 0.0 };
        Part {
            parameter: parameter.value.as_tensor(),
            grad,
            rule: Rule {
                weight_decay,
                ..rule
            },
        }
    });
    update_all(parts.zip(states))
}

/// The update rule of `step`, counted from 1.
fn rule(optimizer: &Optimizer, step: u64) -> Rule {
    Rule {
        learning_rate: learning_rate(optimizer, step),
        beta1: optimizer.beta1,
        beta2: optimizer.beta2,
        epsilon: optimizer.epsilon,
        weight_decay: optimizer.weight_decay,
        step,
    }
}

/// Rises linearly over the warm-up, then stays or falls along half a cosine to `final_fraction` at
/// `total_steps`.
fn learning_rate(optimizer: &Optimizer, step: u64) -> f64 {
    let peak = optimizer.learning_rate;
    if step <= optimizer.warmup_steps {
        return peak * step as f64 / optimizer.warmup_steps as f64;
    }
    match optimizer.schedule {
        Schedule::Constant => peak,
        Schedule::Cosine => {
            let length = (optimizer.total_steps - optimizer.warmup_steps) as f64;
            let done = ((step - optimizer.warmup_steps) as f64 / length).min(1.0);
            let cosine = 0.5 * (1.0 + (std::f64::consts::PI * done).cos());
            peak * (optimizer.final_fraction + (1.0 - optimizer.final_fraction) * cosine)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_learning_rate_rises_stays_and_falls() {
        let constant = Optimizer {
            learning_rate: 0.1,
            warmup_steps: 10,
            total_steps: 110,
            ..Optimizer::default()
        };
        let cosine = Optimizer {
            schedule: Schedule::Cosine,
            ..constant.clone()
        };
        for (optimizer, step, expected) in [
            (&constant, 1, 0.01),
            (&constant, 10, 0.1),
            (&constant, 1000, 0.1),
            (&cosine, 10, 0.1),
            (&cosine, 60, 0.055),
            (&cosine, 110, 0.01),
            (&cosine, 1000, 0.01),
        ] {
            let actual = learning_rate(optimizer, step);
            assert!((actual - expected).abs() < 1e-12, "{step}: {actual}");
        }
        let none = Optimizer {
            warmup_steps: 0,
            ..constant
        };
        assert_eq!(learning_rate(&none, 1), 0.1);
    }
}
