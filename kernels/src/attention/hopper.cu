// Attention in bf16 with heads of 64 on Hopper (sm_90a): the kernels of cuda.cu with products of a warpgroup, which are said to be 1.7 times as fast
// as a warp's and read one factor from shared memory by themselves. A tile has 64 rows; a warpgroup has 64 rows of its own.
//
// Launch: as in cuda.cu; a block has GROUPS warpgroups, and asks for its tiles of shared memory, 8 KiB each: forward and keys 4, queries
// STAGES x (1 + GROUPS). The same inputs and outputs, except that of the gradients of scores (`slopes`) a tile of 64 keys and 64 queries is as it will be in shared memory:
// a row a key, swizzled, the queries of a row in the order in which a lane has them (`query_of`).
// FLOP, limits and tolerances of cuda.cu.

#ifdef HAS_WARPGROUPS

// Whether the host launches these kernels on a Hopper: 1, or 0.
constexpr int ATTENTION_HOPPER = 0;
constexpr int ATTENTION_HOPPER_FORWARD_GROUPS = 2;
constexpr int ATTENTION_HOPPER_FORWARD_BLOCKS = 2;
constexpr int ATTENTION_HOPPER_KEYS_GROUPS = 2;
constexpr int ATTENTION_HOPPER_KEYS_BLOCKS = 1;
constexpr int ATTENTION_HOPPER_QUERIES_GROUPS = 2;
constexpr int ATTENTION_HOPPER_QUERIES_BLOCKS = 2;
// Tiles that `queries` has on their way or in use, for each of its warpgroups and of keys.
constexpr int ATTENTION_HOPPER_QUERIES_STAGES = 4;

#define HOPPER_TILE 64
// Numbers of a tile: 64 rows of a head.
#define HOPPER_SIZE (HOPPER_TILE * SWIZZLED_COLUMNS)

// Begins to copy ROWS rows from `first` on, beyond the sequence zeros. All THREADS of the block take part.
template <int THREADS, int ROWS> __device__ void fetch_swizzled(bf16 *tile, Rows<const bf16> rows, int first, int sequence) {
    constexpr int STEP = THREADS / 8;
    static_assert(STEP % 8 == 0 && ROWS % STEP == 0, "a thread's rows are swizzled alike");
    int row = threadIdx.x / 8, chunk = threadIdx.x % 8;
    const bf16 *from = rows.at(first + row) + 8 * chunk;
    bf16 *to = swizzled(tile, row, chunk);
#pragma unroll
    for (int j = 0; j < ROWS; j += STEP) fetch_pack(to + j * SWIZZLED_COLUMNS, from + j * rows.stride, first + row + j < sequence);
}

__device__ inline void load_lefts_swizzled(Left<bf16> (&out)[4], bf16 *tile, int row) {
#pragma unroll
    for (int k = 0; k < 4; k++) out[k] = load_left_swizzled(tile, row, 16 * k);
}

// Sums of 64 columns, rounded, as a left factor.
__device__ inline void as_lefts(const Sums (&sums)[8], Left<bf16> (&out)[4]) {
#pragma unroll
    for (int k = 0; k < 4; k++) as_left(sums[2 * k], sums[2 * k + 1], out[k]);
}

// What was fetched before is here, for all threads and their products; and nobody needs the tiles before any more.
__device__ inline void arrive() {
    show_fetched_to_products();
    __syncthreads();
}

