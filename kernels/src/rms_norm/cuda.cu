// RMSNorm.
//
// Launch: forward ceil(rows / RMS_NORM_WARPS) blocks of RMS_NORM_WARPS x 32 threads, a row a warp; backward a block for each band of rows, a
// thread a pack of a row, of up to 1,024; `weight_sum` ceil(width / 32) blocks of RMS_NORM_SUM_WARPS x 32 threads. width is a multiple of a pack.
// Forward: 4 FLOP and 2 numbers of traffic an element, 5 and 4 with the addition before it. Backward: 9 FLOP and 3 numbers, 4 with what a
// residual connection has left, and a row of f32 a band, written and read, for the weight's gradient.
// Bound by memory. Sums have a fixed order; with atomic additions it would change from run to run.
// Tolerance: 1e-5 in f32, 1e-2 in bf16; gradients 1e-4 and 2e-2.

constexpr int RMS_NORM_WARPS = 8;
// Packs of a row that a lane keeps in registers; what is beyond them is read again.
constexpr int RMS_NORM_KEPT = 4;
// Rows of a block of the backward. Fewer are more blocks, and more parts of the weight's gradient to add up at the end.
constexpr int RMS_NORM_BAND = 32;
// Rows that it reads at once, and the most threads that a block may have then, for the registers. Longer rows are read one by one.
constexpr int RMS_NORM_ROWS = 4;
constexpr int RMS_NORM_THREADS = 384;
constexpr int RMS_NORM_SUM_WARPS = 16;

template <typename T> __device__ float sum_of_squares(Pack<T> pack) {
    float sum = 0.0f;
    for (int k = 0; k < Pack<T>::N; k++) sum += to_float(pack.v[k]) * to_float(pack.v[k]);
    return sum;
}

template <typename T> __device__ Pack<T> sum_of(Pack<T> a, Pack<T> b) {
    for (int k = 0; k < Pack<T>::N; k++) a.v[k] = from_float<T>(to_float(a.v[k]) + to_float(b.v[k]));
    return a;
}

template <typename T> __device__ Pack<T> scaled(Pack<T> in, Pack<T> weight, float scale) {
    for (int k = 0; k < Pack<T>::N; k++) in.v[k] = from_float<T>(to_float(in.v[k]) * scale * to_float(weight.v[k]));
    return in;
}

// The beginning of a row: a lane's packs, all read before any is used. Beyond the row zeros.
template <typename T> struct Kept {
    Pack<T> v[RMS_NORM_KEPT];
};

template <typename T> __device__ int column_of(int pack) { return (pack * WARP + threadIdx.x % WARP) * Pack<T>::N; }

template <typename T> __device__ Kept<T> load_kept(const T *row, int width) {
    Kept<T> kept = {};
#pragma unroll
    for (int j = 0; j < RMS_NORM_KEPT; j++)
        if (column_of<T>(j) < width) kept.v[j] = load(row + column_of<T>(j));
    return kept;
}

template <typename T> __device__ void store_kept(T *row, const Kept<T> &kept, int width) {
#pragma unroll
    for (int j = 0; j < RMS_NORM_KEPT; j++)
        if (column_of<T>(j) < width) store(row + column_of<T>(j), kept.v[j]);
}

// The norm of a row x, of which `kept` is the beginning.
template <typename T> __device__ void rms_norm_row(Kept<T> &kept, const T *x, const T *weight, T *y, int width, float epsilon) {
    float squares = 0.0f;
#pragma unroll
    for (int j = 0; j < RMS_NORM_KEPT; j++) squares += sum_of_squares(kept.v[j]);
    for (int j = RMS_NORM_KEPT; column_of<T>(j) < width; j++) squares += sum_of_squares(load(x + column_of<T>(j)));
    float scale = 1.0f / sqrtf(warp_sum(squares) / width + epsilon);
#pragma unroll
    for (int j = 0; j < RMS_NORM_KEPT; j++)
        if (column_of<T>(j) < width) kept.v[j] = scaled(kept.v[j], load(weight + column_of<T>(j)), scale);
    store_kept(y, kept, width);
    for (int j = RMS_NORM_KEPT; column_of<T>(j) < width; j++) store(y + column_of<T>(j), scaled(load(x + column_of<T>(j)), load(weight + column_of<T>(j)), scale));
}

template <typename T> __device__ void rms_norm_forward(const T *x, const T *weight, T *y, int rows, int width, float epsilon) {
    int row = blockIdx.x * (blockDim.x / WARP) + threadIdx.x / WARP;
    if (row >= rows) return;
    x += (u64)row * width;
    Kept<T> kept = load_kept(x, width);
    rms_norm_row(kept, x, weight, y + (u64)row * width, width, epsilon);
}

// x = a + b, rounded, and y, the norm of that: a residual connection and what follows it.
template <typename T>
__device__ void rms_norm_add_forward(const T *a, const T *b, const T *weight, T *x, T *y, int rows, int width, float epsilon) {
    int row = blockIdx.x * (blockDim.x / WARP) + threadIdx.x / WARP;
    if (row >= rows) return;
    u64 at = (u64)row * width;
    a += at, b += at, x += at;
    Kept<T> kept = load_kept(a, width), other = load_kept(b, width);
#pragma unroll
    for (int j = 0; j < RMS_NORM_KEPT; j++) kept.v[j] = sum_of(kept.v[j], other.v[j]);
    store_kept(x, kept, width);
    for (int j = RMS_NORM_KEPT; column_of<T>(j) < width; j++) store(x + column_of<T>(j), sum_of(load(a + column_of<T>(j)), load(b + column_of<T>(j))));
    rms_norm_row(kept, x, weight, y + at, width, epsilon);
}

// Gradients of a band's rows, with `before` added where `onto`, and its part of the weight's gradient in a row of `partial`. A thread has one
// pack of every row, so that all is read once; rows come a few at a time, so that enough is on its way from memory.
template <int ROWS, typename T>
__device__ void rms_norm_backward_of(const T *x, const T *weight, const T *grad, const T *before, int onto, T *grad_x, float *partial, int rows, int width, float epsilon) {
    constexpr int N = Pack<T>::N;
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
#define ARGUMENTS (x, weight, grad, before, onto, grad_x, partial, rows, width, epsilon)
template <typename T> __device__ void rms_norm_backward PARAMETERS(T) { rms_norm_backward_of<RMS_NORM_ROWS> ARGUMENTS; }
template <typename T> __device__ void rms_norm_backward_long PARAMETERS(T) { rms_norm_backward_of<1> ARGUMENTS; }
FOR_BOTH_IN(__launch_bounds__(RMS_NORM_THREADS), rms_norm_backward, PARAMETERS, ARGUMENTS)
FOR_BOTH_IN(__launch_bounds__(MOST_THREADS), rms_norm_backward_long, PARAMETERS, ARGUMENTS)
#undef PARAMETERS
#undef ARGUMENTS
#define PARAMETERS(T) (const float *partial, T *grad_weight, int bands, int width)
FOR_BOTH(rms_norm_weight_sum, PARAMETERS, (partial, grad_weight, bands, width))
#undef PARAMETERS
