// Runs one operation's CUDA kernels on the CPU: emulated OPERATION TYPE SIZES... launches LAUNCHES..., numbers as f32 on stdin and stdout, one
// array after the other. A launch is five numbers, blocks in x, y and z, threads and bytes of shared memory, in the order of the kernels here.

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

#include <string>
#include <unistd.h>

template <typename T> std::vector<T> take(std::size_t n) {
    std::vector<float> raw(n);
    if (std::fread(raw.data(), 4, n, stdin) != n) std::exit(2);
    std::vector<T> out(n);
    for (std::size_t i = 0; i < n; i++) {
        if constexpr (std::is_same_v<T, bf16>)
            out[i] = from_float<bf16>(raw[i]);
        else
            out[i] = (T)raw[i];
    }
    return out;
}

template <typename T> void give(const std::vector<T> &values) {
    for (T value : values) {
        float x;
        if constexpr (std::is_same_v<T, bf16>)
            x = to_float(value);
        else
            x = (float)value;
        std::fwrite(&x, 4, 1, stdout);
    }
}

// What a kernel leaves unwritten is found by its reader.
template <typename T> std::vector<T> unwritten(std::size_t n) {
    std::vector<T> out(n);
    std::memset(out.data(), 0xff, n * sizeof(T));
    return out;
}

std::vector<unsigned> launches;

void launch_next(std::function<void()> work) {
    if (launches.size() < 5) std::exit(3);
    launch({launches[0], launches[1], launches[2]}, launches[3], launches[4], work);
    launches.erase(launches.begin(), launches.begin() + 5);
}

// The kernel that a launch names, which is no template.
#define KERNEL(NAME)                                                                                                                           \
    [](auto... arguments) {                                                                                                                    \
        if constexpr (sizeof(T) == 2)                                                                                                          \
            NAME##_bf16(arguments...);                                                                                                         \
        else                                                                                                                                   \
            NAME##_f32(arguments...);                                                                                                          \
    }
#define HEAD_KERNEL(NAME)                                                                                                                      \
    [](auto... arguments) {                                                                                                                    \
        if constexpr (D == 16)                                                                                                                 \
            HEAD_KERNEL_OF(NAME, 16);                                                                                                          \
        else if constexpr (D == 32)                                                                                                            \
            HEAD_KERNEL_OF(NAME, 32);                                                                                                          \
        else                                                                                                                                   \
            HEAD_KERNEL_OF(NAME, 64);                                                                                                          \
    }
#define HEAD_KERNEL_OF(NAME, D)                                                                                                                \
    if constexpr (sizeof(T) == 2)                                                                                                              \
        NAME##_bf16_##D(arguments...);                                                                                                         \
    else                                                                                                                                       \
        NAME##_f32_##D(arguments...)

// The same, or the version for Hopper.
#define PASS_KERNEL(NAME)                                                                                                                      \
    [&](auto... arguments) {                                                                                                                   \
        if constexpr (sizeof(T) == 2 && D == 64)                                                                                               \
            if (hopper) return NAME##_hopper(arguments...);                                                                                    \
        HEAD_KERNEL(NAME)(arguments...);                                                                                                       \
    }

template <typename T> void run_relu_squared(const std::vector<int> &size) {
    u64 n = size[0];
    auto x = take<T>(n), grad = take<T>(n), y = unwritten<T>(n), grad_x = unwritten<T>(n);
    launch_next([&] { KERNEL(relu_squared_forward)(x.data(), y.data(), n); });
    launch_next([&] { KERNEL(relu_squared_backward)(x.data(), grad.data(), grad_x.data(), n); });
    give(y), give(grad_x);
}

template <typename T> void run_rms_norm(const std::vector<int> &size) {
    int rows = size[0], width = size[1], band = size[2], onto = size[3], is_long = size[4];
    float epsilon = 1e-5f;
    auto x = take<T>(rows * width), weight = take<T>(width), grad = take<T>(rows * width), before = take<T>(rows * width);
    auto y = unwritten<T>(rows * width), grad_x = unwritten<T>(rows * width), grad_weight = unwritten<T>(width);
    int bands = (rows + band - 1) / band;
    auto partial = unwritten<float>(bands * width);
    auto sum = unwritten<T>(rows * width), added = unwritten<T>(rows * width);
    launch_next([&] { KERNEL(rms_norm_forward)(x.data(), weight.data(), y.data(), rows, width, epsilon); });
    launch_next([&] { KERNEL(rms_norm_add_forward)(x.data(), before.data(), weight.data(), sum.data(), added.data(), rows, width, epsilon); });
    launch_next([&] {
        auto run = [&](auto kernel) { kernel(x.data(), weight.data(), grad.data(), before.data(), onto, grad_x.data(), partial.data(), rows, width, epsilon); };
        is_long ? run(KERNEL(rms_norm_backward_long)) : run(KERNEL(rms_norm_backward));
    });
    launch_next([&] { KERNEL(rms_norm_weight_sum)(partial.data(), grad_weight.data(), bands, width); });
    give(y), give(sum), give(added), give(grad_x), give(grad_weight);
}

