// A GPU's driver on a CPU: the calls of libcuda, cuBLAS and cuRAND that outpace-gpt makes, so that the whole program runs where no GPU
// is. Kernels are the real ones, compiled as C++ (src/cuda/emulated.h) and found by their names; launches and copies are done at once, in
// order. Memory begins as 0xff, so that a number that nobody wrote is NaN, and has a margin on both sides that is checked when it is freed.
// What this does not show: anything asynchronous, races, and speed.

#include "emulated.h"
#include "common.cuh"
#include "tensor_core.cuh"
#include "warpgroup.cuh"

#include "../adamw/cuda.cu"
#include "../add/cuda.cu"
#include "../attention/cuda.cu"
#include "../attention/hopper.cu"
#include "../cross_entropy/cuda.cu"
#include "../embedding/cuda.cu"
#include "../relu_squared/cuda.cu"
#include "../rms_norm/cuda.cu"

#include <ctime>
#include <map>
#include <string>
#include <unistd.h>

namespace {

enum Result { SUCCESS = 0, INVALID_VALUE = 1, OUT_OF_MEMORY = 2, NOT_FOUND = 500 };

[[noreturn]] void give_up(const char *what, const std::string &of) {
    std::fprintf(stderr, "emulated driver: %s: %s\n", what, of.c_str());
    std::_Exit(70);
}

// Kernels, with arguments as a launch brings them: pointers to each.
using Call = std::function<void(void **)>;
// Of kernels that ask for more at a launch.
constexpr unsigned DECLARED = 1024;
std::FILE *const log_of_launches = std::getenv("EMULATED_LOG") ? std::fopen(std::getenv("EMULATED_LOG"), "a") : nullptr;
struct Kernel {
    Call call;
    const char *name;
    // Without a word to the driver a block has 48 KiB with what its kernel declares.
    mutable unsigned most_shared = (48 << 10) - DECLARED;
};

template <typename... Arguments, std::size_t... I>
Call unpack(void (*kernel)(Arguments...), std::index_sequence<I...>) {
    return [kernel](void **arguments) { kernel(*static_cast<Arguments *>(arguments[I])...); };
}
template <typename... Arguments> Call unpack(void (*kernel)(Arguments...)) {
    return unpack(kernel, std::index_sequence_for<Arguments...>());
}

#define ONE(NAME) {#NAME, {unpack(NAME), #NAME}}
#define BOTH(NAME) ONE(NAME##_f32), ONE(NAME##_bf16)
#define HEADS(NAME) BOTH_HEADS(NAME, 16), BOTH_HEADS(NAME, 32), BOTH_HEADS(NAME, 64)
#define BOTH_HEADS(NAME, D) ONE(NAME##_f32_##D), ONE(NAME##_bf16_##D)

const std::map<std::string, Kernel> KERNELS = {
    BOTH(adamw),
    BOTH(add),
    HEADS(attention_turn),
    HEADS(attention_forward),
    HEADS(attention_means),
    HEADS(attention_backward_queries),
    HEADS(attention_backward_keys),
    ONE(attention_forward_hopper),
    ONE(attention_backward_queries_hopper),
    ONE(attention_backward_keys_hopper),
    BOTH(cross_entropy_losses),
    BOTH(cross_entropy_gradients),
    BOTH(cross_entropy_scale),
    ONE(cross_entropy_mean),
    BOTH(embedding_forward),
    ONE(embedding_index),
    BOTH(embedding_backward),
    BOTH(relu_squared_forward),
    BOTH(relu_squared_backward),
    BOTH(rms_norm_forward),
    BOTH(rms_norm_add_forward),
    BOTH(rms_norm_backward),
    BOTH(rms_norm_backward_long),
    BOTH(rms_norm_weight_sum),
};

// Memory: margin, bytes, margin.
constexpr std::size_t MARGIN = 256;
std::map<char *, std::size_t> memory;
std::size_t used = 0, most_used = 0;
// EMULATED_MEMORY: bytes of the device, to see what happens when there are no more.
const std::size_t CAPACITY = std::getenv("EMULATED_MEMORY") ? std::strtoull(std::getenv("EMULATED_MEMORY"), nullptr, 10) : std::size_t(4) << 30;

int allocate(char **out, std::size_t bytes) {
    if (used + bytes > CAPACITY) return OUT_OF_MEMORY;
    char *whole = static_cast<char *>(std::aligned_alloc(256, (bytes + 2 * MARGIN + 255) / 256 * 256));
    if (!whole) return OUT_OF_MEMORY;
    std::memset(whole, 0xee, MARGIN);
    std::memset(whole + MARGIN, 0xff, bytes);
    std::memset(whole + MARGIN + bytes, 0xee, MARGIN);
    *out = whole + MARGIN;
    memory[*out] = bytes;
    most_used = std::max(most_used, used += bytes);
    return SUCCESS;
}

int release(char *pointer) {
    auto found = memory.find(pointer);
    if (found == memory.end()) give_up("memory is freed that was never allocated", "");
    auto [start, bytes] = *found;
    for (std::size_t i = 0; i < MARGIN; i++)
        if ((unsigned char)start[-1 - (long)i] != 0xee || (unsigned char)start[bytes + i] != 0xee)
            give_up("somebody wrote outside", std::to_string(bytes) + " bytes of memory");
    used -= bytes;
    memory.erase(found);
    std::free(start - MARGIN);
    return SUCCESS;
}

// Whether a device pointer has so many bytes behind it.
void check_inside(const void *pointer, std::size_t bytes, const char *what) {
    auto after = memory.upper_bound((char *)pointer);
    if (after == memory.begin()) give_up("no memory of the device", what);
    auto [start, size] = *--after;
    if ((const char *)pointer + bytes > start + size) give_up("beyond the memory of the device", what);
}

float number(const void *matrix, int type, std::size_t i) {
    return type == 0 ? static_cast<const float *>(matrix)[i] : to_float(static_cast<const bf16 *>(matrix)[i]);
}

} // namespace

