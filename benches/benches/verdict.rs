//! The verdict: a trial of 24 blocks of 9 pairs, judged block by block with its bounds.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use outpace_benches::numbers;
use outpace_stats::{Pair, Rule, judge};

const BLOCKS: usize = 24;
const PAIRS: usize = 9;

fn blocks() -> Vec<Vec<Pair>> {
    let noise = numbers(2 * BLOCKS * PAIRS);
    let pair = |p: &[f32]| {
        [
            0.02 * (1.0 + 0.02 * f64::from(p[0])),
            0.02 * (1.0 + 0.02 * f64::from(p[1])),
        ]
    };
    let pairs: Vec<Pair> = noise.chunks(2).map(pair).collect();
    pairs.chunks(PAIRS).map(<[Pair]>::to_vec).collect()
}

fn verdict(c: &mut Criterion) {
    let (blocks, rule) = (blocks(), Rule::default());
    let mut group = c.benchmark_group("verdict");
    group.throughput(Throughput::Elements(1));
    group.bench_function("24 blocks of 9 pairs", |b| {
        b.iter(|| judge(&blocks, &rule).expect("the samples are times"));
    });
    group.finish();
}

criterion_group!(benches, verdict);
criterion_main!(benches);
