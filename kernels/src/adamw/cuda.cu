// AdamW over up to ADAMW_PARTS parameters: f32 master weights and moments, the gradient and the working copy in the type that trains. Most
// parameters are so small that launches of their own would take longer than they do.
//
// Launch: for each parameter ceil(n / ADAMW_ELEMENTS / ADAMW_THREADS) blocks of ADAMW_THREADS, one parameter's after the other's.
// 14 FLOP an element; 28 bytes of traffic in bf16 (gradient 2, master, m and v read and written 24, copy 2), 32 in f32. Bound
// by memory.
// Tolerance: 1e-5, of the copy in bf16 1e-2.

constexpr int ADAMW_THREADS = 256;

struct AdamW {
    float keep_m, take_m, keep_v, take_v, keep_parameter, rate, inverse_v_correction, epsilon;
};

// Elements of a thread.
constexpr int ADAMW_ELEMENTS = 4;

// Loads and stores of at most 16 bytes.
template <typename T> struct alignas(ADAMW_ELEMENTS * sizeof(T) < 16 ? ADAMW_ELEMENTS * sizeof(T) : 16) Some {
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

template <typename T> struct AdamWPart {
    float *master;
    T *copy;
    const T *grad;
    float *m, *v;
    u64 n;
    AdamW constants;
    u32 first_block;
};

// cuda.rs has the same number. A launch brings at most 4 KiB of arguments.
constexpr int ADAMW_PARTS = 40;

template <typename T> struct AdamWParts {
    AdamWPart<T> parts[ADAMW_PARTS];
    u32 count;
};

template <typename T> __device__ void adamw(const AdamWParts<T> &all) {
    int low = 0;
    for (int high = all.count; high - low > 1;) {
        int middle = (low + high) / 2;
        (all.parts[middle].first_block <= blockIdx.x ? low : high) = middle;
    }
    const AdamWPart<T> &part = all.parts[low];
    u64 i = ((u64)(blockIdx.x - part.first_block) * blockDim.x + threadIdx.x) * ADAMW_ELEMENTS;
    AdamW c = part.constants;
    if (i + ADAMW_ELEMENTS <= part.n) {
        Some<float> masters = some_at(part.master + i), ms = some_at(part.m + i), vs = some_at(part.v + i);
        Some<T> grads = some_at(part.grad + i), copies;
        for (int k = 0; k < ADAMW_ELEMENTS; k++) {
            masters.v[k] = adamw_one(masters.v[k], to_float(grads.v[k]), ms.v[k], vs.v[k], c);
            copies.v[k] = from_float<T>(masters.v[k]);
        }
        some_at(part.m + i) = ms;
        some_at(part.v + i) = vs;
        some_at(part.master + i) = masters;
        some_at(part.copy + i) = copies;
        return;
    }
    for (; i < part.n; i++) {
        part.master[i] = adamw_one(part.master[i], to_float(part.grad[i]), part.m[i], part.v[i], c);
        part.copy[i] = from_float<T>(part.master[i]);
    }
}

extern "C" __global__ void __launch_bounds__(ADAMW_THREADS) adamw_f32(const __grid_constant__ AdamWParts<float> parts) { adamw(parts); }
extern "C" __global__ void __launch_bounds__(ADAMW_THREADS) adamw_bf16(const __grid_constant__ AdamWParts<bf16> parts) { adamw(parts); }
