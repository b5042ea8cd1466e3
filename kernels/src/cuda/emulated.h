// Just enough of CUDA to run the kernels on a CPU, thread by thread, so that they are checked where no GPU is. Every thread of a block is a
// fiber; it runs until it meets the others, at __syncthreads or in an exchange between the lanes of its warp. What is asynchronous there is
// late here: copies arrive, and sums of a warpgroup's products are known, when they are waited for, and are NaN before. Warps run one after the
// other as far as they get, so that a missing barrier between them usually shows. What it does not show: races inside a warp; barriers that
// threads reach at different places; a left factor that changes while a product reads it; and speed.
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

// A copy to shared memory that has not been waited for.
struct Fetch {
    void *to;
    const void *from;
    std::size_t bytes;
    bool wanted;
};

// What a product of a warpgroup reads from shared memory, where nobody may write before it was waited for.
struct Factor {
    u64 batch, descriptor;
    bool transposed;
    std::vector<unsigned short> numbers;
};

// Sums of a warpgroup's products that have not been waited for.
struct Flight {
    float (*sums)[4];
    float values[8][4];
    u64 batch;
};

struct Fiber {
    ucontext_t context;
    // As it is: most of it is never touched.
    std::unique_ptr<char[]> stack{new char[STACK]};
    bool ended = false;
    u64 block_meetings = 0, warp_meetings = 0, group_meetings = 0;
    std::vector<Fetch> fetches;
    // How many of them each group has that was ended and not waited for.
    std::vector<std::size_t> fetch_groups;
    std::vector<Flight> flights;
    std::vector<Factor> factors;
    u64 batches = 0;
    // Whether products may begin, and whether they would read what was fetched.
    bool registers_ready = false, fetched_ready = true;
    // What the lane shows to its warp.
    u64 shown[8];
};

inline std::vector<Fiber> fibers;
inline ucontext_t scheduler;
inline std::size_t current;
// Meetings begun and fibers ended: where nobody gets any further, they wait for each other for ever.
inline u64 progress = 0;
inline std::function<void()> kernel;

struct ThreadIdx {
    struct {
        operator unsigned() const { return (unsigned)current; }
    } x;
};
inline ThreadIdx threadIdx;

[[noreturn]] inline void wrong(const char *what) {
    std::fprintf(stderr, "%s\n", what);
    std::abort();
}

inline void let_others_run() { swapcontext(&fibers[current].context, &scheduler); }

// Waits until `count` fibers from `first` on have met as often as this one.
inline void meet(std::size_t first, std::size_t count, u64 Fiber::*meetings) {
    u64 mine = ++(fibers[current].*meetings);
    progress++;
    auto behind = [&](const Fiber &other) {
        if (other.ended && other.*meetings < mine) wrong("a thread has ended before others that wait for it");
        return other.*meetings < mine;
    };
    while (std::any_of(fibers.begin() + first, fibers.begin() + first + count, behind)) let_others_run();
}

// Fibers take turns nowhere else.
inline void atomicAdd(u32 *to, u32 x) { *to += x; }
inline void atomicMax(u32 *to, u32 x) { *to = std::max(*to, x); }
inline int __popc(u32 x) { return __builtin_popcount(x); }

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

inline void store_four(void *to, u32 a, u32 b, u32 c, u32 d) {
    if ((u64)to % 16 != 0) std::abort();
    u32 four[] = {a, b, c, d};
    std::memcpy(to, four, sizeof four);
}

// cp.async, and its groups.
inline void fetch(void *to, const void *from, std::size_t bytes, bool wanted) {
    if ((u64)to % bytes != 0 || (u64)from % bytes != 0) wrong("cp.async copies what does not begin at a multiple of its size");
    std::memset(to, 0xff, bytes);
    fibers[current].fetches.push_back({to, from, bytes, wanted});
}
inline void fetch_pack(void *to, const void *from, bool wanted) { fetch(to, from, 16, wanted); }
inline void fetch_number(float *to, const float *from, bool wanted) { fetch(to, from, 4, wanted); }
inline void end_fetches() {
    Fiber &fiber = fibers[current];
    std::size_t grouped = 0;
    for (std::size_t count : fiber.fetch_groups) grouped += count;
    fiber.fetch_groups.push_back(fiber.fetches.size() - grouped);
}
inline void finish_fetches(std::size_t count) {
    Fiber &fiber = fibers[current];
    for (std::size_t i = 0; i < count; i++) {
        Fetch &one = fiber.fetches[i];
        one.wanted ? std::memcpy(one.to, one.from, one.bytes) : std::memset(one.to, 0, one.bytes);
    }
    fiber.fetches.erase(fiber.fetches.begin(), fiber.fetches.begin() + count);
    if (count > 0) fiber.fetched_ready = false;
}
inline void wait_for_fetches() {
    fibers[current].fetch_groups.clear();
    finish_fetches(fibers[current].fetches.size());
}
template <int LATER> void wait_for_fetches_before() {
    auto &groups = fibers[current].fetch_groups;
    std::size_t count = 0;
    for (; groups.size() > LATER; groups.erase(groups.begin())) count += groups.front();
    finish_fetches(count);
}

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
    if ((u64)row % 16 != 0) wrong("ldmatrix reads a row that does not begin at a multiple of 16 bytes");
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

