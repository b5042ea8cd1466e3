// Causal attention with rotary embedding. `turn` turns queries and keys once. Then tiles of keys and values pass by the queries of a block
// (forward), or tiles of queries and gradients by its keys (backward), while the next tile is on its way from memory; scores and probabilities
// are never in memory (Dao 2023, FlashAttention-2). Softmax as tiles come, with the largest score so far. The gradients of the scores are: a
// block adds them up to gradients of its keys and leaves them for `backward_queries`, which adds them up to gradients of its queries, in bf16 as
// they are multiplied here too: sequence^2 / 2 numbers for each head, a layer at a time. Adding those up from many blocks would need atomic additions, whose order changes from run to run, and to
// compute the probabilities a second time takes longer than to write and read sequence^2 / 2 numbers for each head.
//
// A block has WARPS warps, a warp GROUPS groups of 16 rows, so that what it reads from shared memory serves them all.
// Launch: `turn` and `means` a thread a pack of a query; the others (ceil(sequence / rows of a block), heads, batch) blocks.
// D, the width of a head, is 16, 32 or 64. qkv as everywhere: (batch x sequence, 3, heads, D); turned (batch x sequence, 2, heads, D);
// y and its gradient (batch x sequence, heads, D); log_sums and means (batch, heads, sequence) and cos and sin (sequence, D / 2) in f32;
// slopes (batch, heads, tiles of the lower triangle row by row, 16 keys of a tile, 16 queries of a tile, a left factor).
// FLOP of the lower triangle, for each of batch x heads: forward 2 products of 2 x D x sequence^2 / 2, backward 5. Bound by the tensor cores.
// Tolerance: f32 1e-5, gradients 1e-4; bf16 2e-2 and 5e-2, since turned rows, P and dS are rounded before their products. A number that is
// not finite may spoil all tokens of its tile, earlier ones too (0 times infinity), where the CPU version spoils later ones only.

constexpr int ATTENTION_THREADS = 256;
constexpr int ATTENTION_FORWARD_WARPS = 8;
constexpr int ATTENTION_FORWARD_GROUPS = 1;
constexpr int ATTENTION_KEYS_WARPS = 4;
constexpr int ATTENTION_KEYS_GROUPS = 1;
constexpr int ATTENTION_QUERIES_WARPS = 4;
constexpr int ATTENTION_QUERIES_GROUPS = 2;
// Blocks that a multiprocessor has to hold at once, for which the compiler saves registers.
constexpr int ATTENTION_FORWARD_BLOCKS = 2;
constexpr int ATTENTION_KEYS_BLOCKS = 3;
constexpr int ATTENTION_QUERIES_BLOCKS = 4;
// Queries of a tile that the gradients of the keys take at a time: fewer need fewer registers.
constexpr int ATTENTION_KEYS_SLICE = 16;
// Rows of a tile that passes by. Two pairs of them have to fit into 48 KiB.
constexpr int ATTENTION_TILE = 64;
// In f32, one group a warp, tile and slice are the same.
constexpr int ATTENTION_F32_WARPS = 2;
constexpr int ATTENTION_F32_TILE = 32;

#define OF(T, BF16, F32) (sizeof(T) == 2 ? BF16 : F32)
#define TILE_OF(T) OF(T, ATTENTION_TILE, ATTENTION_F32_TILE)
// Products in f32 are long; unrolled they would take minutes to compile.
#define UNROLL_OF(T) OF(T, 64, 1)
// Rows of a tile in shared memory lie 16 bytes further apart than they are long, so that the eight rows that ldmatrix reads are in
// different banks.
#define STRIDE_OF(T, D) (D + Pack<T>::N)

struct AttentionShape {
    int sequence, heads;
};

// The rows of this block's head, token by token: of the given one of `parts` tensors that lie next to each other.
template <typename T> struct Rows {
    T *first;
    u64 stride;
    __device__ T *at(int token) const { return first + token * stride; }
};

template <int D, typename T> __device__ Rows<T> rows_of(T *tensor, AttentionShape s, int part, int parts) {
    u64 stride = (u64)parts * s.heads * D;
    return {tensor + blockIdx.z * s.sequence * stride + ((u64)part * s.heads + blockIdx.y) * D, stride};
}

