// Causal attention with rotary embedding: tiles of keys pass by a tile of queries (forward, gradient of the queries) or tiles of queries by
// a tile of keys (gradients of keys and values), so that no sequence x sequence matrix is in memory (Dao 2023, FlashAttention-2). Softmax as
// tiles come, with the largest score so far. The backward is two kernels and computes probabilities twice, because adding up gradients of
// queries from many blocks would need atomic additions, whose order changes from run to run.
//
// Launch: (ceil(sequence / TILE), heads, batch) blocks of TILE x 2 threads: a warp for each 16 rows.
// D, the width of a head, is 16, 32 or 64. qkv as everywhere: (batch x sequence, 3, heads, D); cos and sin (sequence, D / 2) in f32.
// FLOP of the lower triangle, for each of batch x heads: forward 2 x 2 x D x sequence^2 / 2, backward 7 products of that size where 5 would
// do with atomic additions. Bound by the tensor cores.
// Tolerance: f32 1e-5, gradients 1e-4; bf16 2e-2 and 5e-2, since P and dS are rounded before their second product. A number that is not finite
// may spoil all tokens of its tile, earlier ones too (0 times infinity), where the CPU version spoils later ones only.

// Rows of a tile. Tiles of keys and values have to fit into 48 KiB.
constexpr int ATTENTION_TILE_BF16 = 64;
constexpr int ATTENTION_TILE_F32 = 32;
#define TILE_OF(T) (sizeof(T) == 2 ? ATTENTION_TILE_BF16 : ATTENTION_TILE_F32)
// Queries of a block of `means`, one a warp.
constexpr int ATTENTION_MEANS_WARPS = 4;
// Rows of a tile in shared memory lie 16 bytes further apart than they are long, so that the eight rows that ldmatrix reads are in
// different banks.
#define STRIDE_OF(T, D) (D + 16 / (int)sizeof(T))

struct AttentionShape {
    int sequence, heads;
};

// Part 0, 1 or 2 (query, key, value) of a token's head.
template <int D> __device__ u64 packed_at(AttentionShape s, int token, int part) {
    return (((u64)blockIdx.z * s.sequence + token) * 3 + part) * s.heads * D + (u64)blockIdx.y * D;
}

template <int D> __device__ u64 plain_at(AttentionShape s, int token) {
    return (((u64)blockIdx.z * s.sequence + token) * s.heads + blockIdx.y) * D;
}

// Copies rows from `first` on, beyond the sequence zeros. All threads of the block take part.
template <typename T, int D, typename At> __device__ void load_tile(T *tile, const T *from, At at, int first, int sequence) {
    constexpr int PACKS = D / Pack<T>::N;
    for (int i = threadIdx.x; i < TILE_OF(T) * PACKS; i += blockDim.x) {
        int row = i / PACKS, column = i % PACKS * Pack<T>::N;
        Pack<T> pack;
        if (first + row < sequence)
            pack = load(from + at(first + row) + column);
        else
            for (int k = 0; k < Pack<T>::N; k++) pack.v[k] = from_float<T>(0.0f);
        store(tile + row * STRIDE_OF(T, D) + column, pack);
    }
}

// The same, turned by the rows' positions (Su et al. 2021, half-split).
template <typename T, int D, typename At>
__device__ void load_turned(T *tile, const T *from, At at, const float *cos, const float *sin, int first, int sequence) {
    constexpr int HALF = D / 2;
    for (int i = threadIdx.x; i < TILE_OF(T) * HALF; i += blockDim.x) {
        int row = i / HALF, column = i % HALF, position = first + row;
        float a = 0.0f, b = 0.0f;
        if (position < sequence) {
            float low = to_float(from[at(position) + column]), high = to_float(from[at(position) + column + HALF]);
            float c = cos[position * HALF + column], s = sin[position * HALF + column];
            a = low * c - high * s;
            b = low * s + high * c;
        }
        tile[row * STRIDE_OF(T, D) + column] = from_float<T>(a);
        tile[row * STRIDE_OF(T, D) + column + HALF] = from_float<T>(b);
    }
}

// out (16 x TILE) = left (16 x D) times the transpose of `tile` (TILE x D).
template <typename T, int D> __device__ void product_with_rows(Sums out[TILE_OF(T) / 8], const Left<T> left[D / 16], const T *tile) {
    for (int n = 0; n < TILE_OF(T) / 8; n += 2) {
        for (int i = 0; i < 4; i++) out[n][i] = out[n + 1][i] = 0.0f;
        for (int k = 0; k < D / 16; k++) {
            Right<T> right[2];
            load_right(tile, STRIDE_OF(T, D), 8 * n, 16 * k, right);
            add_product(out[n], left[k], right[0]);
            add_product(out[n + 1], left[k], right[1]);
        }
    }
}

