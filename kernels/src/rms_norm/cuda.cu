// RMSNorm. Forward a warp handles a row, which stays in the first cache between its two readings.
//
// Launch: forward ceil(rows / RMS_NORM_WARPS) blocks of RMS_NORM_WARPS x 32 threads, a row a warp; backward a block for each band of rows, a
// thread a pack of a row; `weight_sum` ceil(width / 32) blocks of RMS_NORM_SUM_WARPS x 32 threads. width is a multiple of a pack.
// Forward: 4 FLOP and 2 numbers of traffic an element, 5 and 4 with the addition before it. Backward: 9 FLOP and 3 numbers, 4 with what a
// residual connection has left, and a row of f32 a band, written and read, for the weight's gradient.
// Bound by memory. Sums have a fixed order; with atomic additions it would change from run to run.
// Tolerance: 1e-5 in f32, 1e-2 in bf16; gradients 1e-4 and 2e-2.

constexpr int RMS_NORM_WARPS = 8;
// Rows of a block of the backward. Fewer are more blocks, and more parts of the weight's gradient to add up at the end.
constexpr int RMS_NORM_BAND = 32;
// Rows that it reads at once.
constexpr int RMS_NORM_ROWS = 4;
constexpr int RMS_NORM_SUM_WARPS = 16;

template <typename T> __device__ float row_sum_of_squares(const T *row, int width, int lane) {
    float sum = 0.0f;
    for (int i = lane * Pack<T>::N; i < width; i += WARP * Pack<T>::N) {
        Pack<T> pack = load(row + i);
        for (int k = 0; k < Pack<T>::N; k++) sum += to_float(pack.v[k]) * to_float(pack.v[k]);
    }
    return warp_sum(sum);
}