template <typename T> void run_cross_entropy(const std::vector<int> &size) {
    int rows = size[0], columns = size[1], keep = size[2];
    auto logits = take<T>(rows * columns), grad = unwritten<T>(rows * columns);
    auto targets = take<u32>(rows);
    auto losses = unwritten<float>(rows), again = unwritten<float>(rows);
    auto mean = unwritten<double>(1);
    double slope = take<double>(1)[0];
    launch_next([&] { KERNEL(cross_entropy_losses)(logits.data(), targets.data(), losses.data(), columns); });
    launch_next([&] { KERNEL(cross_entropy_gradients)(logits.data(), targets.data(), again.data(), grad.data(), rows, columns, keep); });
    launch_next([&] { cross_entropy_mean(again.data(), mean.data(), rows); });
    launch_next([&] { KERNEL(cross_entropy_scale)(grad.data(), &slope, grad.size()); });
    give(losses), give(mean), give(grad);
}

template <typename T> void run_embedding(const std::vector<int> &size) {
    int symbols = size[0], width = size[1], tokens = size[2];
    auto table = take<T>(symbols * width), grad = take<T>(tokens * width);
    auto ids = take<u32>(tokens);
    auto y = unwritten<T>(tokens * width), grad_table = std::vector<T>(symbols * width);
    launch_next([&] { KERNEL(embedding_forward)(table.data(), ids.data(), y.data(), width); });
    std::vector<u32> counts(symbols), from_first(symbols);
    launch_next([&] { embedding_index(ids.data(), counts.data(), from_first.data(), tokens); });
    launch_next([&] { KERNEL(embedding_backward)(ids.data(), counts.data(), from_first.data(), grad.data(), grad_table.data(), tokens, width); });
    give(y), give(grad_table);
}

template <typename T> void run_add(const std::vector<int> &size) {
    u64 n = size[0];
    auto a = take<T>(n), b = take<T>(n), y = unwritten<T>(n);
    launch_next([&] { KERNEL(add)(a.data(), b.data(), y.data(), n); });
    give(y);
}

// Three parameters, which share their arrays: their sizes, then their blocks.
template <typename T> void run_adamw(const std::vector<int> &size) {
    u64 n = size[0] + size[1] + size[2];
    auto master = take<float>(n), m = take<float>(n), v = take<float>(n);
    auto grad = take<T>(n), copy = unwritten<T>(n);
    auto rule = take<float>(8);
    AdamW constants{rule[0], rule[1], rule[2], rule[3], rule[4], rule[5], rule[6], rule[7]};
    AdamWParts<T> parts;
    u32 block = 0;
    for (int i = 0, first = 0; i < 3; first += size[i], block += size[3 + i], i++)
        parts.parts[i] = {&master[first], &copy[first], &grad[first], &m[first], &v[first], (u64)size[i], constants, block};
    parts.count = 3;
    launch_next([&] { KERNEL(adamw)(parts); });
    give(master), give(m), give(v), give(copy);
}

template <typename T, int D> void run_attention(const std::vector<int> &size) {
    int batch = size[0], heads = size[2];
    bool hopper = size[5];
    AttentionShape s{size[1], heads};
    u64 rows = (u64)batch * s.sequence * heads;
    auto qkv = take<T>(3 * rows * D), grad = take<T>(rows * D);
    auto cos = take<float>(s.sequence * D / 2), sin = take<float>(s.sequence * D / 2);
    auto y = unwritten<T>(rows * D), grad_qkv = unwritten<T>(3 * rows * D);
    auto turned = unwritten<T>(2 * rows * D), slopes = unwritten<T>(size[4]);
    auto log_sums = unwritten<float>(rows), means = unwritten<float>(rows);
    launch_next([&] { HEAD_KERNEL(attention_turn)(qkv.data(), cos.data(), sin.data(), turned.data(), rows * D / Pack<T>::N, s); });
    launch_next([&] { PASS_KERNEL(attention_forward)(turned.data(), qkv.data(), y.data(), log_sums.data(), s); });
    launch_next([&] { HEAD_KERNEL(attention_means)(y.data(), grad.data(), means.data(), rows * D / Pack<T>::N, s); });
    launch_next([&] {
        PASS_KERNEL(attention_backward_keys)
        (turned.data(), qkv.data(), grad.data(), cos.data(), sin.data(), log_sums.data(), means.data(), slopes.data(), grad_qkv.data(), s);
    });
    launch_next([&] { PASS_KERNEL(attention_backward_queries)(turned.data(), slopes.data(), cos.data(), sin.data(), grad_qkv.data(), s); });
    give(y), give(grad_qkv);
}

template <typename T> void run(const std::string &operation, const std::vector<int> &size) {
    if (operation == "relu_squared") return run_relu_squared<T>(size);
    if (operation == "rms_norm") return run_rms_norm<T>(size);
    if (operation == "cross_entropy") return run_cross_entropy<T>(size);
    if (operation == "embedding") return run_embedding<T>(size);
    if (operation == "add") return run_add<T>(size);
    if (operation == "adamw") return run_adamw<T>(size);
    if (operation == "attention" && size[3] == 16) return run_attention<T, 16>(size);
    if (operation == "attention" && size[3] == 32) return run_attention<T, 32>(size);
    if (operation == "attention" && size[3] == 64) return run_attention<T, 64>(size);
    std::fprintf(stderr, "no operation %s of that size\n", operation.c_str());
    std::exit(2);
}

int main(int count, char **arguments) {
    // Kernels that never end.
    alarm(300);
    std::string operation = arguments[1], type = arguments[2];
    std::vector<int> size;
    int i = 3;
    for (; i < count && std::string(arguments[i]) != "launches"; i++) size.push_back(std::atoi(arguments[i]));
    for (i++; i < count; i++) launches.push_back(std::atoi(arguments[i]));
    type == "bf16" ? run<bf16>(operation, size) : run<float>(operation, size);
    return launches.empty() ? 0 : 3;
}
