// Products of 16 x 16 by 16 x 8 tiles with sums in f32, by one warp: tensor cores for bf16, shuffles for f32, which is there to be checked
// against and not to be fast.
//
// Fragments, as the PTX manual draws them for mma.m16n8k16 (lane = 4 r + c, r < 8, c < 4):
//   Left   rows r and r + 8, columns 2c, 2c + 1, 2c + 8, 2c + 9
//   Right  columns (n) r, rows (k) 2c, 2c + 1, 2c + 8, 2c + 9
//   Sums   rows r and r + 8, columns 2c, 2c + 1
#pragma once

template <typename T> struct Left;
template <typename T> struct Right;

typedef float Sums[4];

// f32: element by element.
template <> struct alignas(16) Left<float> {
    float v[8];
};
template <> struct Right<float> {
    float v[4];
};

// Rows from `row` on and columns from `k` on of a tile in shared memory.
__device__ inline Left<float> load_left(const float *tile, int stride, int row, int k) {
    int r = threadIdx.x % WARP / 4, c = threadIdx.x % 4;
    Left<float> out;
    for (int i = 0; i < 8; i++) out.v[i] = tile[(row + r + i / 2 % 2 * 8) * stride + k + 2 * c + i % 2 + i / 4 * 8];
    return out;
}

// What `store_left` has written, transposed.
__device__ inline Left<float> load_left_transposed(const float *from) {
    int r = threadIdx.x % WARP / 4, c = threadIdx.x % 4;
    Left<float> out;
    for (int i = 0; i < 8; i++) {
        int row = 2 * c + i % 2, lane = 4 * row + r / 2, element = r % 2 + i / 4 * 2 + i / 2 % 2 * 4;
        out.v[i] = from[lane * 8 + element];
    }
    return out;
}

// Two right factors next to each other, columns from `n` and from `n` + 8 on. `tile` holds their transpose: row n, column k.
__device__ inline void load_right(const float *tile, int stride, int n, int k, Right<float> out[2]) {
    int r = threadIdx.x % WARP / 4, c = threadIdx.x % 4;
    for (int j = 0; j < 2; j++)
        for (int i = 0; i < 4; i++) out[j].v[i] = tile[(n + 8 * j + r) * stride + k + 2 * c + i % 2 + i / 2 * 8];
}

// The same where `tile` holds them as they are: row k, column n.
__device__ inline void load_right_transposed(const float *tile, int stride, int n, int k, Right<float> out[2]) {
    int r = threadIdx.x % WARP / 4, c = threadIdx.x % 4;
    for (int j = 0; j < 2; j++)
        for (int i = 0; i < 4; i++) out[j].v[i] = tile[(k + 2 * c + i % 2 + i / 2 * 8) * stride + n + 8 * j + r];
}

// Two tiles of sums, next to each other, as a left factor.
__device__ inline void as_left(const Sums &a, const Sums &b, Left<float> &out) {
    for (int i = 0; i < 4; i++) {
        out.v[i] = a[i];
        out.v[i + 4] = b[i];
    }
}

__device__ inline void add_product(Sums &sums, const Left<float> &a, const Right<float> &b) {
    int lane = threadIdx.x % WARP, r = lane / 4, c = lane % 4;
    for (int k = 0; k < 16; k++) {
        int holder = k % 8 / 2, element = k % 2, half = k / 8;
        float above = shuffle(half ? (element ? a.v[5] : a.v[4]) : (element ? a.v[1] : a.v[0]), r * 4 + holder);
        float below = shuffle(half ? (element ? a.v[7] : a.v[6]) : (element ? a.v[3] : a.v[2]), r * 4 + holder);
        float mine = b.v[half * 2 + element];
        float first = shuffle(mine, 2 * c * 4 + holder), second = shuffle(mine, (2 * c + 1) * 4 + holder);
        sums[0] += above * first;
        sums[1] += above * second;
        sums[2] += below * first;
        sums[3] += below * second;
    }
}

