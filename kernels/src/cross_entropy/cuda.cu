// Cross-entropy, a block a row. Where a gradient will be wanted, it is written with the loss, for a mean whose gradient is 1: the row is in
// shared memory by then, and is read from memory once. The exponentials are computed a second time rather than kept in f32.
//
// Launch: rows blocks, `mean` one, of CROSS_ENTROPY_WARPS x 32 threads; `scale` up to CROSS_ENTROPY_SCALE_BLOCKS of as many. columns is a
// multiple of a pack.
// Losses: 4 FLOP and 1 number of traffic an element; with gradients 9 and 2. Bound by memory. A row beyond `kept` columns is read twice.
// Tolerance: 1e-5 in f32, 1e-2 in bf16; gradients 1e-4 and 2e-2.

constexpr int CROSS_ENTROPY_WARPS = 16;
// Bytes of a row that are kept in shared memory. Two blocks of a multiprocessor with 228 KiB have room for so many.
constexpr int CROSS_ENTROPY_KEPT = 114688;
constexpr int CROSS_ENTROPY_SCALE_BLOCKS = 512;

// What the exponents of a sum are taken from: its largest, or anything else where there is nothing but exp(-infinity) yet.
__device__ inline float base_of(float largest) { return largest == -INFINITY ? 0.0f : largest; }

// ln of the sum of a row's exponentials, the same in every thread. Leaves the row's first `keep` numbers in shared memory, each where the
// thread that has read it will look for it.
template <typename T> __device__ float row_log_sum(const T *row, int columns, T *kept, int keep) {
    __shared__ float2 parts[MOST_THREADS / WARP];
    int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP, warps = blockDim.x / WARP;
    float largest = -INFINITY, sum = 0.0f;
#pragma unroll 4
    for (int i = threadIdx.x * Pack<T>::N; i < columns; i += blockDim.x * Pack<T>::N) {
        Pack<T> pack = load(row + i);
        if (i < keep) store(kept + i, pack);
        float before = largest;
        for (int k = 0; k < Pack<T>::N; k++) largest = fmaxf(largest, to_float(pack.v[k]));
        float base = base_of(largest);
        sum *= exp2_of((before - base) * LOG2_E);
        for (int k = 0; k < Pack<T>::N; k++) sum += exp2_of((to_float(pack.v[k]) - base) * LOG2_E);
    }
    float whole = warp_largest(largest);
    sum = warp_sum(sum * exp2_of((largest - base_of(whole)) * LOG2_E));
    if (lane == 0) parts[warp] = make_float2(whole, sum);
    __syncthreads();
    whole = parts[0].x;
    for (int i = 1; i < warps; i++) whole = fmaxf(whole, parts[i].x);
    sum = 0.0f;
    for (int i = 0; i < warps; i++) sum += parts[i].y * exp2_of((parts[i].x - base_of(whole)) * LOG2_E);
    return logf(sum) + base_of(whole);
}

// The loss of each row in nats.
template <typename T> __device__ void cross_entropy_losses(const T *logits, const u32 *targets, float *losses, int columns) {
    const T *row = logits + (u64)blockIdx.x * columns;
    float log_sum = row_log_sum<T>(row, columns, nullptr, 0);
    if (threadIdx.x == 0) losses[blockIdx.x] = log_sum - to_float(row[targets[blockIdx.x]]);
}

// The same, and the gradient of their mean: (softmax - one_hot(target)) / rows.
template <typename T>
__device__ void cross_entropy_gradients(const T *logits, const u32 *targets, float *losses, T *grad, int rows, int columns, int keep) {
    T *kept = reinterpret_cast<T *>(block_memory);
    const T *row = logits + (u64)blockIdx.x * columns;
    grad += (u64)blockIdx.x * columns;
    float scale = 1.0f / rows, log_sum = row_log_sum(row, columns, kept, keep);
    u32 target = targets[blockIdx.x];
#pragma unroll 4
    for (int i = threadIdx.x * Pack<T>::N; i < columns; i += blockDim.x * Pack<T>::N) {
        Pack<T> in, out;
        if (i < keep)
            in = load(kept + i);
        else
            in = load(row + i);
        for (int k = 0; k < Pack<T>::N; k++) out.v[k] = from_float<T>(scale * exp2_of((to_float(in.v[k]) - log_sum) * LOG2_E));
        store(grad + i, out);
    }
    // By the thread that has just written it.
    if (target / Pack<T>::N % blockDim.x != threadIdx.x) return;
    float logit = to_float(row[target]);
    losses[blockIdx.x] = log_sum - logit;
    grad[target] = from_float<T>(scale * (exp2_of((logit - log_sum) * LOG2_E) - 1.0f));
}

// Gradients for a mean whose own gradient, a number on the device, is not 1. In training it is, and nothing is to be done.
template <typename T> __device__ void cross_entropy_scale(T *grad, const double *grad_mean, u64 n) {
    float scale = (float)*grad_mean;
    if (scale == 1.0f) return;
    for (u64 i = ((u64)blockIdx.x * blockDim.x + threadIdx.x) * Pack<T>::N; i < n; i += (u64)gridDim.x * blockDim.x * Pack<T>::N) {
        Pack<T> pack = load(grad + i);
        for (int k = 0; k < Pack<T>::N; k++) pack.v[k] = from_float<T>(to_float(pack.v[k]) * scale);
        store(grad + i, pack);
    }
}

// The mean of the rows' losses, in f64 and in a fixed order. One block.
extern "C" __global__ void cross_entropy_mean(const float *losses, double *mean, int rows) {
    __shared__ double parts[MOST_THREADS];
    double sum = 0.0;
    for (int i = threadIdx.x; i < rows; i += blockDim.x) sum += losses[i];
    parts[threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.x != 0) return;
    for (int i = 1; i < (int)blockDim.x; i++) sum += parts[i];
    *mean = sum / rows;
}

#define PARAMETERS(T) (const T *logits, const u32 *targets, float *losses, int columns)
FOR_BOTH(cross_entropy_losses, PARAMETERS, (logits, targets, losses, columns))
#undef PARAMETERS
#define PARAMETERS(T) (const T *logits, const u32 *targets, float *losses, T *grad, int rows, int columns, int keep)
FOR_BOTH(cross_entropy_gradients, PARAMETERS, (logits, targets, losses, grad, rows, columns, keep))
#undef PARAMETERS
#define PARAMETERS(T) (T *grad, const double *grad_mean, u64 n)
FOR_BOTH(cross_entropy_scale, PARAMETERS, (grad, grad_mean, n))
#undef PARAMETERS
