// Cross-entropy, a block a row. The exponentials are computed again in the backward rather than kept.
//
// Launch: rows blocks, `mean` one, of CROSS_ENTROPY_WARPS x 32 threads. columns is a multiple of a pack.
// Forward: 3 FLOP and 1 number of traffic an element, read twice, the second time from a cache; backward: 5 FLOP and 2 numbers. Bound by memory.
// Tolerance: 1e-5 in f32, 1e-2 in bf16; gradients 1e-4 and 2e-2.

constexpr int CROSS_ENTROPY_WARPS = 8;

// Largest value of a row and sum of exp(value - largest), the same in every thread.
template <typename T> __device__ float2 row_softmax(const T *row, int columns) {
    __shared__ float parts[MOST_THREADS / WARP];
    int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP, warps = blockDim.x / WARP;
    float largest = -INFINITY;
    for (int i = threadIdx.x * Pack<T>::N; i < columns; i += blockDim.x * Pack<T>::N) {
        Pack<T> pack = load(row + i);
        for (int k = 0; k < Pack<T>::N; k++) largest = fmaxf(largest, to_float(pack.v[k]));
    }
    largest = warp_largest(largest);
    if (lane == 0) parts[warp] = largest;
    __syncthreads();
    largest = parts[0];
    for (int i = 1; i < warps; i++) largest = fmaxf(largest, parts[i]);
    __syncthreads();
    float sum = 0.0f;
    for (int i = threadIdx.x * Pack<T>::N; i < columns; i += blockDim.x * Pack<T>::N) {
        Pack<T> pack = load(row + i);
        for (int k = 0; k < Pack<T>::N; k++) sum += expf(to_float(pack.v[k]) - largest);
    }
    sum = warp_sum(sum);
    if (lane == 0) parts[warp] = sum;
    __syncthreads();
    sum = parts[0];
    for (int i = 1; i < warps; i++) sum += parts[i];
    return make_float2(largest, sum);
}

// The loss of each row in nats.
template <typename T> __device__ void cross_entropy_forward(const T *logits, const u32 *targets, float *losses, int columns) {
    const T *row = logits + (u64)blockIdx.x * columns;
    float2 softmax = row_softmax(row, columns);
    if (threadIdx.x == 0) losses[blockIdx.x] = logf(softmax.y) + softmax.x - to_float(row[targets[blockIdx.x]]);
}

// softmax - one_hot(target), times the gradient of the mean, which is a number on the device.
template <typename T>
__device__ void cross_entropy_backward(const T *logits, const u32 *targets, const double *grad_mean, T *grad, int rows, int columns) {
    const T *row = logits + (u64)blockIdx.x * columns;
    grad += (u64)blockIdx.x * columns;
    float2 softmax = row_softmax(row, columns);
    float scale = (float)(*grad_mean / rows);
    int target = targets[blockIdx.x];
    for (int i = threadIdx.x * Pack<T>::N; i < columns; i += blockDim.x * Pack<T>::N) {
        Pack<T> in = load(row + i), out;
        for (int k = 0; k < Pack<T>::N; k++) {
            float probability = expf(to_float(in.v[k]) - softmax.x) / softmax.y;
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

#define PARAMETERS(T) (const T *logits, const u32 *targets, float *losses, int columns)
FOR_BOTH(cross_entropy_forward, PARAMETERS, (logits, targets, losses, columns))
#undef PARAMETERS
#define PARAMETERS(T) (const T *logits, const u32 *targets, const double *grad_mean, T *grad, int rows, int columns)
FOR_BOTH(cross_entropy_backward, PARAMETERS, (logits, targets, grad_mean, grad, rows, columns))
#undef PARAMETERS
