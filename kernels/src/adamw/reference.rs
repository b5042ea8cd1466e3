//! AdamW as its paper (Loshchilov and Hutter 2019, algorithm 2) writes it.

use super::Rule;

/// One update of a single parameter; returns the new (parameter, m, v).
pub fn update(parameter: f64, grad: f64, m: f64, v: f64, rule: &Rule) -> (f64, f64, f64) {
    let m = rule.beta1 * m + (1.0 - rule.beta1) * grad;
    let v = rule.beta2 * v + (1.0 - rule.beta2) * grad * grad;
    let m_hat = m / (1.0 - rule.beta1.powi(rule.step as i32));
    let v_hat = v / (1.0 - rule.beta2.powi(rule.step as i32));
    let decayed = parameter - rule.learning_rate * rule.weight_decay * parameter;
    let moved = rule.learning_rate * m_hat / (v_hat.sqrt() + rule.epsilon);
    (decayed - moved, m, v)
}