// Begins to copy ROWS rows from `first` on, beyond the sequence zeros. All THREADS of the block take part, each in a column of packs, so that
// little has to be computed for a pack.
template <int THREADS, int ROWS, int D, typename T> __device__ void fetch(T *tile, Rows<const T> rows, int first, int sequence) {
    constexpr int PACKS = D / Pack<T>::N, STEP = THREADS / PACKS;
    static_assert(THREADS % PACKS == 0, "whole rows at a time");
    int row = threadIdx.x / PACKS, column = threadIdx.x % PACKS * Pack<T>::N;
    const T *from = rows.at(first + row) + column;
    T *to = tile + row * STRIDE_OF(T, D) + column;
#pragma unroll
    for (int j = 0; j < ROWS; j += STEP) {
        if (ROWS % STEP != 0 && row + j >= ROWS) break;
        fetch_pack(to + j * STRIDE_OF(T, D), from + j * rows.stride, first + row + j < sequence);
    }
}

template <int N> __device__ void clear(Sums (&sums)[N]) {
#pragma unroll
    for (int n = 0; n < N; n++)
        for (int i = 0; i < 4; i++) sums[n][i] = 0.0f;
}

template <int GROUPS, int N> __device__ void clear(Sums (&sums)[GROUPS][N]) {
#pragma unroll
    for (int g = 0; g < GROUPS; g++) clear(sums[g]);
}

// out (GROUPS x 16 x N) = left (GROUPS x 16 x D) times the transpose of the tile's first N rows.
template <int GROUPS, int N, int D, typename T> __device__ void product_with_rows(Sums (&out)[GROUPS][N / 8], const Left<T> (&left)[GROUPS][D / 16], const T *tile) {
    clear(out);
#pragma unroll (UNROLL_OF(T))
    for (int k = 0; k < D / 16; k++) {
#pragma unroll (UNROLL_OF(T))
        for (int n = 0; n < N / 8; n += 2) {
            Right<T> right[2];
            load_right(tile, STRIDE_OF(T, D), 8 * n, 16 * k, right);
#pragma unroll
            for (int g = 0; g < GROUPS; g++) {
                add_product(out[g][n], left[g][k], right[0]);
                add_product(out[g][n + 1], left[g][k], right[1]);
            }
        }
    }
}

// out (16 x D) += left (16 x 16) times rows of the tile from `row` on.
template <int GROUPS, int D, typename T> __device__ void add_product_with_columns(Sums (&out)[GROUPS][D / 8], const Left<T> (&left)[GROUPS], const T *tile, int row) {
#pragma unroll (UNROLL_OF(T))
    for (int n = 0; n < D / 8; n += 2) {
        Right<T> right[2];
        load_right_transposed(tile, STRIDE_OF(T, D), 8 * n, row, right);
#pragma unroll
        for (int g = 0; g < GROUPS; g++) {
            add_product(out[g][n], left[g], right[0]);
            add_product(out[g][n + 1], left[g], right[1]);
        }
    }
}

// out (GROUPS x 16 x D) += left (GROUPS x 16 x K) times the tile's first K rows.
template <int GROUPS, int K, int D, typename T> __device__ void add_sums_with_columns(Sums (&out)[GROUPS][D / 8], const Sums (&left)[GROUPS][K / 8], const T *tile) {
#pragma unroll (UNROLL_OF(T))
    for (int k = 0; k < K / 16; k++) {
        Left<T> a[GROUPS];
#pragma unroll
        for (int g = 0; g < GROUPS; g++) as_left(left[g][2 * k], left[g][2 * k + 1], a[g]);
        add_product_with_columns<GROUPS, D>(out, a, tile, 16 * k);
    }
}

template <int GROUPS, int D, typename T> __device__ void load_lefts(Left<T> (&out)[GROUPS][D / 16], const T *tile, int row) {
#pragma unroll
    for (int g = 0; g < GROUPS; g++)
#pragma unroll
        for (int k = 0; k < D / 16; k++) out[g][k] = load_left(tile, STRIDE_OF(T, D), row + 16 * g, 16 * k);
}

// Where the two rows are of which a lane has sums, in 16 rows from `first` on.
struct Places {
    int of[2];
};

__device__ inline Places places_from(int first) {
    int r = threadIdx.x % WARP / 4;
    return {{first + r, first + r + 8}};
}

