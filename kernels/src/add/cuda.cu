// The sum of two tensors. A thread handles one pack of 16 bytes.
//
// Launch: ceil(packs / ADD_THREADS) blocks of ADD_THREADS. n is a multiple of a pack.
// 1 FLOP and 3 numbers of traffic an element. Bound by memory.
// Tolerance: 1e-5 in f32, 1e-2 in bf16 (one rounding). Its gradients are its outputs' gradient itself.

constexpr int ADD_THREADS = 256;

template <typename T> __device__ void add(const T *a, const T *b, T *y, u64 n) {
    u64 i = ((u64)blockIdx.x * blockDim.x + threadIdx.x) * Pack<T>::N;
    if (i >= n) return;
    Pack<T> left = load(a + i), right = load(b + i), out;
    for (int k = 0; k < Pack<T>::N; k++) out.v[k] = from_float<T>(to_float(left.v[k]) + to_float(right.v[k]));
    store(y + i, out);
}

#define PARAMETERS(T) (const T *a, const T *b, T *y, u64 n)
FOR_BOTH(add, PARAMETERS, (a, b, y, n))
#undef PARAMETERS
