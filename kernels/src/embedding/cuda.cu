// Embedding: gather forward, sum over the tokens that used a row backward.
//
// Launch: tokens blocks of up to EMBEDDING_THREADS. width is a multiple of a pack.
// Forward: 2 numbers of traffic an element. Backward: gradients read once and the table written twice, zeros first; every block also reads all
// token numbers, from the second cache. No atomic additions, whose order would change from run to run. Bound by memory.
// Tolerance: 1e-5 in f32, 1e-2 in bf16; gradients 1e-4 and 2e-2.

constexpr int EMBEDDING_THREADS = 256;

template <typename T> __device__ void embedding_forward(const T *table, const u32 *ids, T *y, int width) {
    const T *row = table + (u64)ids[blockIdx.x] * width;
    y += (u64)blockIdx.x * width;
    for (int i = threadIdx.x * Pack<T>::N; i < width; i += blockDim.x * Pack<T>::N) store(y + i, load(row + i));
}

// Adds gradients of tokens up to rows of the table, which begins as zeros. The block of the first token of a symbol does so for all tokens of
// the symbol, in the order of the text; the others end at once.
template <typename T> __device__ void embedding_backward(const u32 *ids, const T *grad, T *grad_table, int tokens, int width) {
    __shared__ int earlier, near;
    __shared__ bool hits[MOST_THREADS];
    int own = blockIdx.x;
    u32 symbol = ids[own];
    if (threadIdx.x == 0) earlier = 0, near = -1;
    __syncthreads();
    for (int i = threadIdx.x * Pack<u32>::N; i < own; i += blockDim.x * Pack<u32>::N) {
        int last = min(i + Pack<u32>::N, own);
        Pack<u32> some;
        if (last == i + Pack<u32>::N)
            some = load(ids + i);
        else
            for (int k = 0; i + k < last; k++) some.v[k] = ids[i + k];
        for (int k = 0; i + k < last; k++)
            if (some.v[k] == symbol) earlier = 1;
    }
    __syncthreads();
    if (earlier) return;
    for (int first_column = 0; first_column < width; first_column += blockDim.x * Pack<T>::N) {
        int column = first_column + threadIdx.x * Pack<T>::N;
        float sums[Pack<T>::N];
        for (int k = 0; k < Pack<T>::N; k++) sums[k] = 0.0f;
        for (int first = own; first < tokens; first += blockDim.x) {
            int token = first + threadIdx.x;
            hits[threadIdx.x] = token < tokens && ids[token] == symbol;
            // Most stretches of the text have no such token. Whoever finds one says in which stretch.
            if (hits[threadIdx.x]) near = first;
            __syncthreads();
            if (near == first && column < width) {
                for (int i = 0; i < (int)blockDim.x; i++) {
                    if (!hits[i]) continue;
                    Pack<T> pack = load(grad + (u64)(first + i) * width + column);
                    for (int k = 0; k < Pack<T>::N; k++) sums[k] += to_float(pack.v[k]);
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
#define PARAMETERS(T) (const u32 *ids, const T *grad, T *grad_table, int tokens, int width)
FOR_BOTH(embedding_backward, PARAMETERS, (ids, grad, grad_table, tokens, width))
#undef PARAMETERS
