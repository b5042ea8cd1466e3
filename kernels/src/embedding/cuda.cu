// Embedding: gather forward, sum over the tokens that used a row backward.
//
// Launch: tokens blocks of up to EMBEDDING_THREADS; `index` a thread a token. width is a multiple of a pack.
// Forward: 2 numbers of traffic an element. Backward: gradients read once and the table written twice, zeros first; the block of a symbol's
// first token also reads token numbers from there to its last, from the second cache. No atomic additions of gradients, whose order would
// change from run to run. Bound by memory.
// Tolerance: 1e-5 in f32, 1e-2 in bf16; gradients 1e-4 and 2e-2.

constexpr int EMBEDDING_THREADS = 256;

template <typename T> __device__ void embedding_forward(const T *table, const u32 *ids, T *y, int width) {
    const T *row = table + (u64)ids[blockIdx.x] * width;
    y += (u64)blockIdx.x * width;
    for (int i = threadIdx.x * Pack<T>::N; i < width; i += blockDim.x * Pack<T>::N) store(y + i, load(row + i));
}

// Tokens that a thread looks at, at most 8.
constexpr int EMBEDDING_TOKENS = 8;

// Which of EMBEDDING_TOKENS tokens from `first`, a multiple of it, up to `last` are the symbol: a bit each.
__device__ inline unsigned char tokens_of(const u32 *ids, u32 symbol, int first, int last) {
    unsigned char found = 0;
    for (int k = 0; k < EMBEDDING_TOKENS; k += Pack<u32>::N) {
        if (first + k + Pack<u32>::N <= last) {
            Pack<u32> some = load(ids + first + k);
            for (int j = 0; j < Pack<u32>::N; j++) found |= (some.v[j] == symbol) << (k + j);
        } else {
            for (int j = 0; j < Pack<u32>::N && first + k + j < last; j++) found |= (ids[first + k + j] == symbol) << (k + j);
        }
    }
    return found;
}

// Where each symbol is: how many tokens of it there are, and how many from the first of them on. Both tables begin as zeros. In what order
// tokens come does not change what the tables hold in the end.
extern "C" __global__ void embedding_index(const u32 *ids, u32 *counts, u32 *from_first, int tokens) {
    int token = blockIdx.x * blockDim.x + threadIdx.x;
    if (token >= tokens) return;
    atomicAdd(counts + ids[token], 1u);
    atomicMax(from_first + ids[token], (u32)(tokens - token));
}

// Adds gradients of tokens up to rows of the table, which begins as zeros. The block of the first token of a symbol does so for all tokens of
// the symbol, in the order of the text; the others end at once.
template <typename T>
__device__ void embedding_backward(const u32 *ids, const u32 *counts, const u32 *from_first, const T *grad, T *grad_table, int tokens, int width) {
    // In which stretch of the text somebody has found tokens, and how many in all stretches so far.
    __shared__ int near;
    __shared__ u32 found;
    // One bit for each of a thread's tokens; eight threads to look at at once.
    __shared__ __align__(8) unsigned char hits[MOST_THREADS];
    int own = blockIdx.x, stretch = blockDim.x * EMBEDDING_TOKENS;
    u32 symbol = ids[own], count = counts[symbol];
    if (from_first[symbol] != (u32)(tokens - own)) return;
    for (int first_column = 0; first_column < width; first_column += blockDim.x * Pack<T>::N) {
        int column = first_column + threadIdx.x * Pack<T>::N;
        float sums[Pack<T>::N];
        for (int k = 0; k < Pack<T>::N; k++) sums[k] = 0.0f;
        // Everybody has left the columns before.
        __syncthreads();
        if (threadIdx.x == 0) near = -1, found = 0;
        __syncthreads();
        for (int first = own / EMBEDDING_TOKENS * EMBEDDING_TOKENS; found < count; first += stretch) {
            unsigned char mine = tokens_of(ids, symbol, first + threadIdx.x * EMBEDDING_TOKENS, tokens);
            hits[threadIdx.x] = mine;
            // Nobody adds before all have seen whether there is something left.
            __syncthreads();
            // Most stretches of the text have no such token.
            if (mine) near = first, atomicAdd(&found, (u32)__popc(mine));
            __syncthreads();
            if (near == first && column < width) {
                for (int i = 0; i < (int)blockDim.x; i++) {
                    if (i % 8 == 0 && *reinterpret_cast<const u64 *>(hits + i) == 0) {
                        i += 7;
                        continue;
                    }
                    for (int k = 0; k < EMBEDDING_TOKENS && hits[i] >> k; k++) {
                        if (!(hits[i] >> k & 1)) continue;
                        Pack<T> pack = load(grad + (u64)(first + i * EMBEDDING_TOKENS + k) * width + column);
                        for (int j = 0; j < Pack<T>::N; j++) sums[j] += to_float(pack.v[j]);
                    }
                }
            }
            __syncthreads();
        }
        if (column >= width) continue;
        Pack<T> out;
        for (int k = 0; k < Pack<T>::N; k++) out.v[k] = from_float<T>(sums[k]);
        store(grad_table + (u64)symbol * width + column, out);
    }
}

#define PARAMETERS(T) (const T *table, const u32 *ids, T *y, int width)
FOR_BOTH(embedding_forward, PARAMETERS, (table, ids, y, width))
#undef PARAMETERS
#define PARAMETERS(T) (const u32 *ids, const u32 *counts, const u32 *from_first, const T *grad, T *grad_table, int tokens, int width)
FOR_BOTH(embedding_backward, PARAMETERS, (ids, counts, from_first, grad, grad_table, tokens, width))
#undef PARAMETERS
