//! Times every case. Operations are held against what the machine can do: the first line says how
//! much that is.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use outpace_benches::{Size, cases};
use outpace_gpt::peaks;

fn all(c: &mut Criterion) {
    let peaks = peaks::of_cpu();
    println!(
        "peaks: {:.1} GFLOP/s (large matrix product), {:.1} GB/s (copy, read and written)",
        peaks.matmul_flops_per_s / 1e9,
        peaks.copy_bytes_per_s / 1e9
    );
    for mut case in cases(Size::Full).expect("the sizes fit") {
        let limit_s = peaks.limit_s(case.flops, case.bytes);
        if limit_s > 0.0 {
            println!(
                "{}: {:.1} MFLOP, {:.2} MB, not before {:.1} us",
                case.name,
                case.flops / 1e6,
                case.bytes / 1e6,
                limit_s * 1e6
            );
        }
        let mut group = c.benchmark_group(&case.name);
        // criterion's elements are floating-point operations here: Gelem/s reads as GFLOP/s.
        match (case.flops as u64, case.bytes as u64) {
            (0, 0) => {}
            (0, bytes) => drop(group.throughput(Throughput::Bytes(bytes))),
            (elements, 0) => drop(group.throughput(Throughput::Elements(elements))),
            (elements, bytes) => {
                group.throughput(Throughput::ElementsAndBytes { elements, bytes });
            }
        }
        group.bench_function("once", |b| {
            b.iter(|| (case.run)().expect("it ran before"));
        });
        group.finish();
    }
}

criterion_group!(benches, all);
criterion_main!(benches);
