//! What was computed, in order, so that gradients can be computed in the opposite one.
//!
//! candle's own graph begins every gradient with a tensor of zeros and adds to it, single-threaded,
//! even where there is just one thing to add: a fifth of a step of gpt-nano. It also keeps all
//! activations until the end. Here the first gradient of a tensor is taken as it is, and what is
//! not needed any more is freed on the way back.
//!
//! Operations are candle's custom operations; an operation without a backward is an error here and
//! not a gradient that silently stops.

use crate::add::sum;
use candle_core::{CustomOp1, CustomOp2, Device, Result, Tensor, TensorId};
use std::cell::RefCell;
use std::collections::HashMap;

/// A recording of operations.
#[derive(Default)]
pub struct Tape(Option<RefCell<Vec<Node>>>);

struct Node {
    operation: Operation,
    output: Tensor,
}

/// An operation whose gradient a kernel can add to what its first argument has already: a residual
/// connection's.
pub(crate) trait Onto: CustomOp2 {
    /// The gradients of both arguments, the first with `before` added.
    fn backward_onto(
        &self,
        arguments: [&Tensor; 2],
        grad: &Tensor,
        before: Option<&Tensor>,
    ) -> Result<[Tensor; 2]>;
}

enum Operation {
    Add([Tensor; 2]),
    Onto(Box<dyn Onto>, [Tensor; 2]),
    One(Box<dyn CustomOp1>, Tensor),
    Two(Box<dyn CustomOp2>, [Tensor; 2]),
}

/// The gradients of all tensors that nothing on the tape has computed: parameters and inputs.
#[derive(Debug, Default)]
pub struct Gradients(HashMap<TensorId, Tensor>);

impl Tape {
    /// Records.
    #[must_use]
    pub fn new() -> Self {
        Self(Some(RefCell::default()))
    }

    /// Only computes: for evaluation.
    #[must_use]
    pub fn off() -> Self {
        Self(None)
    }

    /// Whether gradients may be asked for.
    #[cfg(feature = "cuda")]
    pub(crate) fn records(&self) -> bool {
        self.0.is_some()
    }

    /// `a + b`.
    ///
    /// # Errors
    /// Shapes or dtypes that differ.
    pub fn add(&self, a: &Tensor, b: &Tensor) -> Result<Tensor> {
        let output = sum("add.forward", a, b)?;
        self.record_add(&output, [a, b]);
        Ok(output)
    }

    /// `output` is `a + b`, which a kernel has computed with something else.
    pub(crate) fn record_add(&self, output: &Tensor, [a, b]: [&Tensor; 2]) {
        self.record(output, || Operation::Add([a.clone(), b.clone()]));
    }

    pub(crate) fn one(&self, x: &Tensor, operation: impl CustomOp1 + 'static) -> Result<Tensor> {
        let output = x.apply_op1_no_bwd(&operation)?;
        self.record(&output, || Operation::One(Box::new(operation), x.clone()));
        Ok(output)
    }

    pub(crate) fn two(
        &self,
        [a, b]: [&Tensor; 2],
        operation: impl CustomOp2 + 'static,
    ) -> Result<Tensor> {
        let output = a.apply_op2_no_bwd(b, &operation)?;
        let arguments = || [a, b].map(Tensor::clone);
        self.record(&output, || Operation::Two(Box::new(operation), arguments()));
        Ok(output)
    }

    pub(crate) fn onto(
        &self,
        [a, b]: [&Tensor; 2],
        operation: impl Onto + 'static,
    ) -> Result<Tensor> {
        let output = a.apply_op2_no_bwd(b, &operation)?;
        self.record_onto(&output, [a, b], operation);
        Ok(output)
    }

    /// `output` is what `operation` makes of both, which a kernel has computed with something else.
    pub(crate) fn record_onto(
        &self,
        output: &Tensor,
        [a, b]: [&Tensor; 2],
        operation: impl Onto + 'static,
    ) {
        self.record(output, || {
            Operation::Onto(Box::new(operation), [a.clone(), b.clone()])
        });
    }

    /// Gradients of the sum of `output`'s elements.
    ///
    /// # Errors
    /// What an operation's backward reports.
    pub fn backward(self, output: &Tensor) -> Result<Gradients> {
        // Made on the CPU, because candle's own way loads a module on a GPU for it.
        let ones = Tensor::ones(output.shape(), output.dtype(), &Device::Cpu)?;
        let ones = ones.to_device(output.device())?;
        self.backward_from(output, ones)
    }