// Products are waited for before a loop begins again. Where they went on beyond it, the assembler would make all of them wait for each other.
template <int GROUPS> __device__ void attention_forward_hopper_of(const bf16 *turned, const bf16 *qkv, bf16 *y, float *log_sums, AttentionShape s) {
    constexpr int D = SWIZZLED_COLUMNS, THREADS = WARPGROUP * GROUPS, ROWS = HOPPER_TILE * GROUPS;
    static_assert(GROUPS <= 4, "the queries have to fit where tiles will be");
    bf16 *tiles = reinterpret_cast<bf16 *>(block_memory);
    auto keys = rows_of<D>(turned, s, 1, 2), values = rows_of<D>(qkv, s, 2, 3);
    // Those that have most to do begin first.
    int first = (gridDim.x - 1 - blockIdx.x) * ROWS, own = first + threadIdx.x / WARPGROUP * HOPPER_TILE, mine = first + threadIdx.x / WARP * 16;
    const float scale = LOG2_E / sqrtf((float)D);

    fetch_swizzled<THREADS, ROWS>(tiles, rows_of<D>(turned, s, 0, 2), first, s.sequence);
    wait_for_fetches();
    arrive();
    Left<bf16> queries[4];
    load_lefts_swizzled(queries, tiles, mine - first);
    __syncthreads();

    auto tile_of = [&](int start) { return tiles + start / HOPPER_TILE % 2 * 2 * HOPPER_SIZE; };
    auto fetch_pair = [&](int start) {
        fetch_swizzled<THREADS, HOPPER_TILE>(tile_of(start), keys, start, s.sequence);
        fetch_swizzled<THREADS, HOPPER_TILE>(tile_of(start) + HOPPER_SIZE, values, start, s.sequence);
    };
    Sums out[8];
    clear(out);
    Softmax softmax;
    int end = min(first + ROWS, s.sequence);
    fetch_pair(0);
    for (int start = 0; start < end; start += HOPPER_TILE) {
        wait_for_fetches();
        arrive();
        if (start + HOPPER_TILE < end) fetch_pair(start + HOPPER_TILE);
        // None of these keys is seen by any of the warpgroup's queries.
        if (start > own) continue;
        bf16 *tile = tile_of(start);
        Sums scores[8];
        begin_products(scores, queries);
        group_product_with_rows(scores, queries, tile);
        end_products();
        wait_for_products<0>(scores);
        if (start == own) hide_later_keys(scores, start, mine);
        softmax.add(scores, out, scale);
        Left<bf16> probabilities[4];
        as_lefts(scores, probabilities);
        begin_products(out, probabilities);
        add_group_product_with_columns(out, probabilities, tile + HOPPER_SIZE);
        end_products();
        wait_for_products<0>(out);
    }
    Places places = places_from(mine);
    softmax.end(out, log_sums + ((u64)blockIdx.z * s.heads + blockIdx.y) * s.sequence, places, s.sequence, scale);
    store_rows<D>(rows_of<D>(y, s, 0, 1), out, places, s.sequence, 1.0f, nullptr, nullptr);
}

// The gradients of scores as left factors, to the rows of a warp's 16 keys in a tile of `slopes`. A lane has 16 numbers of each of its two keys, next to each
// other two of every eight: those are what it writes next to each other.
__device__ inline void store_slopes(bf16 *rows, const Left<bf16> (&left)[4]) {
    int r = threadIdx.x % WARP / 4, c = threadIdx.x % 4;
#pragma unroll
    for (int half = 0; half < 2; half++) {
#pragma unroll
        for (int h = 0; h < 2; h++) {
            const Left<bf16> &low = left[2 * h], &high = left[2 * h + 1];
            store_four(swizzled(rows, r, c + 4 * h) + 8 * half * SWIZZLED_COLUMNS, low.v[half], low.v[2 + half], high.v[half], high.v[2 + half]);
        }
    }
}

// The query, in its tile, at a place of a row that `store_slopes` has written.
__device__ inline int query_of(int place) {
    int c = place / 8 % 4, h = place / 32, i = place % 8;
    return 32 * h + i / 2 * 8 + 2 * c + i % 2;
}