template <typename T> __device__ Pack<T> sum_of(Pack<T> a, Pack<T> b) {
    for (int k = 0; k < Pack<T>::N; k++) a.v[k] = from_float<T>(to_float(a.v[k]) + to_float(b.v[k]));
    return a;
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

// x = a + b, rounded, and y, the norm of that: a residual connection and what follows it.
template <typename T>
__device__ void rms_norm_add_forward(const T *a, const T *b, const T *weight, T *x, T *y, int rows, int width, float epsilon) {
    int lane = threadIdx.x % WARP;
    int row = blockIdx.x * (blockDim.x / WARP) + threadIdx.x / WARP;
    if (row >= rows) return;
    u64 at = (u64)row * width;
    float squares = 0.0f;
    for (int i = lane * Pack<T>::N; i < width; i += WARP * Pack<T>::N) {
        Pack<T> sum = sum_of(load(a + at + i), load(b + at + i));
        for (int k = 0; k < Pack<T>::N; k++) squares += to_float(sum.v[k]) * to_float(sum.v[k]);
        store(x + at + i, sum);
    }
    float scale = 1.0f / sqrtf(warp_sum(squares) / width + epsilon);
    for (int i = lane * Pack<T>::N; i < width; i += WARP * Pack<T>::N) {
        // Added again, because what is read is in the first cache and what was written is not.
        Pack<T> in = sum_of(load(a + at + i), load(b + at + i)), w = load(weight + i), out;
        for (int k = 0; k < Pack<T>::N; k++) out.v[k] = from_float<T>(to_float(in.v[k]) * scale * to_float(w.v[k]));
        store(y + at + i, out);
    }
}

// Gradients of a band's rows, with `before` added where `onto`, and its part of the weight's gradient in a row of `partial`. A thread has one
// pack of every row, so that all is read once; rows come a few at a time, so that enough is on its way from memory.
template <typename T>
__device__ void rms_norm_backward(const T *x, const T *weight, const T *grad, const T *before, int onto, T *grad_x, float *partial, int rows, int width, float epsilon) {
    constexpr int N = Pack<T>::N, ROWS = RMS_NORM_ROWS;
    // Of each warp and row: the sums of squares, and of products. Written in turns, so that one barrier a turn is enough.
    __shared__ float2 parts[2][MOST_THREADS / WARP][ROWS];
    int column = threadIdx.x * N, warp = threadIdx.x / WARP, warps = blockDim.x / WARP;
    int first = blockIdx.x * RMS_NORM_BAND, last = min(first + RMS_NORM_BAND, rows);
    bool mine = column < width;
    Pack<T> w = {};
    if (mine) w = load(weight + column);
    float sums[N];
    for (int k = 0; k < N; k++) sums[k] = 0.0f;
#pragma unroll 1
    for (int start = first, turn = 0; start < last; start += ROWS, turn ^= 1) {
        Pack<T> in[ROWS], g[ROWS], out[ROWS];
#pragma unroll
        for (int r = 0; r < ROWS; r++) {
            in[r] = g[r] = out[r] = {};
            if (!mine || start + r >= last) continue;
            u64 at = (u64)(start + r) * width + column;
            in[r] = load(x + at);
            g[r] = load(grad + at);
            if (onto) out[r] = load(before + at);
        }
#pragma unroll
        for (int r = 0; r < ROWS; r++) {
            float squares = 0.0f, product = 0.0f;
            for (int k = 0; k < N; k++) {
                squares += to_float(in[r].v[k]) * to_float(in[r].v[k]);
                product += to_float(in[r].v[k]) * to_float(w.v[k]) * to_float(g[r].v[k]);
            }
            squares = warp_sum(squares);
            product = warp_sum(product);
            if (threadIdx.x % WARP == 0) parts[turn][warp][r] = make_float2(squares, product);
        }
        __syncthreads();
#pragma unroll
        for (int r = 0; r < ROWS; r++) {
            if (!mine || start + r >= last) continue;
            float squares = 0.0f, product = 0.0f;
            for (int i = 0; i < warps; i++) {
                float2 part = parts[turn][i][r];
                squares += part.x;
                product += part.y;
            }
            float scale = 1.0f / sqrtf(squares / width + epsilon), pull = scale * scale * product / width;
            for (int k = 0; k < N; k++) {
                float own = scale * (to_float(g[r].v[k]) * to_float(w.v[k]) - to_float(in[r].v[k]) * pull);
                sums[k] += to_float(g[r].v[k]) * to_float(in[r].v[k]) * scale;
                out[r].v[k] = from_float<T>(onto ? to_float(out[r].v[k]) + own : own);
            }
            store(grad_x + (u64)(start + r) * width + column, out[r]);
        }
    }
    if (!mine) return;
    for (int k = 0; k < N; k++) partial[(u64)blockIdx.x * width + column + k] = sums[k];
}

// Sums of the bands: a warp those of every so many bands for 32 columns, then their sums in order.
template <typename T> __device__ void rms_norm_weight_sum(const float *partial, T *grad_weight, int bands, int width) {
    __shared__ float parts[RMS_NORM_SUM_WARPS][WARP];
    int lane = threadIdx.x % WARP, warp = threadIdx.x / WARP, column = blockIdx.x * WARP + lane;
    float sum = 0.0f;
    if (column < width) {
#pragma unroll 8
        for (int i = warp; i < bands; i += RMS_NORM_SUM_WARPS) sum += partial[(u64)i * width + column];
    }
    parts[warp][lane] = sum;
    __syncthreads();
    if (warp != 0 || column >= width) return;
    for (int i = 1; i < RMS_NORM_SUM_WARPS; i++) sum += parts[i][lane];
    grad_weight[column] = from_float<T>(sum);
}

#define PARAMETERS(T) (const T *x, const T *weight, T *y, int rows, int width, float epsilon)
FOR_BOTH(rms_norm_forward, PARAMETERS, (x, weight, y, rows, width, epsilon))
#undef PARAMETERS
#define PARAMETERS(T) (const T *a, const T *b, const T *weight, T *x, T *y, int rows, int width, float epsilon)
FOR_BOTH(rms_norm_add_forward, PARAMETERS, (a, b, weight, x, y, rows, width, epsilon))
#undef PARAMETERS
#define PARAMETERS(T) (const T *x, const T *weight, const T *grad, const T *before, int onto, T *grad_x, float *partial, int rows, int width, float epsilon)
FOR_BOTH(rms_norm_backward, PARAMETERS, (x, weight, grad, before, onto, grad_x, partial, rows, width, epsilon))
#undef PARAMETERS
#define PARAMETERS(T) (const float *partial, T *grad_weight, int bands, int width)
FOR_BOTH(rms_norm_weight_sum, PARAMETERS, (partial, grad_weight, bands, width))
#undef PARAMETERS
