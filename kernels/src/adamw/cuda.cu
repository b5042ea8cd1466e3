// AdamW over one parameter: f32 master weights and moments, the gradient and the working copy in the type that trains.
//
// Launch: ceil(n / ADAMW_THREADS) blocks of ADAMW_THREADS, each thread with one element.
// 14 FLOP an element; 28 bytes of traffic in bf16 (gradient 2, master, m and v read and written 24, copy 2), 32 in f32. Bound
// by memory.
// Tolerance: 1e-5, of the copy in bf16 1e-2.

constexpr int ADAMW_THREADS = 256;

struct AdamW {
    float keep_m, take_m, keep_v, take_v, keep_parameter, rate, inverse_v_correction, epsilon;
};

template <typename T> __device__ void adamw(float *master, T *copy, const T *grad, float *m, float *v, u64 n, AdamW c) {
    u64 i = (u64)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= n) return;
    float g = to_float(grad[i]);
    float new_m = c.keep_m * m[i] + c.take_m * g;
    float new_v = c.keep_v * v[i] + c.take_v * g * g;
    float scale = sqrtf(new_v * c.inverse_v_correction) + c.epsilon;
    float parameter = c.keep_parameter * master[i] - c.rate * new_m / scale;
    m[i] = new_m;
    v[i] = new_v;
    master[i] = parameter;
    copy[i] = from_float<T>(parameter);
}

#define PARAMETERS(T) (float *master, T *copy, const T *grad, float *m, float *v, u64 n, AdamW c)
FOR_BOTH(adamw, PARAMETERS, (master, copy, grad, m, v, n, c))
#undef PARAMETERS