extern "C" {

// Devices and contexts: one device, one context.
// FAKE_GPU: a folder in which the library that stands in for NVML (crates/outpace/tests/nvml/fake.c) finds who holds memory: a context does.
int cuInit(unsigned) {
    if (const char *folder = std::getenv("FAKE_GPU")) {
        std::string own = std::string(folder) + "/pids/" + std::to_string(getpid());
        if (std::FILE *file = std::fopen(own.c_str(), "w")) {
            std::fprintf(file, "0 300 0\n");
            std::fclose(file);
        }
    }
    return SUCCESS;
}
int cuDeviceGet(int *device, int ordinal) { return *device = 0, ordinal == 0 ? SUCCESS : 101; }
int cuDeviceGetName(char *name, int length, int) { return std::snprintf(name, length, "Emulated H100"), SUCCESS; }
int cuMemGetInfo_v2(std::size_t *free, std::size_t *total) { return *free = CAPACITY - used, *total = CAPACITY, SUCCESS; }
int cuDeviceTotalMem_v2(std::size_t *bytes, int) { return *bytes = CAPACITY, SUCCESS; }
int cuDeviceGetAttribute(int *value, int attribute, int) {
    // Compute capability 9.0, shared memory of a block, memory pools.
    *value = attribute == 75 ? 9 : attribute == 76 ? 0 : attribute == 97 ? int(MOST_SHARED) : attribute == 115 ? 1 : 0;
    return SUCCESS;
}
int cuDeviceGetDefaultMemPool(void **pool, int) { return *pool = &memory, SUCCESS; }
int cuDevicePrimaryCtxRetain(void **context, int) { return *context = &memory, SUCCESS; }
int cuDevicePrimaryCtxRelease_v2(int) { return SUCCESS; }
int cuCtxDestroy_v2(void *) { return SUCCESS; }
int cuCtxGetCurrent(void **context) { return *context = &memory, SUCCESS; }
int cuCtxSetCurrent(void *) { return SUCCESS; }
// NVRTC asks for a table of the driver's own functions, and does without.
int cuGetExportTable(const void **table, const void *) { return *table = nullptr, NOT_FOUND; }
int cuGetErrorString(int error, const char **text) {
    *text = error == OUT_OF_MEMORY ? "out of memory" : error == NOT_FOUND ? "named symbol not found" : "an error";
    return SUCCESS;
}

// Streams and events: all is done when it is asked for. Events hold the time.
int cuStreamDestroy_v2(void *) { return SUCCESS; }
int cuStreamSynchronize(void *) { return SUCCESS; }
int cuStreamWaitEvent(void *, void *, unsigned) { return SUCCESS; }
int cuStreamIsCapturing(void *, int *status) { return *status = 0, SUCCESS; }
int cuEventCreate(timespec **event, unsigned) { return *event = new timespec, SUCCESS; }
int cuEventDestroy_v2(timespec *event) { return delete event, SUCCESS; }
int cuEventRecord(timespec *event, void *) { return clock_gettime(CLOCK_MONOTONIC, event), SUCCESS; }
int cuEventSynchronize(timespec *) { return SUCCESS; }
int cuEventElapsedTime_v2(float *milliseconds, timespec *from, timespec *to) {
    *milliseconds = (to->tv_sec - from->tv_sec) * 1e3 + (to->tv_nsec - from->tv_nsec) * 1e-6;
    return SUCCESS;
}

// Memory.
int cuMemAlloc_v2(char **out, std::size_t bytes) { return allocate(out, bytes); }
int cuMemAllocAsync(char **out, std::size_t bytes, void *) { return allocate(out, bytes); }
int cuMemFree_v2(char *pointer) { return release(pointer); }
int cuMemFreeAsync(char *pointer, void *) { return release(pointer); }
int cuMemPoolSetAttribute(void *, int, void *) { return SUCCESS; }
// CU_MEMPOOL_ATTR_USED_MEM_HIGH
int cuMemPoolGetAttribute(void *, int attribute, u64 *value) { return *value = most_used, attribute == 8 ? SUCCESS : INVALID_VALUE; }
int cuMemcpyHtoDAsync_v2(char *to, const void *from, std::size_t bytes, void *) {
    return check_inside(to, bytes, "a copy to it"), std::memcpy(to, from, bytes), SUCCESS;
}
int cuMemcpyDtoHAsync_v2(void *to, const char *from, std::size_t bytes, void *) {
    return check_inside(from, bytes, "a copy from it"), std::memcpy(to, from, bytes), SUCCESS;
}
int cuMemcpyDtoDAsync_v2(char *to, const char *from, std::size_t bytes, void *) {
    check_inside(to, bytes, "a copy inside"), check_inside(from, bytes, "a copy inside");
    return std::memcpy(to, from, bytes), SUCCESS;
}
int cuMemcpyPeerAsync(char *, void *, const char *, void *, std::size_t, void *) { give_up("a copy between devices", ""); }
int cuMemsetD8Async(char *to, unsigned char value, std::size_t bytes, void *) {
    return check_inside(to, bytes, "a fill of it"), std::memset(to, value, bytes), SUCCESS;
}

// Modules: real machine code comes, and its kernels are looked up by name.
int cuModuleLoad(void **, const char *path) { give_up("a module from a file", path); }
int cuModuleLoadData(void **module, const char *image) {
    if (std::memcmp(image, "\x7f"
                           "ELF",
                    4) != 0)
        give_up("a module that is no machine code, and would be compiled in every process", std::string(image, strnlen(image, 60)));
    return *module = &memory, SUCCESS;
}
int cuModuleUnload(void *) { return SUCCESS; }
int cuModuleGetFunction(const Kernel **function, void *, const char *name) {
    auto found = KERNELS.find(name);
    if (found == KERNELS.end()) return NOT_FOUND;
    return *function = &found->second, SUCCESS;
}
// CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES; CU_FUNC_ATTRIBUTE_PREFERRED_SHARED_MEMORY_CARVEOUT is a hint.
int cuFuncSetAttribute(const Kernel *kernel, int attribute, int value) {
    if (attribute == 9) return SUCCESS;
    if (attribute != 8 || value < 0 || value > int(MOST_SHARED - DECLARED)) return INVALID_VALUE;
    return kernel->most_shared = value, SUCCESS;
}
int cuLaunchKernel(const Kernel *kernel, unsigned x, unsigned y, unsigned z, unsigned threads, unsigned threads_y, unsigned threads_z, unsigned shared,
                   void *, void **arguments, void **) {
    if (threads_y != 1 || threads_z != 1) give_up("a launch that no kernel here has", "");
    if (shared > kernel->most_shared) return INVALID_VALUE;
    // EMULATED_LOG: a file for the names of what was launched.
    if (log_of_launches) std::fprintf(log_of_launches, "%s\n", kernel->name);
    launch({x, y, z}, threads, shared, [=] { kernel->call(arguments); });
    return SUCCESS;
}

// cuBLAS: column-major products with f32 sums.
int cublasCreate_v2(void **handle) { return *handle = &memory, SUCCESS; }
int cublasDestroy_v2(void *) { return SUCCESS; }
int cublasSetStream_v2(void *, void *) { return SUCCESS; }
int cublasDgemmStridedBatched(...) { give_up("a product in f64", ""); }
int cublasGemmStridedBatchedEx(void *, int transpose_a, int transpose_b, int m, int n, int k, const void *alpha, const void *a, int type_a, int lda,
                               long long, const void *b, int type_b, int ldb, long long, const void *beta, void *c, int type_c, int ldc, long long,
                               int batch, int compute, int) {
    // CUDA_R_32F 0, CUDA_R_16BF 14, CUBLAS_COMPUTE_32F 68: nothing else is as precise as the kernels are.
    bool known = (type_a == 0 || type_a == 14) && type_a == type_b && type_b == type_c && compute == 68 && batch == 1;
    if (!known || *(const float *)alpha != 1.0f || *(const float *)beta != 0.0f) give_up("a product of a kind that does not train", "");
    std::size_t size = type_a == 0 ? 4 : 2;
    check_inside(a, size * ((std::size_t)lda * ((transpose_a ? m : k) - 1) + (transpose_a ? k : m)), "the first factor");
    check_inside(b, size * ((std::size_t)ldb * ((transpose_b ? k : n) - 1) + (transpose_b ? n : k)), "the second factor");
    check_inside(c, size * ((std::size_t)ldc * (n - 1) + m), "the product");
    for (int column = 0; column < n; column++)
        for (int row = 0; row < m; row++) {
            float sum = 0.0f;
            for (int i = 0; i < k; i++) {
                float left = number(a, type_a, transpose_a ? i + (std::size_t)row * lda : row + (std::size_t)i * lda);
                float right = number(b, type_b, transpose_b ? column + (std::size_t)i * ldb : i + (std::size_t)column * ldb);
                sum += left * right;
            }
            std::size_t at = row + (std::size_t)column * ldc;
            if (type_c == 0)
                static_cast<float *>(c)[at] = sum;
            else
                static_cast<bf16 *>(c)[at] = from_float<bf16>(sum);
        }
    return SUCCESS;
}

// Nothing of it is used, but candle makes a generator.
int curandCreateGenerator(void **generator, int) { return *generator = &memory, SUCCESS; }
int curandDestroyGenerator(void *) { return SUCCESS; }
int curandSetPseudoRandomGeneratorSeed(void *, u64) { return SUCCESS; }
int curandSetStream(void *, void *) { return SUCCESS; }
}
