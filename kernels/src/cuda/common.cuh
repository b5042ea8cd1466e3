// What all kernels share: number types, packs of them, sums over a warp and a block. No header of the toolkit is included, so that NVRTC
// needs none on the machine that trains.
#pragma once

// Of a block, on every GPU.
#define MOST_THREADS 1024
#define LOG2_E 1.44269504f

#ifndef OUTPACE_EMULATED

typedef unsigned int u32;
typedef unsigned long long u64;

#define WARP 32
#define INFINITY __int_as_float(0x7f800000)

// The high half of an f32.
struct bf16 {
    unsigned short bits;
};

__device__ inline float to_float(float x) { return x; }
__device__ inline float to_float(bf16 x) { return __uint_as_float((u32)x.bits << 16); }

template <typename T> __device__ T from_float(float x);
template <> __device__ inline float from_float<float>(float x) { return x; }
// Rounds to nearest, ties to even; NaN stays NaN. sm_80 and later.
template <> __device__ inline bf16 from_float<bf16>(float x) {
    bf16 y;
    asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(y.bits) : "f"(x));
    return y;
}

__device__ inline float shuffle(float x, int lane) { return __shfl_sync(0xffffffffu, x, lane); }
__device__ inline float shuffle_xor(float x, int mask) { return __shfl_xor_sync(0xffffffffu, x, mask); }

// 2 to the x, off by at most two units in the last place; what is smaller than a normal number is zero.
__device__ inline float exp2_of(float x) {
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

// 16 bytes of memory at once, which the compiler would not always make of four stores.
__device__ inline void store_four(void *to, u32 a, u32 b, u32 c, u32 d) {
    asm volatile("st.global.v4.b32 [%0], {%1,%2,%3,%4};" ::"l"(__cvta_generic_to_global(to)), "r"(a), "r"(b), "r"(c), "r"(d) : "memory");
}

// Shared memory of as many bytes as the launch says.
extern __shared__ __align__(1024) unsigned char block_memory[];

__device__ inline u32 shared_address(const void *pointer) { return (u32)__cvta_generic_to_shared(pointer); }

// Begin to copy 16 bytes, or one number, from memory to shared memory; zeros instead where `wanted` is false. sm_80 and later.
__device__ inline void fetch_pack(void *to, const void *from, bool wanted) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(to)), "l"(from), "r"(wanted ? 16 : 0) : "memory");
}
__device__ inline void fetch_number(float *to, const float *from, bool wanted) {
    asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(shared_address(to)), "l"(from), "r"(wanted ? 4 : 0) : "memory");
}
// Waits for all that this thread has begun; other threads see it after __syncthreads.
__device__ inline void wait_for_fetches() { asm volatile("cp.async.wait_all;" ::: "memory"); }
// Ends a group of them; waits for all groups but the last LATER.
__device__ inline void end_fetches() { asm volatile("cp.async.commit_group;" ::: "memory"); }
template <int LATER> __device__ inline void wait_for_fetches_before() { asm volatile("cp.async.wait_group %0;" ::"n"(LATER) : "memory"); }

#endif

// Two numbers next to each other, the first at an even place.
template <typename T> struct alignas(2 * sizeof(T)) Pair {
    T v[2];
};

template <typename T> __device__ inline Pair<T> load_pair(const T *from) { return *reinterpret_cast<const Pair<T> *>(from); }

// As many numbers as one load of 16 bytes brings.
template <typename T> struct alignas(16) Pack {
    static constexpr int N = 16 / sizeof(T);
    T v[N];
};

template <typename T> __device__ inline Pack<T> load(const T *from) { return *reinterpret_cast<const Pack<T> *>(from); }
template <typename T> __device__ inline void store(T *to, Pack<T> pack) { *reinterpret_cast<Pack<T> *>(to) = pack; }

// Every lane gets the sum over its warp, added in a fixed order.
__device__ inline float warp_sum(float x) {
    for (int mask = WARP / 2; mask > 0; mask /= 2) x += shuffle_xor(x, mask);
    return x;
}

// NaN is skipped; callers exponentiate what they compare, so it comes back.
__device__ inline float warp_largest(float x) {
    for (int mask = WARP / 2; mask > 0; mask /= 2) x = fmaxf(x, shuffle_xor(x, mask));
    return x;
}

// Names a kernel for both number types, NAME_f32 and NAME_bf16, with launch bounds or without.
#define FOR_BOTH(KERNEL, PARAMETERS, ARGUMENTS) FOR_BOTH_IN(, KERNEL, PARAMETERS, ARGUMENTS)
#define FOR_BOTH_IN(BOUNDS, KERNEL, PARAMETERS, ARGUMENTS)                                                                                     \
    extern "C" __global__ void BOUNDS KERNEL##_f32 PARAMETERS(float) { KERNEL<float> ARGUMENTS; }                                              \
    extern "C" __global__ void BOUNDS KERNEL##_bf16 PARAMETERS(bf16) { KERNEL<bf16> ARGUMENTS; }
