// Just enough of CUDA to run the kernels on a CPU, thread by thread, so that they are checked where no GPU is. Every thread of a block is a
// fiber; it runs until it meets the others, at __syncthreads or in an exchange between the lanes of its warp. What it does not show: races,
// because fibers take turns; barriers that threads reach at different places; shared memory that is read before it is written; and speed.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <memory>
#include <ucontext.h>
#include <vector>

#define OUTPACE_EMULATED
#define __device__
#define __global__
#define __grid_constant__
#define __launch_bounds__(...)
// Blocks run one after the other, so that one copy serves.
#define __shared__ static
#define __align__(n) __attribute__((aligned(n)))

typedef unsigned int u32;
typedef unsigned long long u64;
#define WARP 32

struct dim3 {
    unsigned x = 1, y = 1, z = 1;
};
inline dim3 blockIdx, blockDim, gridDim;

struct float2 {
    float x, y;
};
inline float2 make_float2(float x, float y) { return {x, y}; }
using std::min;

// Shared memory that a launch asks for.
constexpr std::size_t MOST_SHARED = 227 << 10;
alignas(1024) inline unsigned char block_memory[MOST_SHARED];

constexpr std::size_t STACK = 64 << 10;

struct Fiber {
    ucontext_t context;
    // As it is: most of it is never touched.
    std::unique_ptr<char[]> stack{new char[STACK]};
    bool ended = false;
    u64 block_meetings = 0, warp_meetings = 0;
    // What the lane shows to its warp.
    u64 shown[8];
};

inline std::vector<Fiber> fibers;
inline ucontext_t scheduler;
inline std::size_t current;
inline std::function<void()> kernel;

struct ThreadIdx {
    struct {
        operator unsigned() const { return (unsigned)current; }
    } x;
};
inline ThreadIdx threadIdx;

inline void let_others_run() { swapcontext(&fibers[current].context, &scheduler); }

// Waits until `count` fibers from `first` on have met as often as this one.
inline void meet(std::size_t first, std::size_t count, u64 Fiber::*meetings) {
    u64 mine = ++(fibers[current].*meetings);
    auto behind = [&](const Fiber &other) {
        if (other.ended && other.*meetings < mine) {
            std::fprintf(stderr, "a thread has ended before others that wait for it\n");
            std::abort();
        }
        return other.*meetings < mine;
    };
    while (std::any_of(fibers.begin() + first, fibers.begin() + first + count, behind)) let_others_run();
}

inline void __syncthreads() { meet(0, fibers.size(), &Fiber::block_meetings); }

// Shows values to the warp, lets `use` look at all lanes, and leaves together: nobody overwrites what another still reads.
template <typename Use> auto exchange(std::initializer_list<u64> values, Use use) {
    std::size_t first = current / WARP * WARP;
    std::copy(values.begin(), values.end(), fibers[current].shown);
    meet(first, WARP, &Fiber::warp_meetings);
    auto result = use(&fibers[first]);
    meet(first, WARP, &Fiber::warp_meetings);
    return result;
}

template <typename To, typename From> To bits(From from) {
    static_assert(sizeof(To) == sizeof(From));
    To to;
    std::memcpy(&to, &from, sizeof to);
    return to;
}

inline float shuffle(float x, int lane) {
    return exchange({bits<u32>(x)}, [=](Fiber *lanes) { return bits<float>((u32)lanes[lane].shown[0]); });
}
inline float shuffle_xor(float x, int mask) { return shuffle(x, (int)(threadIdx.x % WARP) ^ mask); }

inline float exp2_of(float x) { return std::exp2(x); }

// Copied at once. A kernel that forgets to wait is not caught here.
inline void fetch_pack(void *to, const void *from, bool wanted) {
    if ((u64)to % 16 != 0 || (u64)from % 16 != 0) {
        std::fprintf(stderr, "cp.async copies what does not begin at a multiple of 16 bytes\n");
        std::abort();
    }
    wanted ? std::memcpy(to, from, 16) : std::memset(to, 0, 16);
}
inline void fetch_number(float *to, const float *from, bool wanted) { *to = wanted ? *from : 0.0f; }
inline void wait_for_fetches() {}

struct bf16 {
    unsigned short bits;
};
inline float to_float(float x) { return x; }
inline float to_float(bf16 x) { return bits<float>((u32)x.bits << 16); }
template <typename T> T from_float(float x);
template <> inline float from_float<float>(float x) { return x; }
template <> inline bf16 from_float<bf16>(float x) {
    u32 u = bits<u32>(x);
    if (std::isnan(x)) return {0x7fff};
    return {(unsigned short)((u + 0x7fff + (u >> 16 & 1)) >> 16)};
}