// out (16 x D) += left (16 x TILE) times `tile` (TILE x D).
template <typename T, int D> __device__ void add_product_with_columns(Sums out[D / 8], const Sums left[TILE_OF(T) / 8], const T *tile) {
    for (int k = 0; k < TILE_OF(T) / 16; k++) {
        Left<T> a;
        as_left(left[2 * k], left[2 * k + 1], a);
        for (int n = 0; n < D / 8; n += 2) {
            Right<T> right[2];
            load_right_transposed(tile, STRIDE_OF(T, D), 8 * n, 16 * k, right);
            add_product(out[n], a, right[0]);
            add_product(out[n + 1], a, right[1]);
        }
    }
}

template <typename T, int D> __device__ void load_lefts(Left<T> out[D / 16], const T *tile, int row) {
    for (int k = 0; k < D / 16; k++) out[k] = load_left(tile, STRIDE_OF(T, D), row, 16 * k);
}

// Writes 16 x D sums to rows from `first` on; turned back by the rows' positions where cos is given.
template <typename T, int D, typename At>
__device__ void store_rows(T *to, At at, const Sums sums[D / 8], int first, int sequence, const float *cos, const float *sin) {
    int r = threadIdx.x % WARP / 4, c = threadIdx.x % 4;
    for (int n = 0; n < D / 16; n++) {
        for (int i = 0; i < 4; i++) {
            int position = first + r + i / 2 * 8, column = 8 * n + 2 * c + i % 2;
            if (position >= sequence) continue;
            float low = sums[n][i], high = sums[n + D / 16][i];
            if (cos) {
                float co = cos[position * (D / 2) + column], si = sin[position * (D / 2) + column];
                float turned = low * co + high * si;
                high = high * co - low * si;
                low = turned;
            }
            to[at(position) + column] = from_float<T>(low);
            to[at(position) + column + D / 2] = from_float<T>(high);
        }
    }
}

// The sum, or the largest, over the four lanes that hold a row.
__device__ inline float row_sum(float x) {
    x += shuffle_xor(x, 1);
    return x + shuffle_xor(x, 2);
}

__device__ inline float row_largest(float x) {
    x = fmaxf(x, shuffle_xor(x, 1));
    return fmaxf(x, shuffle_xor(x, 2));
}

// y (batch x sequence, heads x D), and ln of the sum of the exponentials of each query's scores (batch, heads, sequence).
template <typename T, int D>
__device__ void attention_forward(const T *qkv, const float *cos, const float *sin, T *y, float *log_sums, AttentionShape s) {
    constexpr int TILE = TILE_OF(T);
    __shared__ __align__(16) T keys[TILE * STRIDE_OF(T, D)], values[TILE * STRIDE_OF(T, D)];
    auto part = [&](int which) { return [=](int token) { return packed_at<D>(s, token, which); }; };
    int first = blockIdx.x * TILE, mine = threadIdx.x / WARP * 16, r = threadIdx.x % WARP / 4, c = threadIdx.x % 4;
    const float scale = 1.0f / sqrtf((float)D);

    // Queries pass through the memory of the keys into registers.
    load_turned<T, D>(keys, qkv, part(0), cos, sin, first, s.sequence);
    __syncthreads();
    Left<T> queries[D / 16];
    load_lefts<T, D>(queries, keys, mine);

    Sums out[D / 8];
    for (int n = 0; n < D / 8; n++)
        for (int i = 0; i < 4; i++) out[n][i] = 0.0f;
    float largest[2] = {-INFINITY, -INFINITY}, sum[2] = {0.0f, 0.0f};
    for (int tile = 0; tile <= first; tile += TILE) {
        __syncthreads();
        load_turned<T, D>(keys, qkv, part(1), cos, sin, tile, s.sequence);
        load_tile<T, D>(values, qkv, part(2), tile, s.sequence);
        __syncthreads();
        Sums scores[TILE / 8];
        product_with_rows<T, D>(scores, queries, keys);
        float now[2] = {largest[0], largest[1]};
        for (int n = 0; n < TILE / 8; n++) {
            for (int i = 0; i < 4; i++) {
                int query = first + mine + r + i / 2 * 8, key = tile + 8 * n + 2 * c + i % 2;
                scores[n][i] = key <= query ? scores[n][i] * scale : -INFINITY;
                now[i / 2] = fmaxf(now[i / 2], scores[n][i]);
            }
        }
        float shrink[2];
        for (int h = 0; h < 2; h++) {
            // Every query sees a key of the first tile, so that this is finite unless a score is not.
            now[h] = row_largest(now[h]);
            shrink[h] = expf(largest[h] - now[h]);
            largest[h] = now[h];
            sum[h] *= shrink[h];
        }
        for (int n = 0; n < TILE / 8; n++) {
            for (int i = 0; i < 4; i++) {
                scores[n][i] = expf(scores[n][i] - largest[i / 2]);
                sum[i / 2] += scores[n][i];
            }
        }
        for (int n = 0; n < D / 8; n++)
            for (int i = 0; i < 4; i++) out[n][i] *= shrink[i / 2];
        add_product_with_columns<T, D>(out, scores, values);
    }
    for (int h = 0; h < 2; h++) sum[h] = row_sum(sum[h]);
    for (int n = 0; n < D / 8; n++)
        for (int i = 0; i < 4; i++) out[n][i] /= sum[i / 2];
    auto at = [=](int token) { return plain_at<D>(s, token); };
    store_rows<T, D>(y, at, out, first + mine, s.sequence, nullptr, nullptr);
    for (int h = 0; h < 2; h++) {
        int query = first + mine + r + 8 * h;
        if (c == 0 && query < s.sequence)
            log_sums[((u64)blockIdx.z * s.heads + blockIdx.y) * s.sequence + query] = logf(sum[h]) + largest[h];
    }
}

