//! The CUDA kernels without a GPU: compiled for a CPU by the system's C++ compiler, run thread by
//! thread (`src/cuda/emulated.h`), and held against the CPU kernels in f64 (of the optimiser in
//! f32), forward and backward, in f32 and bf16.

#![expect(clippy::unwrap_used, reason = "in a test a panic is the message")]

use candle_core::{DType, Device, Tensor};
use outpace_kernels::adamw::{self, Moments, Rule};
use outpace_kernels::add;
use outpace_kernels::attention::cuda::{Pass, Plan, Version};
use outpace_kernels::attention::{self, attention};
use outpace_kernels::cross_entropy::{self, cross_entropy};
use outpace_kernels::cuda::Launch;
use outpace_kernels::cuda::settings::Settings;
use outpace_kernels::embedding::{self, embedding};
use outpace_kernels::relu_squared::{self, relu_squared};
use outpace_kernels::rms_norm::{self, add_rms_norm, rms_norm};
use outpace_kernels::rotary::{Shape, Table};
use outpace_kernels::tape::Tape;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

/// None where there is no C++ compiler.
static PROGRAM: LazyLock<Option<PathBuf>> = LazyLock::new(|| {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("emulated");
    let compiler = std::env::var("CXX").unwrap_or_else(|_| "c++".to_owned());
    let compiled = Command::new(&compiler)
        .args([
            "-std=c++20",
            "-O1",
            "-Wall",
            "-Wno-unknown-pragmas",
            "-Werror",
            // A load of 16 bytes has to begin at a multiple of 16.
            "-fsanitize=alignment",
            "-fsanitize-undefined-trap-on-error",
            "-I",
        ])
        .arg(root.join("src/cuda"))
        .arg("-o")
        .args([&program, &root.join("tests/emulated.cpp")])
        .status();
    match compiled {
        Ok(status) => {
            assert!(status.success(), "the kernels do not compile as C++");
            Some(program)
        }
        Err(error) => {
            let skipped = format!(
                "SKIPPED: the CUDA kernels are not checked, because `{compiler}` does not start: {error}. \
                 Install a C++ compiler (Debian: apt-get install g++) or name one in CXX."
            );
            assert!(std::env::var_os("CI").is_none(), "{skipped}");
            // Not `eprintln!`, which is not shown for a test that passes.
            let _ = std::io::stderr().write_all(format!("{skipped}\n").as_bytes());
            None
        }
    }
});

/// A number type of the kernels, with how far a forward and a gradient may be off, relative to the
/// largest number of their array.
struct Type {
    name: &'static str,
    dtype: DType,
    forward: f64,
    gradient: f64,
}

const F32: Type = Type {
    name: "f32",
    dtype: DType::F32,
    forward: 1e-5,
    gradient: 1e-4,
};
/// A number is rounded to 8 bits, half a unit is 2^-9: once in each result, once more in what a
/// second product reads.
const BF16: Type = Type {
    name: "bf16",
    dtype: DType::BF16,
    forward: 1e-2,
    gradient: 2e-2,
};

/// What the kernels make of `inputs`, cut into arrays of the expected sizes.
fn emulate(
    name: &str,
    of: &Type,
    sizes: &[usize],
    launches: &[Launch],
    inputs: &[&[f64]],
    expected: &[(&Tensor, f64)],
) {
    let Some(program) = &*PROGRAM else {
        return;
    };
    let mut child = Command::new(program)
        .args([name, of.name])
        .args(sizes.iter().map(usize::to_string))
        .arg("launches")
        .args(launches.iter().flat_map(|launch| {
            let [x, y, z] = launch.blocks;
            [x, y, z, launch.threads, launch.shared].map(|n| n.to_string())
        }))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let numbers = inputs.iter().copied().flatten();
    let bytes: Vec<u8> = numbers.flat_map(|&v| (v as f32).to_le_bytes()).collect();
    child.stdin.take().unwrap().write_all(&bytes).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "{name} {sizes:?}: {}",
        output.status
    );
    let (numbers, rest) = output.stdout.as_chunks::<4>();
    assert!(rest.is_empty());
    let mut actual = numbers.iter().map(|&b| f64::from(f32::from_le_bytes(b)));
    for (index, (expected, tolerance)) in expected.iter().enumerate() {
        let expected = flat(expected);
        let allowed = tolerance * expected.iter().fold(0.0, |most: f64, e| most.max(e.abs()));
        for (i, e) in expected.into_iter().enumerate() {
            let a = actual.next().unwrap();
            let close = (a - e).abs() <= allowed;
            let kind = of.name;
            assert!(
                close,
                "{name} {kind} {sizes:?}, array {index}, number {i}: {a} instead of {e}"
            );
        }
    }
    assert_eq!(actual.next(), None, "{name}: more numbers than expected");
}

