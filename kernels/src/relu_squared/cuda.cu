// ReLU squared. A thread handles one pack of 16 bytes.
//
// Launch: ceil(packs / RELU_SQUARED_THREADS) blocks of RELU_SQUARED_THREADS. n is a multiple of a pack.
// Forward: 2 FLOP and 2 numbers of traffic an element; backward: 3 FLOP and 3 numbers. Bound by memory.
// Tolerance: 1e-5 in f32, 1e-2 in bf16 (one rounding); gradients 1e-4 and 2e-2.

constexpr int RELU_SQUARED_THREADS = 256;

// `max(x, 0)`, except that fmaxf would turn NaN into 0 and hide it.
__device__ inline float rectified(float x) { return x < 0.0f ? 0.0f : x; }

template <typename T> __device__ void relu_squared_forward(const T *x, T *y, u64 n) {
    u64 i = ((u64)blockIdx.x * blockDim.x + threadIdx.x) * Pack<T>::N;
    if (i >= n) return;
    Pack<T> in = load(x + i), out;
    for (int k = 0; k < Pack<T>::N; k++) {
        float positive = rectified(to_float(in.v[k]));
        out.v[k] = from_float<T>(positive * positive);
    }
    store(y + i, out);
}

template <typename T> __device__ void relu_squared_backward(const T *x, const T *grad, T *grad_x, u64 n) {
    u64 i = ((u64)blockIdx.x * blockDim.x + threadIdx.x) * Pack<T>::N;
    if (i >= n) return;
    Pack<T> in = load(x + i), slope = load(grad + i), out;
    for (int k = 0; k < Pack<T>::N; k++) out.v[k] = from_float<T>(2.0f * rectified(to_float(in.v[k])) * to_float(slope.v[k]));
    store(grad_x + i, out);
}

#define PARAMETERS(T) (const T *x, T *y, u64 n)
FOR_BOTH(relu_squared_forward, PARAMETERS, (x, y, n))
#undef PARAMETERS
#define PARAMETERS(T) (const T *x, const T *grad, T *grad_x, u64 n)
FOR_BOTH(relu_squared_backward, PARAMETERS, (x, grad, grad_x, n))
#undef PARAMETERS
