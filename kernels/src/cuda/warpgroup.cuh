// Products of 64 x 16 by 16 x 64 tiles in bf16 with sums in f32 by a warpgroup, four warps: Hopper's wgmma (sm_90a, no other architecture). They
// run by themselves: `begin_products`, products, `end_products` make a batch, and nobody touches its factors and sums before it was
// waited for. Left factors from registers and sums are those of tensor_core.cuh, 16 rows a warp.
//
// Factors in shared memory are tiles of 64 columns whose rows lie next to each other, 128 bytes each, at a multiple of 1,024 bytes; the 16 bytes c
// of row r are at place c ^ r % 8, so that eight rows, as well as eight columns, are in different banks (the PTX manual's 128-byte
// swizzle).
#pragma once

#ifndef OUTPACE_EMULATED
#define WARPGROUP 128
#endif

#if defined(OUTPACE_EMULATED) || defined(__CUDA_ARCH_FEAT_SM90_ALL)
#define HAS_WARPGROUPS

// Columns of a row.
#define SWIZZLED_COLUMNS 64
// What a product has to know of a factor is 64 bits: its place in units of 16 bytes, and these, that eight rows take 1,024 bytes and that they are
// swizzled by 128.
#define SWIZZLED (1024 / 16 | 1 << 30)
// From one tile of 16 rows to the next, or of 16 columns, in places.
#define NEXT_16_ROWS (16 * 128 / 16)
#define NEXT_16_COLUMNS (32 / 16)

#ifdef OUTPACE_EMULATED

inline u64 descriptor(u32 place) { return place | (u64)SWIZZLED << 32; }
template <int TRANSPOSED> void add_group_product(Sums (&sums)[8], const Left<bf16> &left, u32 right, bool keep) {
    emulated_group_product(sums, left, descriptor(right), TRANSPOSED, keep);
}
inline void add_group_product(Sums (&sums)[8], u32 left, u32 right) {
    emulated_group_product(sums, descriptor(left), descriptor(right), true);
}

#else

#define FOUR_SUMS(S, N) "+f"(S[N][0]), "+f"(S[N][1]), "+f"(S[N][2]), "+f"(S[N][3])
#define ALL_SUMS(S)                                                                                                                            \
    FOUR_SUMS(S, 0), FOUR_SUMS(S, 1), FOUR_SUMS(S, 2), FOUR_SUMS(S, 3), FOUR_SUMS(S, 4), FOUR_SUMS(S, 5), FOUR_SUMS(S, 6), FOUR_SUMS(S, 7)
#define ALL_OF(LEFT) "+r"(LEFT.v[0]), "+r"(LEFT.v[1]), "+r"(LEFT.v[2]), "+r"(LEFT.v[3])
#define SUM_NAMES                                                                                                                              \
    "{%0,%1,%2,%3,%4,%5,%6,%7,%8,%9,%10,%11,%12,%13,%14,%15,%16,%17,%18,%19,%20,%21,%22,%23,%24,%25,%26,%27,%28,%29,%30,%31}"
#define PRODUCT "wgmma.mma_async.sync.aligned.m64n64k16.f32.bf16.bf16 "

// What this thread has fetched, to products of any thread, after the next barrier.
__device__ inline void show_fetched_to_products() { asm volatile("fence.proxy.async.shared::cta;" ::: "memory"); }
// Sums and left factors that are in registers are ready: the compiler must not write to them later.
__device__ inline void begin_products(Sums (&sums)[8]) { asm volatile("wgmma.fence.sync.aligned;" : ALL_SUMS(sums)::"memory"); }
__device__ inline void begin_products(Sums (&sums)[8], Left<bf16> (&left)[4]) {
    asm volatile("wgmma.fence.sync.aligned;" : ALL_SUMS(sums), ALL_OF(left[0]), ALL_OF(left[1]), ALL_OF(left[2]), ALL_OF(left[3])::"memory");
}
__device__ inline void end_products() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }

// Waits for all batches but the last LATER. `sums` are those that will be read: the compiler must not read them earlier.
template <int LATER> __device__ inline void wait_for_products(Sums (&sums)[8]) {
    asm volatile("wgmma.wait_group.sync.aligned %32;" : ALL_SUMS(sums) : "n"(LATER) : "memory");
}

// sums += left x right, or just the product. The right factor's transpose is in shared memory (64 x 16), or it is itself (16 x 64, TRANSPOSED:
// what is next to each other is not what is added up).
template <int TRANSPOSED> __device__ inline void add_group_product(Sums (&sums)[8], const Left<bf16> &left, u32 right, bool keep) {
    asm volatile("{.reg .pred p; .reg .b64 right; setp.ne.b32 p, %37, 0; mov.b64 right, {%36, %39};" PRODUCT SUM_NAMES
                 ", {%32,%33,%34,%35}, right, p, 1, 1, %38;}"
                 : ALL_SUMS(sums)
                 : "r"(left.v[0]), "r"(left.v[1]), "r"(left.v[2]), "r"(left.v[3]), "r"(right), "r"((int)keep), "n"(TRANSPOSED), "n"(SWIZZLED));
}

// sums += left x right, both in shared memory: the left factor's transpose (16 x 64) and the right one itself.
__device__ inline void add_group_product(Sums (&sums)[8], u32 left, u32 right) {
    asm volatile("{.reg .b64 left, right; mov.b64 left, {%32, %34}; mov.b64 right, {%33, %34};" PRODUCT SUM_NAMES ", left, right, 1, 1, 1, 1, 1;}"
                 : ALL_SUMS(sums)
                 : "r"(left), "r"(right), "n"(SWIZZLED));
}

#endif

// Where a tile, which begins at a multiple of 1,024 bytes, is for a product.
__device__ inline u32 place_of(const bf16 *tile) { return shared_address(tile) >> 4; }

// The 16 bytes `chunk` of a row.
__device__ inline bf16 *swizzled(bf16 *tile, int row, int chunk) { return tile + row * SWIZZLED_COLUMNS + (chunk ^ row % 8) * 8; }

__device__ inline Left<bf16> load_left_swizzled(bf16 *tile, int row, int k) {
    int lane = threadIdx.x % WARP;
    Left<bf16> out;
    load_matrices(out.v, swizzled(tile, row + lane % 16, k / 8 + lane / 16));
    return out;
}

// sums = left (64 x 64) times the transpose of a tile of 64 rows.
__device__ inline void group_product_with_rows(Sums (&sums)[8], const Left<bf16> (&left)[4], const bf16 *tile) {
    u32 right = place_of(tile);
#pragma unroll
    for (int k = 0; k < 4; k++) add_group_product<0>(sums, left[k], right + k * NEXT_16_COLUMNS, k > 0);
}

// sums += left (64 x 64) times a tile of 64 rows.
__device__ inline void add_group_product_with_columns(Sums (&sums)[8], const Left<bf16> (&left)[4], const bf16 *tile) {
    u32 right = place_of(tile);
#pragma unroll
    for (int k = 0; k < 4; k++) add_group_product<1>(sums, left[k], right + k * NEXT_16_ROWS, true);
}

#endif