template <int GROUPS>
__device__ void attention_backward_keys_hopper_of(const bf16 *turned, const bf16 *qkv, const bf16 *grad, const float *cos, const float *sin,
                                                  const float *log_sums, const float *means, bf16 *slopes, bf16 *grad_qkv, AttentionShape s) {
    constexpr int D = SWIZZLED_COLUMNS, THREADS = WARPGROUP * GROUPS, ROWS = HOPPER_TILE * GROUPS;
    static_assert(GROUPS <= 2, "keys and values have to fit where tiles will be");
    bf16 *tiles = reinterpret_cast<bf16 *>(block_memory);
    // Of the queries of a tile: log_sums, then means.
    __shared__ __align__(16) float numbers[4 * HOPPER_TILE];
    auto queries = rows_of<D>(turned, s, 0, 2), grads = rows_of<D>(grad, s, 0, 1);
    int first = blockIdx.x * ROWS, own = first + threadIdx.x / WARPGROUP * HOPPER_TILE, mine = first + threadIdx.x / WARP * 16;
    const float scale = 1.0f / sqrtf((float)D);
    u64 row = ((u64)blockIdx.z * s.heads + blockIdx.y) * s.sequence;

    fetch_swizzled<THREADS, ROWS>(tiles, rows_of<D>(turned, s, 1, 2), first, s.sequence);
    fetch_swizzled<THREADS, ROWS>(tiles + 2 * HOPPER_SIZE, rows_of<D>(qkv, s, 2, 3), first, s.sequence);
    wait_for_fetches();
    arrive();
    Left<bf16> keys[4], values[4];
    load_lefts_swizzled(keys, tiles, mine - first);
    load_lefts_swizzled(values, tiles + 2 * HOPPER_SIZE, mine - first);
    __syncthreads();

    // Beyond the sequence all are zeros. Probabilities there are 1, and nothing comes of them.
    auto fetch_pair = [&](int start) {
        int which = start / HOPPER_TILE % 2;
        bf16 *at = tiles + which * 2 * HOPPER_SIZE;
        fetch_swizzled<THREADS, HOPPER_TILE>(at, queries, start, s.sequence);
        fetch_swizzled<THREADS, HOPPER_TILE>(at + HOPPER_SIZE, grads, start, s.sequence);
        if (threadIdx.x < 2 * HOPPER_TILE) {
            int query = start + threadIdx.x % HOPPER_TILE;
            const float *from = threadIdx.x < HOPPER_TILE ? log_sums : means;
            fetch_number(numbers + which * 2 * HOPPER_TILE + threadIdx.x, from + row + query, query < s.sequence);
        }
    };
    Sums grad_keys[8], grad_values[8];
    clear(grad_keys);
    clear(grad_values);
    bf16 *out = slopes_of<HOPPER_TILE>(slopes, s, own / HOPPER_TILE, own / HOPPER_TILE) + (mine - own) * SWIZZLED_COLUMNS;
    fetch_pair(first);
    for (int start = first; start < s.sequence; start += HOPPER_TILE) {
        wait_for_fetches();
        arrive();
        if (start + HOPPER_TILE < s.sequence) fetch_pair(start + HOPPER_TILE);
        // None of these queries sees any of the warpgroup's keys.
        if (start < own) continue;
        int which = start / HOPPER_TILE % 2;
        const bf16 *tile = tiles + which * 2 * HOPPER_SIZE;
        const float *tile_numbers = numbers + which * 2 * HOPPER_TILE;
        Sums scores[8], products[8];
        begin_products(scores, keys);
        group_product_with_rows(scores, keys, tile);
        end_products();
        begin_products(products, values);
        group_product_with_rows(products, values, tile + HOPPER_SIZE);
        end_products();
        wait_for_products<1>(scores);
        probabilities_of(scores, tile_numbers, scale, start == own, mine, start);
        Left<bf16> probabilities[4];
        as_lefts(scores, probabilities);
        begin_products(grad_values, probabilities);
        add_group_product_with_columns(grad_values, probabilities, tile + HOPPER_SIZE);
        end_products();
        wait_for_products<1>(products);
        slopes_from(products, scores, tile_numbers + HOPPER_TILE);
        Left<bf16> left[4];
        as_lefts(products, left);
        store_slopes(out, left);
        // To the same keys in the next row of tiles.
        out += (start / HOPPER_TILE + 1) * HOPPER_SIZE;
        begin_products(grad_keys, left);
        add_group_product_with_columns(grad_keys, left, tile);
        end_products();
        wait_for_products<0>(grad_values);
        wait_for_products<0>(grad_keys);
    }
    Places places = places_from(mine);
    store_rows<D>(rows_of<D>(grad_qkv, s, 1, 3), grad_keys, places, s.sequence, scale, cos, sin);
    store_rows<D>(rows_of<D>(grad_qkv, s, 2, 3), grad_values, places, s.sequence, 1.0f, nullptr, nullptr);
}