    /// Gradients of whatever has the gradient `grad` in `output`.
    ///
    /// # Errors
    /// As [`Tape::backward`].
    pub fn backward_from(self, output: &Tensor, grad: Tensor) -> Result<Gradients> {
        let nodes = self.0.map(RefCell::into_inner).unwrap_or_default();
        let mut gradients = Gradients::default();
        gradients.add(output, Some(grad))?;
        for Node { operation, output } in nodes.into_iter().rev() {
            // Nothing that was asked for depends on it.
            let Some(grad) = gradients.remove(&output) else {
                continue;
            };
            match operation {
                Operation::Add([a, b]) => {
                    gradients.add(&a, Some(grad.clone()))?;
                    gradients.add(&b, Some(grad))?;
                }
                Operation::Onto(operation, [a, b]) => {
                    let before = gradients.remove(&a);
                    let [grad_a, grad_b] =
                        operation.backward_onto([&a, &b], &grad, before.as_ref())?;
                    gradients.add(&a, Some(grad_a))?;
                    gradients.add(&b, Some(grad_b))?;
                }
                Operation::One(operation, x) => {
                    gradients.add(&x, operation.bwd(&x, &output, &grad)?)?;
                }
                Operation::Two(operation, [a, b]) => {
                    let (grad_a, grad_b) = operation.bwd(&a, &b, &output, &grad)?;
                    gradients.add(&a, grad_a)?;
                    gradients.add(&b, grad_b)?;
                }
            }
        }
        Ok(gradients)
    }

    fn record(&self, output: &Tensor, operation: impl FnOnce() -> Operation) {
        if let Some(nodes) = &self.0 {
            nodes.borrow_mut().push(Node {
                operation: operation(),
                output: output.clone(),
            });
        }
    }
}

impl Gradients {
    /// The gradient of a tensor, if anything depends on it.
    pub fn remove(&mut self, tensor: &Tensor) -> Option<Tensor> {
        self.0.remove(&tensor.id())
    }

    fn add(&mut self, tensor: &Tensor, grad: Option<Tensor>) -> Result<()> {
        let Some(grad) = grad else {
            return Ok(());
        };
        let sum = match self.0.remove(&tensor.id()) {
            None => grad,
            Some(before) => sum("add.backward", &before, &grad)?,
        };
        self.0.insert(tensor.id(), sum);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linear::linear;
    use crate::relu_squared::relu_squared;
    use candle_core::Device;

    fn tensor(values: &[f64]) -> Tensor {
        Tensor::from_slice(values, (1, values.len()), &Device::Cpu).unwrap()
    }

    fn numbers(tensor: Option<Tensor>) -> Option<Vec<f64>> {
        tensor.map(|t| t.flatten_all().unwrap().to_vec1().unwrap())
    }

    #[test]
    fn a_tensor_that_is_used_twice_gets_both_gradients() {
        let (tape, x) = (Tape::new(), tensor(&[3.0, -1.0]));
        let y = tape.add(&x, &relu_squared(&tape, &x).unwrap()).unwrap();
        let y = tape.add(&y, &x).unwrap();
        let mut gradients = tape.backward(&y).unwrap();
        assert_eq!(numbers(gradients.remove(&x)), Some(vec![8.0, 2.0]));
    }

    #[test]
    fn only_what_the_output_depends_on_gets_a_gradient() {
        let (tape, x, w) = (Tape::new(), tensor(&[2.0]), tensor(&[5.0]));
        let unused = linear(&tape, &x, &w).unwrap();
        let y = relu_squared(&tape, &x).unwrap();
        let mut gradients = tape.backward(&y).unwrap();
        assert_eq!(numbers(gradients.remove(&x)), Some(vec![4.0]));
        assert_eq!(numbers(gradients.remove(&w)), None);
        assert_eq!(numbers(gradients.remove(&unused)), None);
    }

    #[test]
    fn a_tape_that_is_off_computes_the_same() {
        let x = tensor(&[2.0, 0.5]);
        let [on, off] = [Tape::new(), Tape::off()].map(|tape| relu_squared(&tape, &x).unwrap());
        assert_eq!(numbers(Some(on)), numbers(Some(off)));
    }
}
