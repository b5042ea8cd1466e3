// AdamW over one parameter: f32 master weights and moments, the gradient and the working copy in the type that trains.
//
// Launch: ceil(n / ADAMW_ELEMENTS / ADAMW_THREADS) blocks of ADAMW_THREADS.
// 14 FLOP an element; 28 bytes of traffic in bf16 (gradient 2, master, m and v read and written 24, copy 2), 32 in f32. Bound
// by memory.
// Tolerance: 1e-5, of the copy in bf16 1e-2.

constexpr int ADAMW_THREADS = 256;

struct AdamW {
    float keep_m, take_m, keep_v, take_v, keep_parameter, rate, inverse_v_correction, epsilon;
};

// Elements of a thread.
constexpr int ADAMW_ELEMENTS = 4;

template <typename T> struct alignas(ADAMW_ELEMENTS * sizeof(T)) Some {
    T v[ADAMW_ELEMENTS];
};

template <typename T> __device__ Some<T> &some_at(T *at) { return *reinterpret_cast<Some<T> *>(at); }
template <typename T> __device__ const Some<T> &some_at(const T *at) { return *reinterpret_cast<const Some<T> *>(at); }

// The new parameter; updates the moments.
__device__ inline float adamw_one(float master, float g, float &m, float &v, AdamW c) {
    m = c.keep_m * m + c.take_m * g;
    v = c.keep_v * v + c.take_v * g * g;
    float scale = sqrtf(v * c.inverse_v_correction) + c.epsilon;
    return c.keep_parameter * master - c.rate * m / scale;
}

template <typename T> __device__ void adamw(float *master, T *copy, const T *grad, float *m, float *v, u64 n, AdamW c) {
    u64 i = ((u64)blockIdx.x * blockDim.x + threadIdx.x) * ADAMW_ELEMENTS;
    if (i + ADAMW_ELEMENTS <= n) {
        Some<float> masters = some_at(master + i), ms = some_at(m + i), vs = some_at(v + i);
        Some<T> grads = some_at(grad + i), copies;
        for (int k = 0; k < ADAMW_ELEMENTS; k++) {
            masters.v[k] = adamw_one(masters.v[k], to_float(grads.v[k]), ms.v[k], vs.v[k], c);
            copies.v[k] = from_float<T>(masters.v[k]);
        }
        some_at(m + i) = ms;
        some_at(v + i) = vs;
        some_at(master + i) = masters;
        some_at(copy + i) = copies;
        return;
    }
    for (; i < n; i++) {
        master[i] = adamw_one(master[i], to_float(grad[i]), m[i], v[i], c);
        copy[i] = from_float<T>(master[i]);
    }
}

#define PARAMETERS(T) (float *master, T *copy, const T *grad, float *m, float *v, u64 n, AdamW c)
FOR_BOTH(adamw, PARAMETERS, (master, copy, grad, m, v, n, c))
#undef PARAMETERS
