//! AdamW on the CPU: element by element, in place.

use super::Rule;
use crate::real::Real;

/// Updates `parameter`, `m` and `v` (all of one length) in place.
pub fn update<T: Real>(parameter: &mut [T], grad: &[T], m: &mut [T], v: &mut [T], rule: &Rule) {
    let of = T::from_f64;
    let correction = |beta: f64| 1.0 - beta.powf(rule.step as f64);
    let (m_correction, v_correction) = (correction(rule.beta1), correction(rule.beta2));
    let state = m.iter_mut().zip(v);
    for ((parameter, &grad), (m, v)) in parameter.iter_mut().zip(grad).zip(state) {
        *m = of(rule.beta1) * *m + of(1.0 - rule.beta1) * grad;
        *v = of(rule.beta2) * *v + of(1.0 - rule.beta2) * grad * grad;
        let scale = (*v / of(v_correction)).sqrt() + of(rule.epsilon);
        *parameter = of(1.0 - rule.learning_rate * rule.weight_decay) * *parameter
            - of(rule.learning_rate / m_correction) * *m / scale;
    }
}
