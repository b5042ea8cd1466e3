// RMSNorm. A warp handles a row, which stays in the first cache between its two readings.
//
// Launch: forward and backward ceil(rows / RMS_NORM_WARPS) blocks of RMS_NORM_WARPS x 32 threads, a row a warp; `weight_partial` and `weight_sum` below.
// width is a multiple of a pack.
// Forward: 4 FLOP and 2 numbers of traffic an element. Backward: 9 FLOP and 5 numbers, because the gradient of the weight is a second pass,
// column by column: sums in a fixed order, and no atomic additions whose order would change from run to run. Bound by memory.
// Tolerance: 1e-5 in f32, 1e-2 in bf16; gradients 1e-4 and 2e-2.

constexpr int RMS_NORM_WARPS = 4;
// Threads of a block of the weight's gradient, one a column.
constexpr int RMS_NORM_COLUMNS = 128;
// Rows whose part of the weight's gradient one thread adds up. Fewer: more blocks to fill the GPU, and more parts to add up at the end.
constexpr int RMS_NORM_BAND = 64;

template <typename T> __device__ float row_sum_of_squares(const T *row, int width, int lane) {
    float sum = 0.0f;
    for (int i = lane * Pack<T>::N; i < width; i += WARP * Pack<T>::N) {
        Pack<T> pack = load(row + i);
        for (int k = 0; k < Pack<T>::N; k++) sum += to_float(pack.v[k]) * to_float(pack.v[k]);
    }
    return warp_sum(sum);
}

template <typename T> __device__ void rms_norm_forward(const T *x, const T *weight, T *y, int rows, int width, float epsilon) {
    int lane = threadIdx.x % WARP;
    int row = blockIdx.x * (blockDim.x / WARP) + threadIdx.x / WARP;
    if (row >= rows) return;
    x += (u64)row * width;
    y += (u64)row * width;
    float scale = 1.0f / sqrtf(row_sum_of_squares(x, width, lane) / width + epsilon);
    for (int i = lane * Pack<T>::N; i < width; i += WARP * Pack<T>::N) {
        Pack<T> in = load(x + i), w = load(weight + i), out;
        for (int k = 0; k < Pack<T>::N; k++) out.v[k] = from_float<T>(to_float(in.v[k]) * scale * to_float(w.v[k]));
        store(y + i, out);
    }
}

// Also writes the scale of each row, for `weight_partial`.
template <typename T>
__device__ void rms_norm_backward(const T *x, const T *weight, const T *grad, T *grad_x, float *scales, int rows, int width, float epsilon) {
    int lane = threadIdx.x % WARP;
    int row = blockIdx.x * (blockDim.x / WARP) + threadIdx.x / WARP;
    if (row >= rows) return;
    x += (u64)row * width;
    grad += (u64)row * width;
    grad_x += (u64)row * width;
    float scale = 1.0f / sqrtf(row_sum_of_squares(x, width, lane) / width + epsilon);
    float product = 0.0f;
    for (int i = lane * Pack<T>::N; i < width; i += WARP * Pack<T>::N) {
        Pack<T> in = load(x + i), w = load(weight + i), g = load(grad + i);
        for (int k = 0; k < Pack<T>::N; k++) product += to_float(in.v[k]) * to_float(w.v[k]) * to_float(g.v[k]);
    }
    float pull = scale * scale * warp_sum(product) / width;
    for (int i = lane * Pack<T>::N; i < width; i += WARP * Pack<T>::N) {
        Pack<T> in = load(x + i), w = load(weight + i), g = load(grad + i), out;
        for (int k = 0; k < Pack<T>::N; k++)
            out.v[k] = from_float<T>(scale * (to_float(g.v[k]) * to_float(w.v[k]) - to_float(in.v[k]) * pull));
        store(grad_x + i, out);
    }
    if (lane == 0) scales[row] = scale;
}

// Sums of grad * x * scale over the rows of a band, one thread a column. Launch: (ceil(width / threads), bands) blocks.
template <typename T>
__device__ void rms_norm_weight_partial(const T *x, const T *grad, const float *scales, float *partial, int rows, int width, int band) {
    int column = blockIdx.x * blockDim.x + threadIdx.x;
    if (column >= width) return;
    int first = blockIdx.y * band;
    int last = min(first + band, rows);
    float sum = 0.0f;
    for (int row = first; row < last; row++)
        sum += to_float(grad[(u64)row * width + column]) * to_float(x[(u64)row * width + column]) * scales[row];
    partial[(u64)blockIdx.y * width + column] = sum;
}

// Sums of the bands, in order. Launch: ceil(width / threads) blocks.
template <typename T> __device__ void rms_norm_weight_sum(const float *partial, T *grad_weight, int bands, int width) {
    int column = blockIdx.x * blockDim.x + threadIdx.x;
    if (column >= width) return;
    float sum = 0.0f;
    for (int i = 0; i < bands; i++) sum += partial[(u64)i * width + column];
    grad_weight[column] = from_float<T>(sum);
}

#define PARAMETERS(T) (const T *x, const T *weight, T *y, int rows, int width, float epsilon)
FOR_BOTH(rms_norm_forward, PARAMETERS, (x, weight, y, rows, width, epsilon))
#undef PARAMETERS
#define PARAMETERS(T) (const T *x, const T *weight, const T *grad, T *grad_x, float *scales, int rows, int width, float epsilon)
FOR_BOTH(rms_norm_backward, PARAMETERS, (x, weight, grad, grad_x, scales, rows, width, epsilon))
#undef PARAMETERS
#define PARAMETERS(T) (const T *x, const T *grad, const float *scales, float *partial, int rows, int width, int band)
FOR_BOTH(rms_norm_weight_partial, PARAMETERS, (x, grad, scales, partial, rows, width, band))
#undef PARAMETERS
#define PARAMETERS(T) (const float *partial, T *grad_weight, int bands, int width)
FOR_BOTH(rms_norm_weight_sum, PARAMETERS, (partial, grad_weight, bands, width))
#undef PARAMETERS