// wgmma: products of 64 x 16 by 16 x 64 tiles by the four warps of a warpgroup.
#define WARPGROUP 128
inline u32 shared_address(const void *pointer) { return (u32)((const unsigned char *)pointer - block_memory); }
inline void show_fetched_to_products() { fibers[current].fetched_ready = true; }
inline void begin_products(float (&)[8][4]) { fibers[current].registers_ready = true; }
template <typename Left> void begin_products(float (&)[8][4], Left (&)[4]) { fibers[current].registers_ready = true; }
inline void end_products() {
    fibers[current].registers_ready = false;
    fibers[current].batches++;
}

// A factor of 16 x 64 (64 x 16, transposed) numbers as a descriptor has it: rows of 128 bytes, swizzled. Transposed, a row has 64 numbers of
// which the product adds none up; otherwise those that it adds up, of one of 64.
inline std::vector<unsigned short> factor(u64 descriptor, bool transposed) {
    u32 start = (descriptor & 0x3fff) << 4, stride = (descriptor >> 32 & 0x3fff) << 4;
    if (descriptor >> 46 != 1 << 16) wrong("a descriptor that says no swizzle of 128 bytes");
    std::vector<unsigned short> out;
    for (int k = 0; k < 16; k++)
        for (int n = 0; n < 64; n++) {
            u32 row = transposed ? k : n, column = transposed ? n : k, address = start + row / 8 * stride + row % 8 * 128 + 2 * column;
            address ^= (address >> 7 & 7) << 4;
            if (address + 2 > MOST_SHARED) wrong("a factor beyond shared memory");
            out.push_back(((const bf16 *)(block_memory + address))->bits);
        }
    return out;
}

// Of each warpgroup the right factor of its newest product, as the first of its threads has read it.
struct Newest {
    u64 product = 0;
    std::vector<unsigned short> numbers;
    std::vector<float> values;
};
inline std::vector<Newest> newest;

// `left(lanes, row, k)` is the left factor, `row` one of the warp's 16.
template <typename LeftOf>
void emulated_group_product(float (*sums)[4], std::initializer_list<u64> shown, LeftOf left, u64 right, bool transposed, bool keep) {
    std::size_t group = current / WARPGROUP * WARPGROUP;
    meet(group, WARPGROUP, &Fiber::group_meetings);
    Fiber &fiber = fibers[current];
    if (!fiber.registers_ready) wrong("a product without wgmma.fence");
    if (!std::all_of(fibers.begin(), fibers.end(), [](const Fiber &other) { return other.fetched_ready; })) wrong("a product of what was fetched, without fence.proxy.async");
    auto flight = std::find_if(fiber.flights.begin(), fiber.flights.end(), [=](const Flight &one) { return one.sums == sums; });
    if (flight == fiber.flights.end()) {
        fiber.flights.push_back({sums, {}, 0});
        flight = fiber.flights.end() - 1;
        std::memcpy(flight->values, sums, sizeof flight->values);
        std::memset(sums, 0xff, sizeof flight->values);
    }
    flight->batch = fiber.batches;
    Newest &factors = newest[current / WARPGROUP];
    if (factors.product != fiber.group_meetings) {
        factors.product = fiber.group_meetings;
        factors.numbers = factor(right, transposed);
        factors.values.clear();
        for (unsigned short number : factors.numbers) factors.values.push_back(half_of(number, 0));
    }
    // One thread is enough to see whether they stay as they are.
    if (current == group) fiber.factors.push_back({fiber.batches, right, transposed, factors.numbers});
    int r = threadIdx.x % WARP / 4, c = threadIdx.x % 4;
    exchange(shown, [&](Fiber *lanes) {
        for (int half = 0; half < 2; half++) {
            float row[16];
            for (int k = 0; k < 16; k++) row[k] = left(lanes, r + 8 * half, k);
            for (int n = 0; n < 8; n++)
                for (int i = 2 * half; i < 2 * half + 2; i++) {
                    float sum = keep ? flight->values[n][i] : 0.0f;
                    for (int k = 0; k < 16; k++) sum += row[k] * factors.values[64 * k + 8 * n + 2 * c + i % 2];
                    flight->values[n][i] = sum;
                }
        }
        return 0;
    });
}

