// Cross-entropy, a block a row, which is read once in the forward and once in the backward. That computes the exponentials again rather than
// keep them, from the log-sums of the forward.
//
// Launch: rows blocks, `mean` one, of CROSS_ENTROPY_WARPS x 32 threads. columns is a multiple of a pack.
// Forward: 4 FLOP and 1 number of traffic an element; backward: 5 FLOP and 2 numbers. Bound by memory.
// Tolerance: 1e-5 in f32, 1e-2 in bf16; gradients 1e-4 and 2e-2.

constexpr int CROSS_ENTROPY_WARPS = 8;

// What the exponents of a sum are taken from: its largest, or anything else where there is nothing but exp(-infinity) yet.
__device__ inline float base_of(float largest) { return largest == -INFINITY ? 0.0f : largest; }

// ln of the sum of a row's exponentials, the same in every thread.
template <typename T> __device__ float row_log_sum(const T *row, int columns) {
    __shared__ float2 parts[MOST_THREADS / WARP];
    int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP, warps = blockDim.x / WARP;
    float largest = -INFINITY, sum = 0.0f;
#pragma unroll 4
    for (int i = threadIdx.x * Pack<T>::N; i < columns; i += blockDim.x * Pack<T>::N) {
        Pack<T> pack = load(row + i);
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

// The loss of each row in nats, and ln of the sum of its exponentials.
template <typename T> __device__ void cross_entropy_forward(const T *logits, const u32 *targets, float *losses, float *log_sums, int columns) {
    const T *row = logits + (u64)blockIdx.x * columns;
    float log_sum = row_log_sum(row, columns);
    if (threadIdx.x != 0) return;
    losses[blockIdx.x] = log_sum - to_float(row[targets[blockIdx.x]]);
    log_sums[blockIdx.x] = log_sum;
}

// softmax - one_hot(target), times the gradient of the mean, which is a number on the device.
template <typename T>
__device__ void cross_entropy_backward(const T *logits, const u32 *targets, const float *log_sums, const double *grad_mean, T *grad, int rows, int columns) {
    const T *row = logits + (u64)blockIdx.x * columns;
    grad += (u64)blockIdx.x * columns;
    float scale = (float)(*grad_mean / rows), log_sum = log_sums[blockIdx.x];
    int target = targets[blockIdx.x];
#pragma unroll 4
    for (int i = threadIdx.x * Pack<T>::N; i < columns; i += blockDim.x * Pack<T>::N) {
        Pack<T> in = load(row + i), out;
        for (int k = 0; k < Pack<T>::N; k++) {
            float probability = exp2_of((to_float(in.v[k]) - log_sum) * LOG2_E);
            out.v[k] = from_float<T>(scale * (probability - (i + k == target ? 1.0f : 0.0f)));
        }
        store(grad + i, out);
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

#define PARAMETERS(T) (const T *logits, const u32 *targets, float *losses, float *log_sums, int columns)
FOR_BOTH(cross_entropy_forward, PARAMETERS, (logits, targets, losses, log_sums, columns))
#undef PARAMETERS
#define PARAMETERS(T) (const T *logits, const u32 *targets, const float *log_sums, const double *grad_mean, T *grad, int rows, int columns)
FOR_BOTH(cross_entropy_backward, PARAMETERS, (logits, targets, log_sums, grad_mean, grad, rows, columns))
#undef PARAMETERS
