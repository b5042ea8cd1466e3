//! Every operation is checked the same way: its forward against the f64 reference, its backward
//! against finite differences of that reference, in f64 and f32, at 1 and 3 threads, twice with
//! equal bits.

use crate::Real;
use crate::tape::Tape;
use candle_core::{DType, Device, Result, Tensor};

/// Central differences err by step^2 (third derivative) and by rounding / step: 1e-5 balances both
/// near 1e-10 in f64.
const STEP: f64 = 1e-5;
const FORWARD_TOLERANCE_F64: f64 = 1e-12;
const FORWARD_TOLERANCE_F32: f64 = 1e-5;
const GRADIENT_TOLERANCE_F64: f64 = 1e-6;
const GRADIENT_TOLERANCE_F32: f64 = 1e-3;

/// A differentiable argument of an operation.
pub(crate) struct Input {
    pub(crate) shape: Vec<usize>,
    pub(crate) data: Vec<f64>,
}

pub(crate) fn input(shape: &[usize], data: Vec<f64>) -> Input {
    assert_eq!(shape.iter().product::<usize>(), data.len());
    Input {
        shape: shape.to_vec(),
        data,
    }
}

/// Numbers in (-1, 1) that are the same everywhere (splitmix64).
pub(crate) fn uniform(n: usize, seed: u64) -> Vec<f64> {
    (0..n as u64)
        .map(|i| {
            let mut z = (seed + 1)
                .wrapping_mul(0x9e37_79b9_7f4a_7c15)
                .wrapping_add(i.wrapping_mul(0xd1b5_4a32_d192_ed03));
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 52) as f64 - 1.0
        })
        .collect()
}

/// Fails unless `actual` is within `tolerance`, absolute below 1 and relative above. NaN fails.
#[track_caller]
pub(crate) fn assert_close(what: &str, actual: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(actual.len(), expected.len(), "{what}: length");
    for (i, (a, e)) in actual.iter().zip(expected).enumerate() {
        let difference = (a - e).abs() / e.abs().max(1.0);
        // Written so that a NaN fails.
        #[expect(clippy::neg_cmp_op_on_partial_ord, reason = "NaN must fail")]
        let wrong = !(difference <= tolerance);
        assert!(
            !wrong,
            "{what}[{i}]: {a} instead of {e}, off by {difference:e}"
        );
    }
}

/// The whole check of one operation at one shape.
#[track_caller]
pub(crate) fn check(
    inputs: &[Input],
    operation: impl Fn(&Tape, &[Tensor]) -> Result<Tensor> + Sync,
    reference: impl Fn(&[Vec<f64>]) -> Vec<f64>,
) {
    let values: Vec<Vec<f64>> = inputs.iter().map(|i| i.data.clone()).collect();
    let expected = reference(&values);
    let weights = uniform(expected.len(), 77);
    let gradients = finite_differences(&values, &weights, &reference);
    let tolerances = [
        (DType::F64, FORWARD_TOLERANCE_F64, GRADIENT_TOLERANCE_F64),
        (DType::F32, FORWARD_TOLERANCE_F32, GRADIENT_TOLERANCE_F32),
    ];
    for (dtype, forward, gradient) in tolerances {
        let one = with_threads(1, || evaluate(inputs, &weights, dtype, &operation));
        let three = with_threads(3, || evaluate(inputs, &weights, dtype, &operation));
        assert_eq!(
            bits(&one),
            bits(&three),
            "{dtype:?}: threads change the result"
        );
        assert_close(&format!("{dtype:?} forward"), &one[0], &expected, forward);
        for (i, (actual, expected)) in one[1..].iter().zip(&gradients).enumerate() {
            assert_close(
                &format!("{dtype:?} gradient of input {i}"),
                actual,
                expected,
                gradient,
            );
        }
    }
}

/// The output, then the gradient of `sum(weights * output)` for each input.
fn evaluate(
    inputs: &[Input],
    weights: &[f64],
    dtype: DType,
    operation: &(impl Fn(&Tape, &[Tensor]) -> Result<Tensor> + Sync),
) -> Vec<Vec<f64>> {
    let tensors: Vec<Tensor> = inputs
        .iter()
        .map(|i| {
            let tensor = Tensor::from_slice(&i.data, i.shape.clone(), &Device::Cpu).unwrap();
            tensor.to_dtype(dtype).unwrap()
        })
        .collect();
    let tape = Tape::new();
    let output = operation(&tape, &tensors).unwrap();
    let weights = Tensor::from_slice(weights, output.shape(), &Device::Cpu).unwrap();
    let weights = weights.to_dtype(output.dtype()).unwrap();
    let mut grads = tape.backward_from(&output, weights).unwrap();
    let mut gradient =
        |t: &Tensor| flat(&grads.remove(t).expect("the gradient reaches every input"));
    std::iter::once(flat(&output))
        .chain(tensors.iter().map(&mut gradient))
        .collect()
}

fn finite_differences(
    values: &[Vec<f64>],
    weights: &[f64],
    reference: impl Fn(&[Vec<f64>]) -> Vec<f64>,
) -> Vec<Vec<f64>> {
    let loss = |at: &[Vec<f64>]| -> f64 {
        let output = reference(at);
        output.iter().zip(weights).map(|(o, w)| o * w).sum()
    };
    let mut at = values.to_vec();
    let mut gradients: Vec<Vec<f64>> = values.iter().map(|v| vec![0.0; v.len()]).collect();
    for i in 0..values.len() {
        for j in 0..values[i].len() {
            at[i][j] = values[i][j] + STEP;
            let above = loss(&at);
            at[i][j] = values[i][j] - STEP;
            let below = loss(&at);
            at[i][j] = values[i][j];
            gradients[i][j] = (above - below) / (2.0 * STEP);
        }
    }
    gradients
}

pub(crate) fn with_threads<R: Send>(threads: usize, work: impl FnOnce() -> R + Send) -> R {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
    pool.build().unwrap().install(work)
}

pub(crate) fn flat(tensor: &Tensor) -> Vec<f64> {
    let tensor = tensor.to_dtype(DType::F64).unwrap();
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

pub(crate) fn real<T: Real>(values: &[f64]) -> Vec<T> {
    values.iter().map(|&v| T::from_f64(v)).collect()
}

fn bits(values: &[Vec<f64>]) -> Vec<Vec<u64>> {
    values
        .iter()
        .map(|v| v.iter().map(|x| x.to_bits()).collect())
        .collect()
}