// From registers.
template <typename Left> void emulated_group_product(float (*sums)[4], const Left &a, u64 right, bool transposed, bool keep) {
    auto left = [](Fiber *lanes, int row, int k) { return half_of(lanes[row % 8 * 4 + k % 8 / 2].shown[row / 8 + k / 8 * 2], k % 2); };
    emulated_group_product(sums, {a.v[0], a.v[1], a.v[2], a.v[3]}, left, right, transposed, keep);
}
// From shared memory, both transposed.
inline void emulated_group_product(float (*sums)[4], u64 left, u64 right, bool keep) {
    int first = current % WARPGROUP / WARP * 16;
    auto numbers = factor(left, true);
    auto of = [&](Fiber *, int row, int k) { return half_of(numbers[64 * k + first + row], 0); };
    emulated_group_product(sums, {}, of, right, true, keep);
    if (current % WARPGROUP == 0) fibers[current].factors.push_back({fibers[current].batches, left, true, numbers});
}

// All but the last LATER batches. `sums` are those that will be read: others stay NaN.
template <int LATER> void wait_for_products(float (&sums)[8][4]) {
    Fiber &fiber = fibers[current];
    auto is_done = [&](const auto &one) { return one.batch + LATER < fiber.batches; };
    for (const Factor &one : fiber.factors)
        if (is_done(one) && factor(one.descriptor, one.transposed) != one.numbers) wrong("a factor was written to before its product was waited for");
    std::erase_if(fiber.factors, is_done);
    auto flight = std::find_if(fiber.flights.begin(), fiber.flights.end(), [&](const Flight &one) { return one.sums == sums && is_done(one); });
    if (flight == fiber.flights.end()) return;
    u32 now[32];
    std::memcpy(now, sums, sizeof now);
    if (std::any_of(now, now + 32, [](u32 bits) { return bits != 0xffffffffu; })) wrong("sums were written to before their product was waited for");
    std::memcpy(sums, flight->values, sizeof flight->values);
    fiber.flights.erase(flight);
}

inline void run_fiber() {
    kernel();
    fibers[current].ended = true;
    progress++;
    let_others_run();
}

// Lets a warp run until none of its threads gets any further, then the next one, or the one before: nothing but a barrier holds them together.
inline void run_block(std::size_t threads, bool backwards) {
    for (u64 before = ~progress; before != progress;) {
        before = progress;
        for (std::size_t i = 0; i < threads / WARP; i++) {
            std::size_t warp = backwards ? threads / WARP - 1 - i : i;
            for (u64 last = ~progress; last != progress;) {
                last = progress;
                for (current = warp * WARP; current < (warp + 1) * WARP; current++)
                    if (!fibers[current].ended) swapcontext(&scheduler, &fibers[current].context);
            }
        }
    }
    if (!std::all_of(fibers.begin(), fibers.end(), [](const Fiber &fiber) { return fiber.ended; })) wrong("threads wait for each other, and for ever");
}

// Runs every block of a grid. Shared memory begins as NaN; beyond what was asked for, nothing may be written.
inline void launch(dim3 grid, unsigned threads, std::size_t shared, std::function<void()> work) {
    if (shared > MOST_SHARED) wrong("more shared memory than a block has");
    kernel = work;
    gridDim = grid;
    blockDim = {threads, 1, 1};
    for (blockIdx.z = 0; blockIdx.z < grid.z; blockIdx.z++)
        for (blockIdx.y = 0; blockIdx.y < grid.y; blockIdx.y++)
            for (blockIdx.x = 0; blockIdx.x < grid.x; blockIdx.x++) {
                if (shared > 0) std::memset(block_memory, 0xff, MOST_SHARED);
                if (fibers.size() != threads) fibers = std::vector<Fiber>(threads);
                newest.assign(threads / WARPGROUP, {});
                for (Fiber &fiber : fibers) {
                    fiber.ended = false;
                    fiber.block_meetings = fiber.warp_meetings = fiber.group_meetings = 0;
                    fiber.fetches.clear(), fiber.fetch_groups.clear(), fiber.flights.clear(), fiber.factors.clear();
                    fiber.batches = 0, fiber.registers_ready = false, fiber.fetched_ready = true;
                    getcontext(&fiber.context);
                    fiber.context.uc_stack.ss_sp = fiber.stack.get();
                    fiber.context.uc_stack.ss_size = STACK;
                    makecontext(&fiber.context, run_fiber, 0);
                }
                run_block(threads, (blockIdx.x + blockIdx.y + blockIdx.z) % 2);
                if (shared > 0 && std::any_of(block_memory + shared, block_memory + MOST_SHARED, [](unsigned char byte) { return byte != 0xff; }))
                    wrong("somebody wrote beyond the shared memory of a launch");
            }
}