// The inner product of a query's output and its gradient (batch, heads, sequence): what softmax's backward subtracts. A warp a query.
// Launch: ceil(batch x sequence x heads / warps) blocks.
template <typename T, int D> __device__ void attention_means(const T *y, const T *grad, float *means, u64 rows, AttentionShape s) {
    u64 row = (u64)blockIdx.x * (blockDim.x / WARP) + threadIdx.x / WARP;
    if (row >= rows) return;
    float sum = 0.0f;
    for (int i = threadIdx.x % WARP; i < D; i += WARP) sum += to_float(y[row * D + i]) * to_float(grad[row * D + i]);
    sum = warp_sum(sum);
    u64 token = row / s.heads, head = row % s.heads;
    if (threadIdx.x % WARP == 0) means[(token / s.sequence * s.heads + head) * s.sequence + token % s.sequence] = sum;
}

// Scores become probabilities, and the products of output gradients with values become gradients of scores. `query` and `key` say which
// ones element i of tile n belongs to.
template <int TILES, typename Query, typename Key>
__device__ void slopes(Sums scores[TILES], Sums products[TILES], const float *log_sums, const float *means, float scale, int sequence, Query query, Key key) {
    for (int n = 0; n < TILES; n++) {
        for (int i = 0; i < 4; i++) {
            int q = query(n, i), k = key(n, i);
            float probability = k <= q && q < sequence ? expf(scores[n][i] * scale - log_sums[q]) : 0.0f;
            float slope = q < sequence ? probability * (products[n][i] - means[q]) * scale : 0.0f;
            scores[n][i] = probability;
            products[n][i] = slope;
        }
    }
}

// Gradients of the queries.
template <typename T, int D>
__device__ void attention_backward_queries(const T *qkv, const T *grad, const float *cos, const float *sin, const float *log_sums, const float *means,
                                           T *grad_qkv, AttentionShape s) {
    constexpr int TILE = TILE_OF(T);
    __shared__ __align__(16) T keys[TILE * STRIDE_OF(T, D)], values[TILE * STRIDE_OF(T, D)];
    auto part = [&](int which) { return [=](int token) { return packed_at<D>(s, token, which); }; };
    auto plain = [=](int token) { return plain_at<D>(s, token); };
    int first = blockIdx.x * TILE, mine = threadIdx.x / WARP * 16, r = threadIdx.x % WARP / 4, c = threadIdx.x % 4;
    const float scale = 1.0f / sqrtf((float)D);
    u64 row = ((u64)blockIdx.z * s.heads + blockIdx.y) * s.sequence;

    load_turned<T, D>(keys, qkv, part(0), cos, sin, first, s.sequence);
    load_tile<T, D>(values, grad, plain, first, s.sequence);
    __syncthreads();
    Left<T> queries[D / 16], grads[D / 16];
    load_lefts<T, D>(queries, keys, mine);
    load_lefts<T, D>(grads, values, mine);

    Sums out[D / 8];
    for (int n = 0; n < D / 8; n++)
        for (int i = 0; i < 4; i++) out[n][i] = 0.0f;
    for (int tile = 0; tile <= first; tile += TILE) {
        __syncthreads();
        load_turned<T, D>(keys, qkv, part(1), cos, sin, tile, s.sequence);
        load_tile<T, D>(values, qkv, part(2), tile, s.sequence);
        __syncthreads();
        Sums scores[TILE / 8], products[TILE / 8];
        product_with_rows<T, D>(scores, queries, keys);
        product_with_rows<T, D>(products, grads, values);
        auto query = [=](int, int i) { return first + mine + r + i / 2 * 8; };
        auto key = [=](int n, int i) { return tile + 8 * n + 2 * c + i % 2; };
        slopes<TILE / 8>(scores, products, log_sums + row, means + row, scale, s.sequence, query, key);
        add_product_with_columns<T, D>(out, products, keys);
    }
    store_rows<T, D>(grad_qkv, part(0), out, first + mine, s.sequence, cos, sin);
}

