// SPDX-License-Identifier: MIT
// The bodies of kernels that this machine may not run, compiled over emulated dot products: one lane, the semantics of
// the instructions in plain C++. They give the integers of the scalar kernels, and sums of rounded products.
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

#include <moeclip/base/half.hpp>
#include <moeclip/kernels/packed_weight.hpp>

#include "kernel_test.hpp"

#define MOECLIP_UNROLL
#define MOECLIP_INLINE_LAMBDA
#define MOECLIP_ALWAYS_INLINE
#define MOECLIP_NARROW_TABLE inline constexpr NarrowTable kNarrowTable

namespace moeclip { inline namespace abi_v0_1 { namespace kernels {

/// Words of two pairs of 16 bits, as kernels/isa/dot_avx2.inl and kernels/isa/dot_avx512.inl take them.
namespace emulated_widened {
#include <moeclip/kernels/isa/vec_scalar.inl>

inline constexpr Isa kNarrowIsa = Isa::scalar;

struct Dot8 {
  using Words = std::uint32_t;
  using Sum = std::int32_t;
  static constexpr bool kIsInteger = true, kHasOffset = true;
  static constexpr int kHalves = 2;
  static constexpr index_t kNumbers = 2;

  static void store_bytes(unsigned char* p, Vec x) { *p = static_cast<unsigned char>(static_cast<int>(x)); }
  static Words broadcast_word(std::uint32_t word) { return word; }
  static Words load_words(const std::uint32_t* p, int half) {
    const std::uint32_t word = half == 0 ? *p << 8 : *p;  // each 16 bits: their upper byte with its sign
    const auto low = static_cast<std::int16_t>(word), high = static_cast<std::int16_t>(word >> 16);
    return static_cast<std::uint16_t>(low >> 8) | static_cast<std::uint32_t>(static_cast<std::uint16_t>(high >> 8))
                                                      << 16;
  }
  static Sum no_sum() { return 0; }
  static Sum load_sum(const float* p) { return std::bit_cast<std::int32_t>(*p); }
  static void store_sum(float* p, Sum x) { std::memcpy(p, &x, sizeof x); }
  static Sum add_sums(Sum a, Sum b) { return a + b; }
  static Sum load_offsets(const std::int32_t* p) { return *p; }
  static Vec to_float(Sum x, Sum offset) { return static_cast<float>(x - offset); }
  static Sum dot(Words a, Words b, Sum sum) {
    for (int i = 0; i < 32; i += 16) sum += static_cast<std::int16_t>(a >> i) * static_cast<std::int16_t>(b >> i);
    return sum;
  }
};

#include <moeclip/kernels/body/kernels_int8.inl>
}  // namespace emulated_widened

/// Signed bytes of a, as kernels/isa/dot_neon_dot.inl takes them.
namespace emulated_signed {
#include <moeclip/kernels/isa/vec_scalar.inl>

inline constexpr Isa kNarrowIsa = Isa::scalar;

struct Dot8 : emulated_widened::Dot8 {
  static constexpr bool kHasOffset = false;
  static constexpr int kHalves = 1;
  static constexpr index_t kNumbers = 4;

  static void store_bytes(unsigned char* p, Vec x) { *p = static_cast<unsigned char>(static_cast<int>(x) - 128); }
  static Words load_words(const std::uint32_t* p, int) { return *p; }
  static Sum dot(Words a, Words b, Sum sum) {
    for (int i = 0; i < 32; i += 8) sum += static_cast<std::int8_t>(a >> i) * static_cast<std::int8_t>(b >> i);
    return sum;
  }
};

#include <moeclip/kernels/body/kernels_int8.inl>
}  // namespace emulated_signed

/// Two bfloat16 a word, as kernels/isa/dot_avx512_bf16.inl takes them.
namespace emulated_bf16 {
#include <moeclip/kernels/isa/vec_scalar.inl>

struct Dot16 {
  using Words = std::uint32_t;
  using Sum = float;
  static constexpr bool kIsInteger = false;
  static constexpr int kHalves = 1;
  static constexpr index_t kNumbers = 2;

  static Words broadcast_word(std::uint32_t word) { return word; }
  static Words load_words(const std::uint32_t* p, int) { return *p; }
  static Sum no_sum() { return 0; }
  static Sum load_sum(const float* p) { return *p; }
  static void store_sum(float* p, Sum x) { *p = x; }
  static Sum add_sums(Sum a, Sum b) { return a + b; }
  static Sum dot(Words a, Words b, Sum sum) {
    for (const int i : {16, 0})
      sum +=
          bfloat16_to_float(static_cast<std::uint16_t>(a >> i)) * bfloat16_to_float(static_cast<std::uint16_t>(b >> i));
    return sum;
  }
  static void store_rounded(std::uint32_t* p, Vec first, Vec second) { store_pairs(p, first, second); }
  static void store_pairs(std::uint32_t* p, Vec low, Vec high) {
    *p = float_to_bfloat16(low) | static_cast<std::uint32_t>(float_to_bfloat16(high)) << 16;
  }
};

inline constexpr index_t kTileColumns = kTileVectors * kLanes;
#include <moeclip/kernels/body/math.inl>
#include <moeclip/kernels/body/pack.inl>
//
#include <moeclip/kernels/body/gemm.inl>
//
#include <moeclip/kernels/body/attention.inl>
#include <moeclip/kernels/body/narrow.inl>
//
#include <moeclip/kernels/body/narrow_bf16.inl>
//
#include <moeclip/kernels/body/attention_bf16.inl>

MOECLIP_NARROW_TABLE{Isa::scalar,          true, {}, narrow_kernels<Dot16>(&pack_rows_bf16), &pack_head_bf16,
                     &attention_panel_bf16};
}  // namespace emulated_bf16

}}}  // namespace moeclip::abi_v0_1::kernels