// Writes 16 x D sums to rows; turned back by the rows' positions where cos is given.
template <int D, typename T>
__device__ void store_rows(Rows<T> rows, const Sums (&sums)[D / 8], Places places, int sequence, float scale, const float *cos, const float *sin) {
    int c = threadIdx.x % 4;
#pragma unroll
    for (int n = 0; n < D / 16; n++) {
#pragma unroll
        for (int half = 0; half < 2; half++) {
            int position = places.of[half], column = 8 * n + 2 * c;
            if (position >= sequence) continue;
            float low[2], high[2];
#pragma unroll
            for (int i = 0; i < 2; i++) {
                low[i] = sums[n][2 * half + i] * scale;
                high[i] = sums[n + D / 16][2 * half + i] * scale;
                if (cos) {
                    float co = cos[position * (D / 2) + column + i], si = sin[position * (D / 2) + column + i];
                    float turned = low[i] * co + high[i] * si;
                    high[i] = high[i] * co - low[i] * si;
                    low[i] = turned;
                }
            }
            store_pair(rows.at(position) + column, low);
            store_pair(rows.at(position) + column + D / 2, high);
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

// Hides keys from `key` on that come after the queries, 16 from `query` on.
template <int N> __device__ void hide_later_keys(Sums (&scores)[N], int key, int query) {
    int r = threadIdx.x % WARP / 4, c = threadIdx.x % 4;
#pragma unroll
    for (int n = 0; n < N; n++)
#pragma unroll
        for (int i = 0; i < 4; i++)
            if (key + 8 * n + 2 * c + i % 2 > query + r + i / 2 * 8) scores[n][i] = -INFINITY;
}

// Softmax of 16 rows as tiles of scores come; of a lane's two.
struct Softmax {
    float largest[2] = {-INFINITY, -INFINITY}, sum[2] = {0.0f, 0.0f};

    // Scores become exponentials, in terms of the largest score so far; what `out` has of earlier ones is brought to those terms.
    template <int N, int M> __device__ void add(Sums (&scores)[N], Sums (&out)[M], float scale) {
#pragma unroll
        for (int h = 0; h < 2; h++) {
            float now = largest[h];
#pragma unroll
            for (int n = 0; n < N; n++) now = fmaxf(now, fmaxf(scores[n][2 * h], scores[n][2 * h + 1]));
            // Every query sees a key of the first tile, so that this is finite unless a score is not.
            now = row_largest(now);
            float shrink = exp2_of((largest[h] - now) * scale), base = now * scale;
            largest[h] = now;
            sum[h] *= shrink;
#pragma unroll
            for (int n = 0; n < N; n++) {
#pragma unroll
                for (int i = 2 * h; i < 2 * h + 2; i++) {
                    scores[n][i] = exp2_of(scores[n][i] * scale - base);
                    sum[h] += scores[n][i];
                }
            }
#pragma unroll
            for (int n = 0; n < M; n++)
                for (int i = 2 * h; i < 2 * h + 2; i++) out[n][i] *= shrink;
        }
    }

    // Divides by the sums, and leaves the log2 of them with what they are in terms of, from `log_sums` on.
    template <int M> __device__ void end(Sums (&out)[M], float *log_sums, Places places, int sequence, float scale) {
#pragma unroll
        for (int h = 0; h < 2; h++) {
            float whole = row_sum(sum[h]), share = 1.0f / whole;
#pragma unroll
            for (int n = 0; n < M; n++)
                for (int i = 2 * h; i < 2 * h + 2; i++) out[n][i] *= share;
            if (threadIdx.x % 4 == 0 && places.of[h] < sequence) log_sums[places.of[h]] = log2f(whole) + largest[h] * scale;
        }
    }
};

// Transposed scores, a row a key, become probabilities. `log_sums` are those of the tile's queries; no query sees a key after it, where the
// tile is on the diagonal: keys from `key` on, queries from `query` on.
template <int N> __device__ void probabilities_of(Sums (&scores)[N], const float *log_sums, float scale, bool diagonal, int key, int query) {
    int r = threadIdx.x % WARP / 4, c = threadIdx.x % 4;
#pragma unroll
    for (int n = 0; n < N; n++) {
        Pair<float> log_sum = load_pair(log_sums + 8 * n + 2 * c);
#pragma unroll
        for (int i = 0; i < 4; i++) scores[n][i] = exp2_of(scores[n][i] * (scale * LOG2_E) - log_sum.v[i % 2]);
    }
    if (!diagonal) return;
#pragma unroll
    for (int n = 0; n < N; n++)
#pragma unroll
        for (int i = 0; i < 4; i++)
            if (query + 8 * n + 2 * c + i % 2 < key + r + i / 2 * 8) scores[n][i] = 0.0f;
}

// And products of values and gradients become gradients of the scores.
template <int N> __device__ void slopes_from(Sums (&products)[N], const Sums (&probabilities)[N], const float *means) {
    int c = threadIdx.x % 4;
#pragma unroll
    for (int n = 0; n < N; n++) {
        Pair<float> mean = load_pair(means + 8 * n + 2 * c);
#pragma unroll
        for (int i = 0; i < 4; i++) products[n][i] = probabilities[n][i] * (products[n][i] - mean.v[i % 2]);
    }
}

// Queries and keys turned by their positions (Su et al. 2021, half-split), in f32. A thread a pack of each half.
template <typename T, int D> __device__ void attention_turn(const T *qkv, const float *cos, const float *sin, T *turned, u64 packs, AttentionShape s) {
    constexpr int N = Pack<T>::N, PACKS = D / 2 / N;
    u64 i = (u64)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= packs) return;
    int column = i % PACKS * N;
    u64 row = i / PACKS, token = row / (2 * s.heads), head = row % (2 * s.heads), angle = token % s.sequence * (D / 2) + column;
    const T *from = qkv + (token * 3 * s.heads + head) * D + column;
    T *to = turned + row * D + column;
    Pack<T> low = load(from), high = load(from + D / 2), new_low, new_high;
#pragma unroll
    for (int j = 0; j < N; j += Pack<float>::N) {
        Pack<float> co = load(cos + angle + j), si = load(sin + angle + j);
#pragma unroll
        for (int k = 0; k < Pack<float>::N; k++) {
            float a = to_float(low.v[j + k]), b = to_float(high.v[j + k]);
            new_low.v[j + k] = from_float<T>(a * co.v[k] - b * si.v[k]);
            new_high.v[j + k] = from_float<T>(a * si.v[k] + b * co.v[k]);
        }
    }
    store(to, new_low);
    store(to + D / 2, new_high);
}

// y, and log2 of the sum of the exponentials of each query's scores.
template <typename T, int D> __device__ void attention_forward(const T *turned, const T *qkv, T *y, float *log_sums, AttentionShape s) {
    constexpr int TILE = TILE_OF(T), GROUPS = OF(T, ATTENTION_FORWARD_GROUPS, 1), WARPS = OF(T, ATTENTION_FORWARD_WARPS, ATTENTION_F32_WARPS);
    constexpr int THREADS = WARPS * WARP, MINE = 16 * GROUPS, ROWS = WARPS * MINE, SIZE = TILE * STRIDE_OF(T, D);
    static_assert(ROWS <= 4 * TILE, "the queries have to fit where tiles will be");
    __shared__ __align__(16) T tiles[4 * SIZE];
    auto keys = rows_of<D>(turned, s, 1, 2), values = rows_of<D>(qkv, s, 2, 3);
    // Those that have most to do begin first.
    int first = (gridDim.x - 1 - blockIdx.x) * ROWS, mine = first + threadIdx.x / WARP * MINE;
    const float scale = LOG2_E / sqrtf((float)D);

    fetch<THREADS, ROWS, D>(tiles, rows_of<D>(turned, s, 0, 2), first, s.sequence);
    wait_for_fetches();
    __syncthreads();
    Left<T> queries[GROUPS][D / 16];
    load_lefts<GROUPS, D>(queries, tiles, mine - first);
    __syncthreads();

    auto fetch_pair = [&](int start) {
        T *at = tiles + start / TILE % 2 * 2 * SIZE;
        fetch<THREADS, TILE, D>(at, keys, start, s.sequence);
        fetch<THREADS, TILE, D>(at + SIZE, values, start, s.sequence);
    };
    Sums out[GROUPS][D / 8];
    clear(out);
    Softmax softmax[GROUPS];
    int end = min(first + ROWS, s.sequence);
    fetch_pair(0);
    for (int start = 0; start < end; start += TILE) {
        // All are here, and nobody needs the tile before any more.
        wait_for_fetches();
        __syncthreads();
        if (start + TILE < end) fetch_pair(start + TILE);
        const T *tile = tiles + start / TILE % 2 * 2 * SIZE;
        if (start < mine + MINE) {
            Sums scores[GROUPS][TILE / 8];
            product_with_rows<GROUPS, TILE, D>(scores, queries, tile);
#pragma unroll
            for (int g = 0; g < GROUPS; g++) {
                if (start + TILE - 1 > mine) hide_later_keys(scores[g], start, mine + 16 * g);
                softmax[g].add(scores[g], out[g], scale);
            }
            add_sums_with_columns<GROUPS, TILE, D>(out, scores, tile + SIZE);
        }
    }
    u64 row = ((u64)blockIdx.z * s.heads + blockIdx.y) * s.sequence;
#pragma unroll
    for (int g = 0; g < GROUPS; g++) {
        Places places = places_from(mine + 16 * g);
        softmax[g].end(out[g], log_sums + row, places, s.sequence, scale);
        store_rows<D>(rows_of<D>(y, s, 0, 1), out[g], places, s.sequence, 1.0f, nullptr, nullptr);
    }
}

// The inner product of a query's output and its gradient, which softmax's backward subtracts. As many lanes as a query has packs.
template <typename T, int D> __device__ void attention_means(const T *y, const T *grad, float *means, u64 packs, AttentionShape s) {
    constexpr int N = Pack<T>::N, LANES = D / N;
    u64 i = (u64)blockIdx.x * blockDim.x + threadIdx.x;
    float sum = 0.0f;
    if (i < packs) {
        Pack<T> a = load(y + i * N), b = load(grad + i * N);
#pragma unroll
        for (int k = 0; k < N; k++) sum += to_float(a.v[k]) * to_float(b.v[k]);
    }
#pragma unroll
    for (int mask = LANES / 2; mask > 0; mask /= 2) sum += shuffle_xor(sum, mask);
    u64 query = i / LANES, token = query / s.heads, head = query % s.heads;
    if (i < packs && i % LANES == 0) means[(token / s.sequence * s.heads + head) * s.sequence + token % s.sequence] = sum;
}

// Where the gradients of the scores of this block's head are, for a tile of queries and one of keys.
template <int TILE, typename T> __device__ T *slopes_of(T *slopes, AttentionShape s, int queries, int keys) {
    u64 tiles = (s.sequence + TILE - 1) / TILE, head = (u64)blockIdx.z * s.heads + blockIdx.y;
    return slopes + (head * (tiles * (tiles + 1) / 2) + (u64)queries * (queries + 1) / 2 + keys) * (TILE * TILE);
}

// Gradients of keys and values, and of the scores. Products are transposed: a row is a key, a column a query.
template <typename T, int D>
__device__ void attention_backward_keys(const T *turned, const T *qkv, const T *grad, const float *cos, const float *sin, const float *log_sums, const float *means,
                                        T *slopes, T *grad_qkv, AttentionShape s) {
    constexpr int TILE = TILE_OF(T), GROUPS = OF(T, ATTENTION_KEYS_GROUPS, 1), WARPS = OF(T, ATTENTION_KEYS_WARPS, ATTENTION_F32_WARPS);
    constexpr int THREADS = WARPS * WARP, MINE = 16 * GROUPS, ROWS = WARPS * MINE, SIZE = TILE * STRIDE_OF(T, D), SLICE = OF(T, ATTENTION_KEYS_SLICE, TILE);
    static_assert(ROWS <= 2 * TILE, "keys and values have to fit where tiles will be");
    static_assert(TILE % MINE == 0 && TILE % SLICE == 0, "a warp's keys, and a slice, belong to one tile");
    __shared__ __align__(16) T tiles[4 * SIZE];
    // Of the queries of a tile: log_sums, then means.
    __shared__ __align__(16) float numbers[4 * TILE];
    auto queries = rows_of<D>(turned, s, 0, 2), grads = rows_of<D>(grad, s, 0, 1);
    int first = blockIdx.x * ROWS, mine = first + threadIdx.x / WARP * MINE;
    const float scale = 1.0f / sqrtf((float)D);
    u64 row = ((u64)blockIdx.z * s.heads + blockIdx.y) * s.sequence;

    fetch<THREADS, ROWS, D>(tiles, rows_of<D>(turned, s, 1, 2), first, s.sequence);
    fetch<THREADS, ROWS, D>(tiles + 2 * SIZE, rows_of<D>(qkv, s, 2, 3), first, s.sequence);
    wait_for_fetches();
    __syncthreads();
    Left<T> keys[GROUPS][D / 16], values[GROUPS][D / 16];
    load_lefts<GROUPS, D>(keys, tiles, mine - first);
    load_lefts<GROUPS, D>(values, tiles + 2 * SIZE, mine - first);
    __syncthreads();

    // Beyond the sequence all are zeros. Probabilities there are 1, and nothing comes of them.
    auto fetch_pair = [&](int start) {
        int which = start / TILE % 2;
        T *at = tiles + which * 2 * SIZE;
        fetch<THREADS, TILE, D>(at, queries, start, s.sequence);
        fetch<THREADS, TILE, D>(at + SIZE, grads, start, s.sequence);
#pragma unroll
        for (int j = 0; j < 2 * TILE; j += THREADS) {
            int i = j + threadIdx.x, query = start + i % TILE;
            if (i >= 2 * TILE) break;
            fetch_number(numbers + which * 2 * TILE + i, (i < TILE ? log_sums : means) + row + query, query < s.sequence);
        }
    };
    Sums grad_keys[GROUPS][D / 8], grad_values[GROUPS][D / 8];
    clear(grad_keys);
    clear(grad_values);
    int begin = first / TILE * TILE;
    fetch_pair(begin);
    for (int start = begin; start < s.sequence; start += TILE) {
        wait_for_fetches();
        __syncthreads();
        if (start + TILE < s.sequence) fetch_pair(start + TILE);
        // None of these queries sees any of the warp's keys.
        if (start / TILE < mine / TILE) continue;
        const T *tile = tiles + start / TILE % 2 * 2 * SIZE;
        const float *tile_numbers = numbers + start / TILE % 2 * 2 * TILE;
        T *out = slopes_of<TILE>(slopes, s, start / TILE, mine / TILE) + mine % TILE * TILE;
#pragma unroll 1
        for (int slice = 0; slice < TILE; slice += SLICE) {
            Sums scores[GROUPS][SLICE / 8], products[GROUPS][SLICE / 8];
            product_with_rows<GROUPS, SLICE, D>(scores, keys, tile + slice * STRIDE_OF(T, D));
            product_with_rows<GROUPS, SLICE, D>(products, values, tile + SIZE + slice * STRIDE_OF(T, D));
            bool diagonal = start + slice < mine + MINE - 1;
#pragma unroll
            for (int g = 0; g < GROUPS; g++) {
                probabilities_of(scores[g], tile_numbers + slice, scale, diagonal, mine + 16 * g, start + slice);
                slopes_from(products[g], scores[g], tile_numbers + TILE + slice);
            }
            add_sums_with_columns<GROUPS, SLICE, D>(grad_values, scores, tile + SIZE + slice * STRIDE_OF(T, D));
#pragma unroll (UNROLL_OF(T))
            for (int k = 0; k < SLICE; k += 16) {
                Left<T> left[GROUPS];
#pragma unroll
                for (int g = 0; g < GROUPS; g++) {
                    as_left(products[g][k / 8], products[g][k / 8 + 1], left[g]);
                    store_left(out + 16 * (g * TILE + slice + k), left[g]);
                }
                add_product_with_columns<GROUPS, D>(grad_keys, left, tile, slice + k);
            }
        }
    }
#pragma unroll
    for (int g = 0; g < GROUPS; g++) {
        store_rows<D>(rows_of<D>(grad_qkv, s, 1, 3), grad_keys[g], places_from(mine + 16 * g), s.sequence, scale, cos, sin);
        store_rows<D>(rows_of<D>(grad_qkv, s, 2, 3), grad_values[g], places_from(mine + 16 * g), s.sequence, 1.0f, nullptr, nullptr);
    }
}

// Gradients of the queries: the slopes of their scores times the keys.
template <typename T, int D>
__device__ void attention_backward_queries(const T *turned, const T *slopes, const float *cos, const float *sin, T *grad_qkv, AttentionShape s) {
    constexpr int TILE = TILE_OF(T), GROUPS = OF(T, ATTENTION_QUERIES_GROUPS, 1), WARPS = OF(T, ATTENTION_QUERIES_WARPS, ATTENTION_F32_WARPS);
    constexpr int THREADS = WARPS * WARP, MINE = 16 * GROUPS, ROWS = WARPS * MINE, SIZE = TILE * STRIDE_OF(T, D);
    static_assert(TILE % MINE == 0, "a warp's queries belong to one tile");
    __shared__ __align__(16) T tiles[2 * SIZE];
    auto keys = rows_of<D>(turned, s, 1, 2);
    // Those that have most to do begin first.
    int first = (gridDim.x - 1 - blockIdx.x) * ROWS, mine = first + threadIdx.x / WARP * MINE, end = min(first + ROWS, s.sequence);
    const T *from = slopes_of<TILE>(slopes, s, mine / TILE, 0) + 16 * (mine % TILE);
    Sums out[GROUPS][D / 8];
    clear(out);
    fetch<THREADS, TILE, D>(tiles, keys, 0, s.sequence);
    for (int start = 0; start < end; start += TILE) {
        // Rows beyond the sequence, in a tile that is not there, have nothing to add.
        bool seen = start <= mine && mine < s.sequence;
        Left<T> left[TILE / 16][GROUPS];
#pragma unroll (UNROLL_OF(T))
        for (int k = 0; k < TILE / 16; k++)
#pragma unroll (UNROLL_OF(T))
            for (int g = 0; seen && g < GROUPS; g++) left[k][g] = load_left_transposed(from + (start + 16 * k) * TILE + 256 * g);
        wait_for_fetches();
        __syncthreads();
        if (start + TILE < end) fetch<THREADS, TILE, D>(tiles + (start / TILE + 1) % 2 * SIZE, keys, start + TILE, s.sequence);
        if (!seen) continue;
#pragma unroll (UNROLL_OF(T))
        for (int k = 0; k < TILE / 16; k++) add_product_with_columns<GROUPS, D>(out, left[k], tiles + start / TILE % 2 * SIZE, 16 * k);
    }
#pragma unroll
    for (int g = 0; g < GROUPS; g++) store_rows<D>(rows_of<D>(grad_qkv, s, 0, 3), out[g], places_from(mine + 16 * g), s.sequence, 1.0f / sqrtf((float)D), cos, sin);
}

#define KERNELS(T, NAME, D)                                                                                                                    \
    extern "C" __global__ void attention_turn_##NAME##_##D(const T *qkv, const float *cos, const float *sin, T *turned, u64 packs,             \
                                                           AttentionShape s) {                                                                 \
        attention_turn<T, D>(qkv, cos, sin, turned, packs, s);                                                                                 \
    }                                                                                                                                          \
    extern "C" __global__ void                                                                                                                 \
        __launch_bounds__(WARP *OF(T, ATTENTION_FORWARD_WARPS, ATTENTION_F32_WARPS), OF(T, ATTENTION_FORWARD_BLOCKS, 1))                       \
        attention_forward_##NAME##_##D(const T *turned, const T *qkv, T *y, float *log_sums, AttentionShape s) {                               \
        attention_forward<T, D>(turned, qkv, y, log_sums, s);                                                                                  \
    }                                                                                                                                          \
    extern "C" __global__ void attention_means_##NAME##_##D(const T *y, const T *grad, float *means, u64 packs, AttentionShape s) {            \
        attention_means<T, D>(y, grad, means, packs, s);                                                                                       \
    }                                                                                                                                          \
    extern "C" __global__ void __launch_bounds__(WARP *OF(T, ATTENTION_KEYS_WARPS, ATTENTION_F32_WARPS), OF(T, ATTENTION_KEYS_BLOCKS, 1))      \
        attention_backward_keys_##NAME##_##D(const T *turned, const T *qkv, const T *grad, const float *cos, const float *sin,                 \
                                             const float *log_sums, const float *means, T *slopes, T *grad_qkv, AttentionShape s) {            \
        attention_backward_keys<T, D>(turned, qkv, grad, cos, sin, log_sums, means, slopes, grad_qkv, s);                                      \
    }                                                                                                                                          \
    extern "C" __global__ void                                                                                                                 \
        __launch_bounds__(WARP *OF(T, ATTENTION_QUERIES_WARPS, ATTENTION_F32_WARPS), OF(T, ATTENTION_QUERIES_BLOCKS, 1))                       \
        attention_backward_queries_##NAME##_##D(const T *turned, const T *slopes, const float *cos, const float *sin, T *grad_qkv,             \
                                                AttentionShape s) {                                                                            \
        attention_backward_queries<T, D>(turned, slopes, cos, sin, grad_qkv, s);                                                               \
    }

KERNELS(float, f32, 16)
KERNELS(float, f32, 32)
KERNELS(float, f32, 64)
KERNELS(bf16, bf16, 16)
KERNELS(bf16, bf16, 32)
KERNELS(bf16, bf16, 64)