template <int GROUPS, int STAGES>
__device__ void attention_backward_queries_hopper_of(const bf16 *turned, const bf16 *slopes, const float *cos, const float *sin, bf16 *grad_qkv,
                                                     AttentionShape s) {
    constexpr int D = SWIZZLED_COLUMNS, THREADS = WARPGROUP * GROUPS, ROWS = HOPPER_TILE * GROUPS, STAGE = (1 + GROUPS) * HOPPER_SIZE;
    bf16 *stages = reinterpret_cast<bf16 *>(block_memory);
    auto keys = rows_of<D>(turned, s, 1, 2);
    // Those that have most to do begin first.
    int first = (gridDim.x - 1 - blockIdx.x) * ROWS, group = threadIdx.x / WARPGROUP, own = first + group * HOPPER_TILE;
    int tiles = (min(first + ROWS, s.sequence) + HOPPER_TILE - 1) / HOPPER_TILE;

    // Keys, and of each warpgroup the slopes of its queries, which are copied as they lie there. A group of fetches, empty beyond the end.
    auto fetch_stage = [&](int i) {
        if (i < tiles) {
            bf16 *stage = stages + i % STAGES * STAGE;
            fetch_swizzled<THREADS, HOPPER_TILE>(stage, keys, i * HOPPER_TILE, s.sequence);
            for (int g = 0; g < GROUPS; g++) {
                int queries = first / HOPPER_TILE + g;
                if (i > queries || queries * HOPPER_TILE >= s.sequence) continue;
                const bf16 *from = slopes_of<HOPPER_TILE>(slopes, s, queries, i);
                bf16 *to = stage + (1 + g) * HOPPER_SIZE;
#pragma unroll
                for (int at = 0; at < HOPPER_SIZE; at += 8 * THREADS) fetch_pack(to + at + 8 * threadIdx.x, from + at + 8 * threadIdx.x, true);
            }
        }
        end_fetches();
    };
    Sums out[8];
    clear(out);
    for (int i = 0; i < STAGES - 1; i++) fetch_stage(i);
    for (int i = 0; i < tiles; i++) {
        wait_for_fetches_before<STAGES - 2>();
        arrive();
        fetch_stage(i + STAGES - 1);
        if (i * HOPPER_TILE > own || own >= s.sequence) continue;
        const bf16 *stage = stages + i % STAGES * STAGE;
        u32 left = place_of(stage + (1 + group) * HOPPER_SIZE), right = place_of(stage);
        begin_products(out);
#pragma unroll
        for (int k = 0; k < 4; k++) add_group_product(out, left + k * NEXT_16_ROWS, right + k * NEXT_16_ROWS);
        end_products();
        wait_for_products<0>(out);
    }
    int place = threadIdx.x % WARPGROUP / WARP * 16 + threadIdx.x % WARP / 4;
    Places places = {{own + query_of(place), own + query_of(place + 8)}};
    store_rows<D>(rows_of<D>(grad_qkv, s, 0, 3), out, places, s.sequence, 1.0f / sqrtf((float)D), cos, sin);
}

extern "C" __global__ void __launch_bounds__(WARPGROUP *ATTENTION_HOPPER_FORWARD_GROUPS, ATTENTION_HOPPER_FORWARD_BLOCKS)
    attention_forward_hopper(const bf16 *turned, const bf16 *qkv, bf16 *y, float *log_sums, AttentionShape s) {
    attention_forward_hopper_of<ATTENTION_HOPPER_FORWARD_GROUPS>(turned, qkv, y, log_sums, s);
}

extern "C" __global__ void __launch_bounds__(WARPGROUP *ATTENTION_HOPPER_KEYS_GROUPS, ATTENTION_HOPPER_KEYS_BLOCKS)
    attention_backward_keys_hopper(const bf16 *turned, const bf16 *qkv, const bf16 *grad, const float *cos, const float *sin, const float *log_sums,
                                   const float *means, bf16 *slopes, bf16 *grad_qkv, AttentionShape s) {
    attention_backward_keys_hopper_of<ATTENTION_HOPPER_KEYS_GROUPS>(turned, qkv, grad, cos, sin, log_sums, means, slopes, grad_qkv, s);
}

extern "C" __global__ void __launch_bounds__(WARPGROUP *ATTENTION_HOPPER_QUERIES_GROUPS, ATTENTION_HOPPER_QUERIES_BLOCKS)
    attention_backward_queries_hopper(const bf16 *turned, const bf16 *slopes, const float *cos, const float *sin, bf16 *grad_qkv, AttentionShape s) {
    attention_backward_queries_hopper_of<ATTENTION_HOPPER_QUERIES_GROUPS, ATTENTION_HOPPER_QUERIES_STAGES>(turned, slopes, cos, sin, grad_qkv, s);
}

#endif
