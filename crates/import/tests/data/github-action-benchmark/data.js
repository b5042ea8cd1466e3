window.BENCHMARK_DATA = {
  "lastUpdate": 1795814382256,
  "repoUrl": "https://github.com/example/sample",
  "entries": {
    "Rust": [
      {
        "commit": {
          "author": {
            "name": "Sample",
            "username": "example",
            "email": "sample@example.com"
          },
          "committer": {
            "name": "Sample",
            "username": "example",
            "email": "sample@example.com"
          },
          "distinct": true,
          "id": "20a92b92b111f0747bf8dceabded85e854c62fdf",
          "message": "Fibonacci and sorting",
          "timestamp": "2026-11-27T21:19:18Z",
          "tree_id": "01c43d2299e89bed7ee8eca321a65828eb370066",
          "url": "https://github.com/example/sample/commit/20a92b92b111f0747bf8dceabded85e854c62fdf"
        },
        "date": 1795814363602,
        "tool": "cargo",
        "benches": [
          {
            "name": "fibonacci 15",
            "value": 2951,
            "range": "± 381",
            "unit": "ns/iter"
          },
          {
            "name": "sort: strings/ascending/stable/100",
            "value": 6068,
            "range": "± 154",
            "unit": "ns/iter"
          },
          {
            "name": "sort: strings/ascending/stable/1000",
            "value": 57348,
            "range": "± 4615",
            "unit": "ns/iter"
          },
          {
            "name": "sort: strings/ascending/flat",
            "value": 87704,
            "range": "± 3545",
            "unit": "ns/iter"
          }
        ]
      },
      {
        "commit": {
          "author": {
            "name": "Sample",
            "username": "example",
            "email": "sample@example.com"
          },
          "committer": {
            "name": "Sample",
            "username": "example",
            "email": "sample@example.com"
          },
          "distinct": true,
          "id": "1d1057d2b41ba86d77b6657662021589f97052fc",
          "message": "Second upload\n\nThe same code, measured again.",
          "timestamp": "2026-11-27T21:19:25Z",
          "tree_id": "f42cf8a2d75ccca340a216da67117767bdc2cbe9",
          "url": "https://github.com/example/sample/commit/1d1057d2b41ba86d77b6657662021589f97052fc"
        },
        "date": 1795814371983,
        "tool": "cargo",
        "benches": [
          {
            "name": "fibonacci 15",
            "value": 2315,
            "range": "± 497",
            "unit": "ns/iter"
          },
          {
            "name": "sort: strings/ascending/stable/100",
            "value": 9872,
            "range": "± 2063",
            "unit": "ns/iter"
          },
          {
            "name": "sort: strings/ascending/stable/1000",
            "value": 116862,
            "range": "± 11032",
            "unit": "ns/iter"
          },
          {
            "name": "sort: strings/ascending/flat",
            "value": 150264,
            "range": "± 20931",
            "unit": "ns/iter"
          }
        ]
      },
      {
        "commit": {
          "author": {
            "name": "Sample",
            "username": "example",
            "email": "sample@example.com"
          },
          "committer": {
            "name": "Sample",
            "username": "example",
            "email": "sample@example.com"
          },
          "distinct": true,
          "id": "9c090fa6c4f2202759b1d7cfee378484947d8e4c",
          "message": "Third upload",
          "timestamp": "2026-11-27T21:19:33Z",
          "tree_id": "a2688ed9b886f822be676137f9eb71a98ebf8da1",
          "url": "https://github.com/example/sample/commit/9c090fa6c4f2202759b1d7cfee378484947d8e4c"
        },
        "date": 1795814380541,
        "tool": "cargo",
        "benches": [
          {
            "name": "fibonacci 15",
            "value": 3065,
            "range": "± 845",
            "unit": "ns/iter"
          },
          {
            "name": "sort: strings/ascending/stable/100",
            "value": 9820,
            "range": "± 1657",
            "unit": "ns/iter"
          },
          {
            "name": "sort: strings/ascending/stable/1000",
            "value": 112727,
            "range": "± 18858",
            "unit": "ns/iter"
          },
          {
            "name": "sort: strings/ascending/flat",
            "value": 158911,
            "range": "± 16221",
            "unit": "ns/iter"
          }
        ]
      }
    ],
    "Benchmark": [
      {
        "commit": {
          "author": {
            "name": "Sample",
            "username": "example",
            "email": "sample@example.com"
          },
          "committer": {
            "name": "Sample",
            "username": "example",
            "email": "sample@example.com"
          },
          "distinct": true,
          "id": "20a92b92b111f0747bf8dceabded85e854c62fdf",
          "message": "Fibonacci and sorting",
          "timestamp": "2026-11-27T21:19:18Z",
          "tree_id": "01c43d2299e89bed7ee8eca321a65828eb370066",
          "url": "https://github.com/example/sample/commit/20a92b92b111f0747bf8dceabded85e854c62fdf"
        },
        "date": 1795814364391,
        "tool": "googlecpp",
        "benches": [
          {
            "name": "sum/list",
            "value": 5621.486739689927,
            "unit": "ns/iter",
            "extra": "iterations: 4877\ncpu: 5612.178183309412 ns\nthreads: 1"
          },
          {
            "name": "sort/strings/64",
            "value": 1.2576721474216774,
            "unit": "us/iter",
            "extra": "iterations: 22337\ncpu: 1.2554068585754579 us\nthreads: 1"
          },
          {
            "name": "sort/strings/512",
            "value": 9.554292542232442,
            "unit": "us/iter",
            "extra": "iterations: 3016\ncpu: 9.17699270557029 us\nthreads: 1"
          },
          {
            "name": "refused",
            "value": 0,
            "unit": "ns/iter",
            "extra": "iterations: 0\ncpu: 0 ns\nthreads: 1"
          }
        ]
      },
      {
        "commit": {
          "author": {
            "name": "Sample",
            "username": "example",
            "email": "sample@example.com"
          },
          "committer": {
            "name": "Sample",
            "username": "example",
            "email": "sample@example.com"
          },
          "distinct": true,
          "id": "1d1057d2b41ba86d77b6657662021589f97052fc",
          "message": "Second upload\n\nThe same code, measured again.",
          "timestamp": "2026-11-27T21:19:25Z",
          "tree_id": "f42cf8a2d75ccca340a216da67117767bdc2cbe9",
          "url": "https://github.com/example/sample/commit/1d1057d2b41ba86d77b6657662021589f97052fc"
        },
        "date": 1795814372489,
        "tool": "googlecpp",
        "benches": [
          {
            "name": "sum/list",
            "value": 10721.520944075151,
            "unit": "ns/iter",
            "extra": "iterations: 2640\ncpu: 10369.789015151515 ns\nthreads: 1"
          },
          {
            "name": "sort/strings/64",
            "value": 2.5244520527696075,
            "unit": "us/iter",
            "extra": "iterations: 11198\ncpu: 2.4853423825683154 us\nthreads: 1"
          },
          {
            "name": "sort/strings/512",
            "value": 9.241196958369773,
            "unit": "us/iter",
            "extra": "iterations: 2671\ncpu: 9.163940846125048 us\nthreads: 1"
          },
          {
            "name": "refused",
            "value": 0,
            "unit": "ns/iter",
            "extra": "iterations: 0\ncpu: 0 ns\nthreads: 1"
          }
        ]
      },
      {
        "commit": {
          "author": {
            "name": "Sample",
            "username": "example",
            "email": "sample@example.com"
          },
          "committer": {
            "name": "Sample",
            "username": "example",
            "email": "sample@example.com"
          },
          "distinct": true,
          "id": "9c090fa6c4f2202759b1d7cfee378484947d8e4c",
          "message": "Third upload",
          "timestamp": "2026-11-27T21:19:33Z",
          "tree_id": "a2688ed9b886f822be676137f9eb71a98ebf8da1",
          "url": "https://github.com/example/sample/commit/9c090fa6c4f2202759b1d7cfee378484947d8e4c"
        },
        "date": 1795814381062,
        "tool": "googlecpp",
        "benches": [
          {
            "name": "sum/list",
            "value": 14275.547087661864,
            "unit": "ns/iter",
            "extra": "iterations: 2540\ncpu: 10929.86062992126 ns\nthreads: 1"
          },
          {
            "name": "sort/strings/64",
            "value": 2.6288871802646034,
            "unit": "us/iter",
            "extra": "iterations: 10170\ncpu: 2.5330645034414947 us\nthreads: 1"
          },
          {
            "name": "sort/strings/512",
            "value": 22.693058413922635,
            "unit": "us/iter",
            "extra": "iterations: 1564\ncpu: 17.209815217391302 us\nthreads: 1"
          },
          {
            "name": "refused",
            "value": 0,
            "unit": "ns/iter",
            "extra": "iterations: 0\ncpu: 0 ns\nthreads: 1"
          }
        ]
      }
    ],
    "Python": [
      {
        "commit": {
          "author": {
            "name": "Sample",
            "username": "example",
            "email": "sample@example.com"
          },
          "committer": {
            "name": "Sample",
            "username": "example",
            "email": "sample@example.com"
          },
          "distinct": true,
          "id": "20a92b92b111f0747bf8dceabded85e854c62fdf",
          "message": "Fibonacci and sorting",
          "timestamp": "2026-11-27T21:19:18Z",
          "tree_id": "01c43d2299e89bed7ee8eca321a65828eb370066",
          "url": "https://github.com/example/sample/commit/20a92b92b111f0747bf8dceabded85e854c62fdf"
        },
        "date": 1795814364820,
        "tool": "pytest",
        "benches": [
          {
            "name": "test_sample.py::test_fibonacci[5]",
            "value": 974508.4760417979,
            "unit": "iter/sec",
            "range": "stddev: 1.7062569160853605e-7",
            "extra": "mean: 1.026158339906639 usec\nrounds: 12"
          },
          {
            "name": "test_sample.py::test_fibonacci[10]",
            "value": 103652.8293433218,
            "unit": "iter/sec",
            "range": "stddev: 6.487783753341233e-7",
            "extra": "mean: 9.647590001501763 usec\nrounds: 12"
          },
          {
            "name": "test_sample.py::test_sorted",
            "value": 92533.90224828395,
            "unit": "iter/sec",
            "range": "stddev: 0.0000013119323343923995",
            "extra": "mean: 10.806849983661474 usec\nrounds: 12"
          }
        ]
      },
      {
        "commit": {
          "author": {
            "name": "Sample",
            "username": "example",
            "email": "sample@example.com"
          },
          "committer": {
            "name": "Sample",
            "username": "example",
            "email": "sample@example.com"
          },
          "distinct": true,
          "id": "1d1057d2b41ba86d77b6657662021589f97052fc",
          "message": "Second upload\n\nThe same code, measured again.",
          "timestamp": "2026-11-27T21:19:25Z",
          "tree_id": "f42cf8a2d75ccca340a216da67117767bdc2cbe9",
          "url": "https://github.com/example/sample/commit/1d1057d2b41ba86d77b6657662021589f97052fc"
        },
        "date": 1795814373060,
        "tool": "pytest",
        "benches": [
          {
            "name": "test_sample.py::test_fibonacci[5]",
            "value": 667845.0425017071,
            "unit": "iter/sec",
            "range": "stddev: 1.5412043470120182e-7",
            "extra": "mean: 1.4973533325246535 usec\nrounds: 12"
          },
          {
            "name": "test_sample.py::test_fibonacci[10]",
            "value": 64469.19134924454,
            "unit": "iter/sec",
            "range": "stddev: 7.182687103446338e-7",
            "extra": "mean: 15.511284988557843 usec\nrounds: 12"
          },
          {
            "name": "test_sample.py::test_sorted",
            "value": 56363.39167764389,
            "unit": "iter/sec",
            "range": "stddev: 8.938096951417548e-7",
            "extra": "mean: 17.74201250555052 usec\nrounds: 12"
          }
        ]
      },
      {
        "commit": {
          "author": {
            "name": "Sample",
            "username": "example",
            "email": "sample@example.com"
          },
          "committer": {
            "name": "Sample",
            "username": "example",
            "email": "sample@example.com"
          },
          "distinct": true,
          "id": "9c090fa6c4f2202759b1d7cfee378484947d8e4c",
          "message": "Third upload",
          "timestamp": "2026-11-27T21:19:33Z",
          "tree_id": "a2688ed9b886f822be676137f9eb71a98ebf8da1",
          "url": "https://github.com/example/sample/commit/9c090fa6c4f2202759b1d7cfee378484947d8e4c"
        },
        "date": 1795814381626,
        "tool": "pytest",
        "benches": [
          {
            "name": "test_sample.py::test_fibonacci[5]",
            "value": 730825.8695929395,
            "unit": "iter/sec",
            "range": "stddev: 4.945860595018891e-8",
            "extra": "mean: 1.3683150003392561 usec\nrounds: 12"
          },
          {
            "name": "test_sample.py::test_fibonacci[10]",
            "value": 67814.54854982339,
            "unit": "iter/sec",
            "range": "stddev: 3.2477930452294553e-7",
            "extra": "mean: 14.746098313480616 usec\nrounds: 12"
          },
          {
            "name": "test_sample.py::test_sorted",
            "value": 55944.668835291006,
            "unit": "iter/sec",
            "range": "stddev: 0.0000011727636579028603",
            "extra": "mean: 17.87480417381933 usec\nrounds: 12"
          }
        ]
      }
    ],
    "Memory": [
      {
        "commit": {
          "author": {
            "name": "Sample",
            "username": "example",
            "email": "sample@example.com"
          },
          "committer": {
            "name": "Sample",
            "username": "example",
            "email": "sample@example.com"
          },
          "distinct": true,
          "id": "20a92b92b111f0747bf8dceabded85e854c62fdf",
          "message": "Fibonacci and sorting",
          "timestamp": "2026-11-27T21:19:18Z",
          "tree_id": "01c43d2299e89bed7ee8eca321a65828eb370066",
          "url": "https://github.com/example/sample/commit/20a92b92b111f0747bf8dceabded85e854c62fdf"
        },
        "date": 1795814365305,
        "tool": "customSmallerIsBetter",
        "benches": [
          {
            "name": "sort -R: peak memory",
            "value": 15660,
            "unit": "KiB"
          }
        ]
      },
      {
        "commit": {
          "author": {
            "name": "Sample",
            "username": "example",
            "email": "sample@example.com"
          },
          "committer": {
            "name": "Sample",
            "username": "example",
            "email": "sample@example.com"
          },
          "distinct": true,
          "id": "1d1057d2b41ba86d77b6657662021589f97052fc",
          "message": "Second upload\n\nThe same code, measured again.",
          "timestamp": "2026-11-27T21:19:25Z",
          "tree_id": "f42cf8a2d75ccca340a216da67117767bdc2cbe9",
          "url": "https://github.com/example/sample/commit/1d1057d2b41ba86d77b6657662021589f97052fc"
        },
        "date": 1795814373655,
        "tool": "customSmallerIsBetter",
        "benches": [
          {
            "name": "sort -R: peak memory",
            "value": 17184,
            "unit": "KiB"
          }
        ]
      },
      {
        "commit": {
          "author": {
            "name": "Sample",
            "username": "example",
            "email": "sample@example.com"
          },
          "committer": {
            "name": "Sample",
            "username": "example",
            "email": "sample@example.com"
          },
          "distinct": true,
          "id": "9c090fa6c4f2202759b1d7cfee378484947d8e4c",
          "message": "Third upload",
          "timestamp": "2026-11-27T21:19:33Z",
          "tree_id": "a2688ed9b886f822be676137f9eb71a98ebf8da1",
          "url": "https://github.com/example/sample/commit/9c090fa6c4f2202759b1d7cfee378484947d8e4c"
        },
        "date": 1795814382207,
        "tool": "customSmallerIsBetter",
        "benches": [
          {
            "name": "sort -R: peak memory",
            "value": 19000,
            "unit": "KiB"
          }
        ]
      }
    ]
  }
}