// Gradients of keys and values.
template <typename T, int D>
__device__ void attention_backward_keys(const T *qkv, const T *grad, const float *cos, const float *sin, const float *log_sums, const float *means,
                                        T *grad_qkv, AttentionShape s) {
    constexpr int TILE = TILE_OF(T);
    __shared__ __align__(16) T queries[TILE * STRIDE_OF(T, D)], grads[TILE * STRIDE_OF(T, D)];
    auto part = [&](int which) { return [=](int token) { return packed_at<D>(s, token, which); }; };
    auto plain = [=](int token) { return plain_at<D>(s, token); };
    int first = blockIdx.x * TILE, mine = threadIdx.x / WARP * 16, r = threadIdx.x % WARP / 4, c = threadIdx.x % 4;
    const float scale = 1.0f / sqrtf((float)D);
    u64 row = ((u64)blockIdx.z * s.heads + blockIdx.y) * s.sequence;

    load_turned<T, D>(queries, qkv, part(1), cos, sin, first, s.sequence);
    load_tile<T, D>(grads, qkv, part(2), first, s.sequence);
    __syncthreads();
    Left<T> keys[D / 16], values[D / 16];
    load_lefts<T, D>(keys, queries, mine);
    load_lefts<T, D>(values, grads, mine);

    Sums grad_keys[D / 8], grad_values[D / 8];
    for (int n = 0; n < D / 8; n++)
        for (int i = 0; i < 4; i++) grad_keys[n][i] = grad_values[n][i] = 0.0f;
    for (int tile = first; tile < s.sequence; tile += TILE) {
        __syncthreads();
        load_turned<T, D>(queries, qkv, part(0), cos, sin, tile, s.sequence);
        load_tile<T, D>(grads, grad, plain, tile, s.sequence);
        __syncthreads();
        // Transposed: a row is a key, a column a query.
        Sums scores[TILE / 8], products[TILE / 8];
        product_with_rows<T, D>(scores, keys, queries);
        product_with_rows<T, D>(products, values, grads);
        auto query = [=](int n, int i) { return tile + 8 * n + 2 * c + i % 2; };
        auto key = [=](int, int i) { return first + mine + r + i / 2 * 8; };
        slopes<TILE / 8>(scores, products, log_sums + row, means + row, scale, s.sequence, query, key);
        add_product_with_columns<T, D>(grad_values, scores, grads);
        add_product_with_columns<T, D>(grad_keys, products, queries);
    }
    store_rows<T, D>(grad_qkv, part(1), grad_keys, first + mine, s.sequence, cos, sin);
    store_rows<T, D>(grad_qkv, part(2), grad_values, first + mine, s.sequence, nullptr, nullptr);
}

#define KERNELS(T, NAME, D)                                                                                                                    \
    extern "C" __global__ void __launch_bounds__(TILE_OF(T) * 2)                                                                               \
        attention_forward_##NAME##_##D(const T *qkv, const float *cos, const float *sin, T *y, float *log_sums, AttentionShape s) {           \
        attention_forward<T, D>(qkv, cos, sin, y, log_sums, s);                                                                               \
    }                                                                                                                                          \
    extern "C" __global__ void attention_means_##NAME##_##D(const T *y, const T *grad, float *means, u64 rows, AttentionShape s) {             \
        attention_means<T, D>(y, grad, means, rows, s);                                                                                        \
    }                                                                                                                                          \
    extern "C" __global__ void __launch_bounds__(TILE_OF(T) * 2)                                                                               \
        attention_backward_queries_##NAME##_##D(const T *qkv, const T *grad, const float *cos, const float *sin, const float *log_sums,        \
                                                const float *means, T *grad_qkv, AttentionShape s) {                                           \
        attention_backward_queries<T, D>(qkv, grad, cos, sin, log_sums, means, grad_qkv, s);                                                   \
    }                                                                                                                                          \
    extern "C" __global__ void __launch_bounds__(TILE_OF(T) * 2)                                                                               \
        attention_backward_keys_##NAME##_##D(const T *qkv, const T *grad, const float *cos, const float *sin, const float *log_sums,           \
                                             const float *means, T *grad_qkv, AttentionShape s) {                                              \
        attention_backward_keys<T, D>(qkv, grad, cos, sin, log_sums, means, grad_qkv, s);                                                      \
    }

KERNELS(float, f32, 16)
KERNELS(float, f32, 32)
KERNELS(float, f32, 64)
KERNELS(bf16, bf16, 16)
KERNELS(bf16, bf16, 32)
KERNELS(bf16, bf16, 64)