inline u32 pack_pair(float low, float high) { return from_float<bf16>(low).bits | (u32)from_float<bf16>(high).bits << 16; }
inline float half_of(u64 pair, int which) { return bits<float>(which ? (u32)pair & 0xffff0000u : (u32)pair << 16); }

// ldmatrix: lane 4 r + c gets numbers 2c and 2c + 1 of row r of each matrix, or of its transpose.
inline void load_matrices_either(u32 out[4], const bf16 *row, bool transposed) {
    int r = threadIdx.x % WARP / 4, c = threadIdx.x % 4;
    if ((u64)row % 16 != 0) {
        std::fprintf(stderr, "ldmatrix reads a row that does not begin at a multiple of 16 bytes\n");
        std::abort();
    }
    exchange({(u64)row}, [&](Fiber *lanes) {
        for (int i = 0; i < 4; i++) {
            auto at = [&](int row, int column) { return ((const bf16 *)lanes[8 * i + row].shown[0])[column].bits; };
            u32 low = transposed ? at(2 * c, r) : at(r, 2 * c), high = transposed ? at(2 * c + 1, r) : at(r, 2 * c + 1);
            out[i] = low | high << 16;
        }
        return 0;
    });
}
inline void load_matrices(u32 out[4], const bf16 *row) { load_matrices_either(out, row, false); }
inline void load_matrices_transposed(u32 out[4], const bf16 *row) { load_matrices_either(out, row, true); }

// movmatrix.
inline u32 transposed(u32 numbers) {
    int r = threadIdx.x % WARP / 4, c = threadIdx.x % 4;
    return exchange({numbers}, [=](Fiber *lanes) {
        auto at = [&](int row, int column) { return (u32)(lanes[4 * row + column / 2].shown[0] >> column % 2 * 16 & 0xffff); };
        return at(2 * c, r) | at(2 * c + 1, r) << 16;
    });
}

// mma.m16n8k16 by its definition: both factors are put together from all lanes' fragments.
template <typename Left, typename Right> void emulated_product(float (&sums)[4], const Left &a, const Right &b) {
    int r = threadIdx.x % WARP / 4, c = threadIdx.x % 4;
    exchange({a.v[0], a.v[1], a.v[2], a.v[3], b.v[0], b.v[1]}, [&](Fiber *lanes) {
        for (int i = 0; i < 4; i++) {
            int row = r + i / 2 * 8, column = 2 * c + i % 2;
            float sum = sums[i];
            for (int k = 0; k < 16; k++) {
                float left = half_of(lanes[row % 8 * 4 + k % 8 / 2].shown[row / 8 + k / 8 * 2], k % 2);
                float right = half_of(lanes[column * 4 + k % 8 / 2].shown[4 + k / 8], k % 2);
                sum += left * right;
            }
            sums[i] = sum;
        }
        return 0;
    });
}

inline void run_fiber() {
    kernel();
    fibers[current].ended = true;
    let_others_run();
}

// Runs every block of a grid. Shared memory begins as NaN; beyond what was asked for, nothing may be written.
inline void launch(dim3 grid, unsigned threads, std::size_t shared, std::function<void()> work) {
    if (shared > MOST_SHARED) {
        std::fprintf(stderr, "%zu bytes of shared memory, a block has %zu at most\n", shared, MOST_SHARED);
        std::abort();
    }
    kernel = work;
    gridDim = grid;
    blockDim = {threads, 1, 1};
    for (blockIdx.z = 0; blockIdx.z < grid.z; blockIdx.z++)
        for (blockIdx.y = 0; blockIdx.y < grid.y; blockIdx.y++)
            for (blockIdx.x = 0; blockIdx.x < grid.x; blockIdx.x++) {
                if (shared > 0) std::memset(block_memory, 0xff, MOST_SHARED);
                if (fibers.size() != threads) fibers = std::vector<Fiber>(threads);
                for (Fiber &fiber : fibers) {
                    fiber.ended = false;
                    fiber.block_meetings = fiber.warp_meetings = 0;
                    getcontext(&fiber.context);
                    fiber.context.uc_stack.ss_sp = fiber.stack.get();
                    fiber.context.uc_stack.ss_size = STACK;
                    makecontext(&fiber.context, run_fiber, 0);
                }
                for (bool running = true; running;) {
                    running = false;
                    for (current = 0; current < threads; current++) {
                        if (fibers[current].ended) continue;
                        swapcontext(&scheduler, &fibers[current].context);
                        running = true;
                    }
                }
                if (shared > 0 && std::any_of(block_memory + shared, block_memory + MOST_SHARED, [](unsigned char byte) { return byte != 0xff; })) {
                    std::fprintf(stderr, "somebody wrote beyond %zu bytes of shared memory\n", shared);
                    std::abort();
                }
            }
}
