//! The kernels at the size of gpt-nano: forward, and forward with backward. Throughput in rows of the operation.

use std::hint::black_box;

use candle_core::{Device, Tensor, Var};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use outpace_benches::numbers;
use outpace_kernels::{attention, cross_entropy, relu_squared, rms_norm};

const BATCH: usize = 8;
const SEQUENCE: usize = 128;
const ROWS: usize = BATCH * SEQUENCE;
const WIDTH: usize = 64;
const HEADS: usize = 4;
const SYMBOLS: usize = 256;

fn variable(shape: (usize, usize)) -> Var {
    Var::from_vec(numbers(shape.0 * shape.1), shape, &Device::Cpu)
        .expect("the numbers fill the shape")
}

fn bench(c: &mut Criterion, name: &str, input: &Var, operation: &dyn Fn(&Tensor) -> Tensor) {
    let mut group = c.benchmark_group(name);
    group.throughput(Throughput::Elements(ROWS as u64));
    group.bench_function("forward", |b| b.iter(|| black_box(operation(input))));
    group.bench_function("forward and backward", |b| {
        b.iter(|| {
            let sum = operation(input).sum_all().expect("a tensor has a sum");
            black_box(sum.backward().expect("every operation has a backward"))
        });
    });
    group.finish();
}

fn kernels(c: &mut Criterion) {
    let weight = Tensor::ones(WIDTH, candle_core::DType::F32, &Device::Cpu).expect("ones");
    bench(c, "rms_norm", &variable((ROWS, WIDTH)), &|x| {
        rms_norm::rms_norm(x, &weight, 1e-6).expect("shapes fit")
    });
    bench(c, "relu_squared", &variable((ROWS, 4 * WIDTH)), &|x| {
        relu_squared::relu_squared(x).expect("shapes fit")
    });
    let shape = attention::Shape {
        sequence: SEQUENCE,
        heads: HEADS,
        head_dim: WIDTH / HEADS,
    };
    bench(c, "attention", &variable((ROWS, 3 * WIDTH)), &|x| {
        attention::attention(x, shape).expect("shapes fit")
    });
    let targets: Vec<u32> = (0..ROWS as u32).map(|n| n * 7 % SYMBOLS as u32).collect();
    let targets = Tensor::from_vec(targets, ROWS, &Device::Cpu).expect("one target a row");
    bench(c, "cross_entropy", &variable((ROWS, SYMBOLS)), &|x| {
        cross_entropy::cross_entropy(x, &targets).expect("shapes fit")
    });
}

criterion_group!(benches, kernels);
criterion_main!(benches);