/// Numbers in (-1, 1) that a bf16 holds exactly, so that the references see what the kernels see.
fn numbers(n: usize, seed: u64) -> Vec<f64> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) + 1;
    let mut next = || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((state >> 33) % 255) as f64 / 128.0 - 127.0 / 128.0
    };
    (0..n).map(|_| next()).collect()
}

fn tensor(values: &[f64], dims: &[usize]) -> Tensor {
    Tensor::from_slice(values, dims, &Device::Cpu).unwrap()
}

fn flat(tensor: &Tensor) -> Vec<f64> {
    let tensor = tensor.to_dtype(DType::F64).unwrap();
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

/// The gradients of `inputs` for the gradient `slope` of `y`.
fn gradients<const N: usize>(
    tape: Tape,
    y: &Tensor,
    slope: Tensor,
    inputs: [&Tensor; N],
) -> [Tensor; N] {
    let mut gradients = tape.backward_from(y, slope).unwrap();
    inputs.map(|input| gradients.remove(input).unwrap())
}

/// What the host reads from an operation's sources.
fn settings(operation: &'static str) -> Settings {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src")
        .join(operation);
    let text = std::fs::read_to_string(folder.join("cuda.cu")).unwrap();
    let hopper = std::fs::read_to_string(folder.join("hopper.cu")).unwrap_or_default();
    Settings::of(operation, &(text + &hopper))
}

#[test]
fn add_agrees() {
    for n in [8, 1000, 4096] {
        let (a, b) = (numbers(n, 1), numbers(n, 2));
        let y = (tensor(&a, &[n]) + tensor(&b, &[n])).unwrap();
        for of in [F32, BF16] {
            let launch = add::cuda::launch(&settings("add"), n, of.dtype).unwrap();
            emulate("add", &of, &[n], &[launch], &[&a, &b], &[(&y, of.forward)]);
        }
    }
}

#[test]
fn relu_squared_agrees() {
    for n in [8, 1000, 4096] {
        let (x, slope) = (numbers(n, 1), numbers(n, 2));
        let (tape, input) = (Tape::new(), tensor(&x, &[n]));
        let y = relu_squared(&tape, &input).unwrap();
        let [grad] = gradients(tape, &y, tensor(&slope, &[n]), [&input]);
        for of in [F32, BF16] {
            let launch =
                relu_squared::cuda::launch(&settings("relu_squared"), n, of.dtype).unwrap();
            emulate(
                "relu_squared",
                &of,
                &[n],
                &[launch; 2],
                &[&x, &slope],
                &[(&y, of.forward), (&grad, of.gradient)],
            );
        }
    }
}

#[test]
fn rms_norm_agrees() {
    for (rows, width) in [(1, 8), (5, 64), (133, 264), (9, 2056), (35, 3600)] {
        let (x, weight) = (numbers(rows * width, 3), numbers(width, 4));
        let (slope, before) = (numbers(rows * width, 5), numbers(rows * width, 6));
        let (input, w) = (tensor(&x, &[rows, width]), tensor(&weight, &[width]));
        let tape = Tape::new();
        let other = tensor(&before, &[rows, width]);
        let [sum, added] = add_rms_norm(&Tape::off(), [&input, &other], &w, 1e-5).unwrap();
        let y = rms_norm(&tape, &input, &w, 1e-5).unwrap();
        let slopes = tensor(&slope, &[rows, width]);
        let [grad_x, grad_weight] = gradients(tape, &y, slopes, [&input, &w]);
        for of in [F32, BF16] {
            let set = settings("rms_norm");
            let launch = rms_norm::cuda::rows(&set, rows, width, of.dtype).unwrap();
            let backward = rms_norm::cuda::bands(&set, rows, width, of.dtype).unwrap();
            let kernel = rms_norm::cuda::backward_kernel(&set, &backward).unwrap();
            let is_long = usize::from(kernel == "rms_norm_backward_long");
            let launches = [
                launch,
                launch,
                backward,
                rms_norm::cuda::weight_sum(&set, width).unwrap(),
            ];
            let band = set.get("RMS_NORM_BAND").unwrap();
            let together = (&grad_x + &other).unwrap();
            for (onto, grad_x) in [(0, &grad_x), (1, &together)] {
                emulate(
                    "rms_norm",
                    &of,
                    &[rows, width, band, onto, is_long],
                    &launches,
                    &[&x, &weight, &slope, &before],
                    &[
                        (&y, of.forward),
                        (&sum, of.forward),
                        (&added, of.forward),
                        (grad_x, of.gradient),
                        (&grad_weight, of.gradient),
                    ],
                );
            }
        }
    }
}

#[test]
fn rows_that_are_too_long_for_gradients_are_named() {
    let set = settings("rms_norm");
    let bands = |width, dtype| rms_norm::cuda::bands(&set, 1, width, dtype);
    for (most, of) in [(8192, BF16), (4096, F32)] {
        assert_eq!(bands(most, of.dtype).unwrap().threads, 1024);
        let message = bands(most + 8, of.dtype).unwrap_err().to_string();
        assert!(message.contains(&format!("up to {most}")), "{message}");
    }
}

#[test]
fn cross_entropy_agrees() {
    // The last has rows that shared memory does not hold.
    for (rows, columns, most_shared) in [
        (1, 8, 99 << 10),
        (7, 256, 99 << 10),
        (3, 5000, 99 << 10),
        (3, 5000, 9 << 10),
    ] {
        let logits: Vec<f64> = numbers(rows * columns, 6).iter().map(|v| 8.0 * v).collect();
        let targets: Vec<u32> = (0..rows)
            .map(|row| ((row * 2337) % columns) as u32)
            .collect();
        let input = tensor(&logits, &[rows, columns]);
        let ids = Tensor::new(targets.as_slice(), &Device::Cpu).unwrap();
        let losses = cross_entropy::row_losses(&input, &targets).unwrap();
        let losses = tensor(&losses, &[rows]);
        for slope in [1.0, 3.0 * rows as f64] {
            let tape = Tape::new();
            let loss = cross_entropy(&tape, &input, &ids).unwrap();
            let slopes = Tensor::new(slope, &Device::Cpu).unwrap();
            let [grad] = gradients(tape, &loss, slopes, [&input]);
            let targets: Vec<f64> = targets.iter().copied().map(f64::from).collect();
            for of in [F32, BF16] {
                let set = settings("cross_entropy");
                let (both, keep) =
                    cross_entropy::cuda::gradients(&set, rows, columns, of.dtype, most_shared)
                        .unwrap();
                let launches = [
                    cross_entropy::cuda::losses(&set, rows, columns, of.dtype).unwrap(),
                    both,
                    cross_entropy::cuda::mean(&set).unwrap(),
                    cross_entropy::cuda::scale(&set, rows * columns, of.dtype).unwrap(),
                ];
                emulate(
                    "cross_entropy",
                    &of,
                    &[rows, columns, keep],
                    &launches,
                    &[&logits, &targets, &[slope]],
                    &[
                        (&losses, of.forward),
                        (&loss, of.forward),
                        (&grad, of.gradient),
                    ],
                );
            }
        }
    }
}

#[test]
fn embedding_agrees() {
    for (symbols, width, tokens) in [
        (3, 8, 1),
        (5, 64, 40),
        (2, 272, 1100),
        (3, 8, 5000),
        (3, 2056, 2100),
        (4, 8, 7779),
    ] {
        let (table, slope) = (numbers(symbols * width, 7), numbers(tokens * width, 8));
        // The last row is used by nobody: its gradient is zero. One of three symbols comes late,
        // and after a long pause once more.
        let ids: Vec<u32> = (0..tokens)
            .map(|i| match (symbols, i) {
                (4, 2051 | 7777) => 2,
                (4, _) => u32::from(i % 3 == 0),
                _ => (i * i % (symbols - 1)) as u32,
            })
            .collect();
        let (tape, input) = (Tape::new(), tensor(&table, &[symbols, width]));
        let y = embedding(
            &tape,
            &input,
            &Tensor::new(ids.as_slice(), &Device::Cpu).unwrap(),
        )
        .unwrap();
        let [grad] = gradients(tape, &y, tensor(&slope, &[tokens, width]), [&input]);
        let ids: Vec<f64> = ids.into_iter().map(f64::from).collect();
        for of in [F32, BF16] {
            let set = settings("embedding");
            let sizes = [symbols, width, tokens];
            let launches = [
                embedding::cuda::gather(&set, tokens, width, of.dtype).unwrap(),
                embedding::cuda::index(&set, tokens).unwrap(),
                embedding::cuda::scatter(&set, tokens, width, of.dtype).unwrap(),
            ];
            emulate(
                "embedding",
                &of,
                &sizes,
                &launches,
                &[&table, &slope, &ids],
                &[(&y, of.forward), (&grad, of.gradient)],
            );
        }
    }
}

#[test]
fn adamw_agrees() {
    let (n, rule) = (
        2333,
        Rule {
            learning_rate: 1e-2,
            beta1: 0.9,
            beta2: 0.95,
            epsilon: 1e-8,
            weight_decay: 0.1,
            step: 3,
        },
    );
    let (parameter, grad) = (numbers(n, 9), numbers(n, 10));
    let (m, v): (Vec<f64>, Vec<f64>) = grad.iter().map(|g| (0.3 * g, 0.2 * g * g)).unzip();
    let single = |values: &[f64]| -> Vec<f32> { values.iter().map(|&v| v as f32).collect() };
    let updated = Tensor::from_vec(single(&parameter), n, &Device::Cpu).unwrap();
    let mut moments = Moments::zeros(n);
    (moments.m, moments.v) = (single(&m), single(&v));
    let slope = Tensor::from_vec(single(&grad), n, &Device::Cpu).unwrap();
    adamw::update(&updated, &slope, &mut moments, rule).unwrap();
    let [new_m, new_v] =
        [moments.m, moments.v].map(|values| Tensor::from_vec(values, n, &Device::Cpu).unwrap());
    let correction = |beta: f64| 1.0 - beta.powi(3);
    let constants = [
        rule.beta1,
        1.0 - rule.beta1,
        rule.beta2,
        1.0 - rule.beta2,
        1.0 - rule.learning_rate * rule.weight_decay,
        rule.learning_rate / correction(rule.beta1),
        1.0 / correction(rule.beta2),
        rule.epsilon,
    ];
    for of in [F32, BF16] {
        let inputs: [&[f64]; 5] = [&parameter, &m, &v, &grad, &constants];
        let set = settings("adamw");
        let parts = [104, 2000, n - 2104];
        let blocks = parts.map(|n| adamw::cuda::blocks(&set, n).unwrap());
        let launch = adamw::cuda::launch(&set, blocks.iter().sum()).unwrap();
        // Master and moments are in f32 whatever trains.
        let masters = [&updated, &new_m, &new_v].map(|tensor| (tensor, F32.forward));
        let expected = [masters.as_slice(), &[(&updated, of.forward)]].concat();
        emulate(
            "adamw",
            &of,
            &[parts, blocks].concat(),
            &[launch],
            &inputs,
            &expected,
        );
    }
}

const ATTENTION_BF16: Type = Type {
    name: "bf16",
    dtype: DType::BF16,
    forward: 2e-2,
    gradient: 5e-2,
};

fn check_attention(version: Version, of: &Type, [batch, sequence, heads, head_dim]: [usize; 4]) {
    let shape = Shape {
        sequence,
        heads,
        head_dim,
    };
    let (rows, width) = (batch * sequence, heads * head_dim);
    let qkv: Vec<f64> = numbers(rows * 3 * width, 11)
        .iter()
        .map(|v| 2.0 * v)
        .collect();
    let slope = numbers(rows * width, 12);
    let table = Table::new(shape, 10_000.0, DType::F64).unwrap();
    let (tape, input) = (Tape::new(), tensor(&qkv, &[rows, 3 * width]));
    let y = attention(&tape, &input, &table).unwrap();
    let [grad] = gradients(tape, &y, tensor(&slope, &[rows, width]), [&input]);
    let (cos, sin): (Vec<f64>, Vec<f64>) = (0..sequence * head_dim / 2)
        .map(|i| {
            let (position, pair) = (i / (head_dim / 2), i % (head_dim / 2));
            let angle = position as f64 * 10_000f64.powf(-2.0 * pair as f64 / head_dim as f64);
            (angle.cos(), angle.sin())
        })
        .unzip();
    let set = settings("attention");
    let plan = Plan {
        settings: &set,
        version,
        shape,
        batch,
        dtype: of.dtype,
    };
    let packs = attention::cuda::packs(&set, rows * width, of.dtype).unwrap();
    let [forward, keys, queries] =
        [Pass::Forward, Pass::Keys, Pass::Queries].map(|pass| plan.launch(pass).unwrap());
    let slopes = plan.slopes().unwrap();
    let hopper = usize::from(version == Version::Hopper);
    emulate(
        "attention",
        of,
        &[batch, sequence, heads, head_dim, slopes, hopper],
        &[packs, forward, packs, keys, queries],
        &[&qkv, &slope, &cos, &sin],
        &[(&y, of.forward), (&grad, of.gradient)],
    );
}

#[test]
fn attention_agrees() {
    for size in [
        [1, 1, 1, 16],
        [2, 33, 2, 16],
        [1, 70, 1, 32],
        [1, 129, 2, 64],
    ] {
        for of in [F32, ATTENTION_BF16] {
            check_attention(Version::Plain, &of, size);
        }
    }
}

#[test]
fn attention_on_hopper_agrees() {
    for size in [
        [1, 1, 1, 64],
        [2, 64, 1, 64],
        [1, 129, 2, 64],
        [1, 330, 1, 64],
    ] {
        check_attention(Version::Hopper, &ATTENTION_BF16, size);
    }
}

#[test]
fn hoppers_attention_is_for_hopper_alone() {
    let on = Settings::of("attention", "constexpr int ATTENTION_HOPPER = 1;");
    let off = Settings::of("attention", "constexpr int ATTENTION_HOPPER = 0;");
    let version = |settings, head_dim, dtype, capability| {
        let shape = Shape {
            sequence: 8,
            heads: 1,
            head_dim,
        };
        Version::of(settings, &shape, dtype, capability)
    };
    assert_eq!(version(&on, 64, DType::BF16, (9, 0)), Version::Hopper);
    for (settings, head_dim, dtype, capability) in [
        (&off, 64, DType::BF16, (9, 0)),
        (&on, 32, DType::BF16, (9, 0)),
        (&on, 64, DType::F32, (9, 0)),
        (&on, 64, DType::BF16, (10, 0)),
    ] {
        assert_eq!(
            version(settings, head_dim, dtype, capability),
            Version::Plain
        );
    }
}