// bf16: two numbers a register, the even one in its low half.
template <> struct alignas(16) Left<bf16> {
    u32 v[4];
};
template <> struct Right<bf16> {
    u32 v[2];
};

#ifndef OUTPACE_EMULATED

// Four 8 x 8 matrices; lane 8 i + j points at row j of the i-th.
__device__ inline void load_matrices(u32 out[4], const bf16 *row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3])
                 : "r"(shared_address(row)));
}

__device__ inline void load_matrices_transposed(u32 out[4], const bf16 *row) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(out[0]), "=r"(out[1]), "=r"(out[2]), "=r"(out[3])
                 : "r"(shared_address(row)));
}

// An 8 x 8 matrix, of which a lane holds two numbers.
__device__ inline u32 transposed(u32 numbers) {
    u32 out;
    asm volatile("movmatrix.sync.aligned.m8n8.trans.b16 %0, %1;" : "=r"(out) : "r"(numbers));
    return out;
}

__device__ inline u32 pack_pair(float low, float high) {
    u32 out;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(out) : "f"(high), "f"(low));
    return out;
}

__device__ inline void add_product(Sums &sums, const Left<bf16> &a, const Right<bf16> &b) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                 : "+f"(sums[0]), "+f"(sums[1]), "+f"(sums[2]), "+f"(sums[3])
                 : "r"(a.v[0]), "r"(a.v[1]), "r"(a.v[2]), "r"(a.v[3]), "r"(b.v[0]), "r"(b.v[1]));
}

#else

inline void add_product(Sums &sums, const Left<bf16> &a, const Right<bf16> &b) { emulated_product(sums, a, b); }

#endif

__device__ inline Left<bf16> load_left(const bf16 *tile, int stride, int row, int k) {
    int lane = threadIdx.x % WARP;
    Left<bf16> out;
    load_matrices(out.v, tile + (row + lane % 16) * stride + k + lane / 16 * 8);
    return out;
}

__device__ inline Left<bf16> load_left_transposed(const bf16 *from) {
    Left<bf16> in = reinterpret_cast<const Left<bf16> *>(from)[threadIdx.x % WARP];
    return {transposed(in.v[0]), transposed(in.v[2]), transposed(in.v[1]), transposed(in.v[3])};
}

__device__ inline void load_right(const bf16 *tile, int stride, int n, int k, Right<bf16> out[2]) {
    int lane = threadIdx.x % WARP;
    u32 v[4];
    load_matrices(v, tile + (n + lane / 16 * 8 + lane % 8) * stride + k + lane / 8 % 2 * 8);
    for (int i = 0; i < 4; i++) out[i / 2].v[i % 2] = v[i];
}

__device__ inline void load_right_transposed(const bf16 *tile, int stride, int n, int k, Right<bf16> out[2]) {
    int lane = threadIdx.x % WARP;
    u32 v[4];
    load_matrices_transposed(v, tile + (k + lane / 8 % 2 * 8 + lane % 8) * stride + n + lane / 16 * 8);
    for (int i = 0; i < 4; i++) out[i / 2].v[i % 2] = v[i];
}

// Both rounded, next to each other, the first at an even place.
__device__ inline void store_pair(float *to, const float (&pair)[2]) { *reinterpret_cast<Pair<float> *>(to) = {pair[0], pair[1]}; }
__device__ inline void store_pair(bf16 *to, const float (&pair)[2]) { *reinterpret_cast<u32 *>(to) = pack_pair(pair[0], pair[1]); }

__device__ inline void as_left(const Sums &a, const Sums &b, Left<bf16> &out) {
    out.v[0] = pack_pair(a[0], a[1]);
    out.v[1] = pack_pair(a[2], a[3]);
    out.v[2] = pack_pair(b[0], b[1]);
    out.v[3] = pack_pair(b[2], b[3]);
}

// A left factor to memory, 256 numbers in the order of lanes and their elements.
template <typename T> __device__ void store_left(T *to, const Left<T> &left) { reinterpret_cast<Left<T> *>(to)[threadIdx.x % WARP] = left; }
