// Embedding: gather forward, sum over the tokens that used a row backward.
//
// Launch: forward tokens blocks, backward symbols blocks, each of up to 256 threads. width is a multiple of a pack.
// Forward: 2 numbers of traffic an element. Backward: the same, and every block reads all token numbers, from the second cache: no atomic
// additions, whose order would change from run to run. Bound by memory.
// Tolerance: 1e-5 in f32, 1e-2 in bf16; gradients 1e-4 and 2e-2.

template <typename T> __device__ void embedding_forward(const T *table, const u32 *ids, T *y, int width) {
    const T *row = table + (u64)ids[blockIdx.x] * width;
    y += (u64)blockIdx.x * width;
    for (int i = threadIdx.x * Pack<T>::N; i < width; i += blockDim.x * Pack<T>::N) store(y + i, load(row + i));
}

#define EMBEDDING_IDS 1024

// The gradient of table row blockIdx.x: each thread adds up packs of its columns over the tokens in the order of the text.
template <typename T> __device__ void embedding_backward(const u32 *ids, const T *grad, T *grad_table, int tokens, int width) {
    __shared__ u32 near[EMBEDDING_IDS];
    for (int first_column = 0; first_column < width; first_column += blockDim.x * Pack<T>::N) {
        int column = first_column + threadIdx.x * Pack<T>::N;
        float sums[Pack<T>::N];
        for (int k = 0; k < Pack<T>::N; k++) sums[k] = 0.0f;
        for (int first = 0; first < tokens; first += EMBEDDING_IDS) {
            int count = min(EMBEDDING_IDS, tokens - first);
            __syncthreads();
            for (int i = threadIdx.x; i < count; i += blockDim.x) near[i] = ids[first + i];
            __syncthreads();
            if (column >= width) continue;
            for (int i = 0; i < count; i++) {
                if (near[i] != blockIdx.x) continue;
                Pack<T> pack = load(grad + (u64)(first + i) * width + column);
                for (int k = 0; k < Pack<T>::N; k++) sums[k] += to_float(pack.v[k]);
            }
        }
        if (column >= width) continue;
        Pack<T> out;
        for (int k = 0; k < Pack<T>::N; k++) out.v[k] = from_float<T>(sums[k]);
        store(grad_table + (u64)blockIdx.x * width + column, out);
    }
}

#define PARAMETERS(T) (const T *table, const u32 *ids, T *y, int width)
FOR_BOTH(embedding_forward, PARAMETERS, (table, ids, y, width))
#undef PARAMETERS
#define PARAMETERS(T) (const u32 *ids, const T *grad, T *grad_table, int tokens, int width)
FOR_BOTH(embedding_backward, PARAMETERS, (ids, grad, grad_table, tokens, width))
#undef PARAMETERS