using namespace moeclip;
using namespace moeclip::kernels;

namespace {

std::vector<float> multiply_with(Context& context, const NarrowTable& table, Precision precision, GemmShape shape) {
  const auto a = kernel_test::random_values(shape.m * shape.k, "a", 2.0f, 0.5f);
  const auto weight = kernel_test::random_values(shape.n * shape.k, "weight");
  const Isa before = active_isa();
  select(Isa::scalar);
  auto b = kernels::detail::make_narrow(precision, shape.k, shape.n);
  select(before);
  b.table = &table;
  for (index_t j = 0; j < shape.n; ++j) {
    const float* const column = weight.data() + j * shape.k;
    if (precision == Precision::bf16)
      kernels::detail::round_column(b, j, column, 1);
    else
      kernels::detail::quantize_column(b, j, kernels::detail::scale_of_column(shape.k, column, 1), column, 1);
  }
  std::vector<float> c(static_cast<std::size_t>(shape.m * shape.n));
  kernels::detail::multiply_narrow(context, b.view(), {shape.m, row_major(a.data(), shape.k), c.data(), shape.n, {}});
  return c;
}

const std::vector<GemmShape> kShapes = {{1, 1, 1}, {4, 16, 8}, {5, 17, 3}, {3, 15, 1030}, {13, 31, 67}};

}  // namespace

TEST_CASE("emulated: widened and signed bytes give the integers of the scalar kernels") {
  Context context({.threads = 1});
  for (const GemmShape shape : kShapes) {
    const auto expected = multiply_with(context, isa_scalar::kNarrowTable, Precision::int8, shape);
    CHECK(multiply_with(context, emulated_widened::kNarrowTable, Precision::int8, shape) == expected);
    CHECK(multiply_with(context, emulated_signed::kNarrowTable, Precision::int8, shape) == expected);
  }
}

TEST_CASE("emulated: dot products of bfloat16 sum products of rounded numbers") {
  Context context({.threads = 1});
  for (const GemmShape shape : kShapes) {
    const auto a = kernel_test::random_values(shape.m * shape.k, "a", 2.0f, 0.5f);
    const auto weight = kernel_test::random_values(shape.n * shape.k, "weight");
    const auto rounded = [](float x) { return static_cast<double>(bfloat16_to_float(float_to_bfloat16(x))); };
    const auto c = multiply_with(context, emulated_bf16::kNarrowTable, Precision::bf16, shape);
    for (index_t i = 0; i < shape.m; ++i)
      for (index_t j = 0; j < shape.n; ++j) {
        double sum = 0, size = 0;
        for (index_t p = 0; p < shape.k; ++p) {
          const double product = rounded(a[static_cast<std::size_t>(i * shape.k + p)]) *
                                 rounded(weight[static_cast<std::size_t>(j * shape.k + p)]);
          sum += product;
          size += std::fabs(product);
        }
        const double found = static_cast<double>(c[static_cast<std::size_t>(i * shape.n + j)]);
        CHECK(std::fabs(found - sum) <= 2 * static_cast<double>(shape.k + 2) * kernel_test::kEps * size);
      }
  }
}

TEST_CASE("emulated: attention of bfloat16 over one lane") {
  const index_t tokens = 133, width = 10;  // a second block of keys, which is odd, and a tile that is not full
  const auto qkv = kernel_test::random_values(tokens * 3 * width, "qkv");
  for (const bool is_causal : {false, true}) {
    std::vector<float> out(static_cast<std::size_t>(tokens * width)), expected = out;
    Attention<float> args{};
    args.query = qkv.data();
    args.key = qkv.data() + width;
    args.value = qkv.data() + 2 * width;
    args.stride = 3 * width;
    args.out = expected.data();
    args.out_stride = width;
    args.batch = args.heads = 1;
    args.tokens = tokens;
    args.head_width = width;
    args.scale = 0.3f;
    args.causal = is_causal;
    std::vector<float> weights(static_cast<std::size_t>(tokens));
    for (index_t query = 0; query < tokens; ++query) reference::attend(args, 0, 0, query, weights.data());
    args.out = out.data();
    const KernelTable& table = isa_scalar::kTable;
    std::vector<float> keys(static_cast<std::size_t>(round_up(tokens, table.tile_rows) * width));
    std::vector<float> values(static_cast<std::size_t>(round_up(width, table.tile_rows) * tokens));
    std::vector<float> scratch(static_cast<std::size_t>(attention_scratch(table, tokens, width)));
    AttentionJob job;
    job.args = &args;
    job.keys = keys.data();
    job.values = values.data();
    job.scratch = scratch.data();
    emulated_bf16::kNarrowTable.pack_head(job);
    for (job.first_query = 0; job.first_query < tokens; job.first_query += table.tile_columns)
      emulated_bf16::kNarrowTable.attention(job);
    // as in "narrow: attention in bf16", with a scale of 0.3
    const double u = 0x1p-9, e = (2 * u + u * u) * 0.3 * static_cast<double>(width);
    const double bound = std::exp(2 * e) * (1 + u) * (1 + u) * (1 + 2e-4) - 1 + 1e-5;
    for (std::size_t i = 0; i < out.size(); ++i)
      CHECK(std::fabs(static_cast<double>(out[i]) - static_cast<double>(expected[i])) <= bound);
  }
}
