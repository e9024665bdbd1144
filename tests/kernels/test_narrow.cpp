// SPDX-License-Identifier: MIT
#include <algorithm>
#include <bit>
#include <cstdint>
#include <numeric>

#include <moeclip/base/half.hpp>
#include <moeclip/kernels/attention.hpp>
#include <moeclip/kernels/elementwise.hpp>
#include <moeclip/kernels/packed_weight.hpp>

#include "expect_error.hpp"
#include "kernel_test.hpp"

using namespace moeclip;
using namespace moeclip::kernels;
using kernel_test::kEps;
using kernel_test::random_values;

namespace {

struct Operands {
  GemmShape shape;
  std::vector<float> a, weight, bias;  // (m, k), (n, k), (n)

  explicit Operands(GemmShape s)
      : shape(s),
        a(random_values(s.m * s.k, "a", 2.0f, 0.5f)),
        weight(random_values(s.n * s.k, "weight")),
        bias(random_values(s.n, "bias")) {}

  [[nodiscard]] PackedWeight<float> packed(Context& context, Precision precision) const {
    return pack_weight<float>(context, shape.k, shape.n, transposed(row_major(weight.data(), shape.k)), precision);
  }

  [[nodiscard]] std::vector<float> product(Context& context, const PackedWeight<float>& b,
                                           Epilogue<float> epilogue = {}) const {
    std::vector<float> c(static_cast<std::size_t>(shape.m * shape.n), 0.25f);
    if (epilogue.bias == nullptr) epilogue.bias = bias.data();
    gemm<float>(context, shape.m, row_major(a.data(), shape.k), b, c.data(), shape.n, epilogue);
    return c;
  }
};

// 1, primes, one tile of every instruction set more or less by one, several k blocks, and k that fills no last word
const std::vector<GemmShape> kShapes = {{1, 1, 1},   {1, 48, 5},  {7, 47, 3},    {8, 48, 4},  {9, 49, 1027},
                                        {6, 16, 64}, {5, 17, 67}, {37, 101, 29}, {13, 6, 515}};

std::vector<std::uint32_t> bits(const std::vector<float>& values) {
  std::vector<std::uint32_t> result;
  for (const float value : values) result.push_back(std::bit_cast<std::uint32_t>(value));
  return result;
}

/// Runs test() with every instruction set, those with dot products too.
template <class Test>
void for_each_dot(const Test& test) {
  kernel_test::for_each_isa(test, true);
}

float rounded(float x) { return bfloat16_to_float(float_to_bfloat16(x)); }

}  // namespace

TEST_CASE("narrow: int8 products have the bits of the scalar kernels on every instruction set") {
  Context context({.threads = 2});
  for (const GemmShape shape : kShapes) {
    const Operands operands(shape);
    const Isa before = active_isa();
    select(Isa::scalar);
    const auto expected = bits(operands.product(context, operands.packed(context, Precision::int8)));
    select(before);
    for_each_dot(
        [&] { CHECK(bits(operands.product(context, operands.packed(context, Precision::int8))) == expected); });
  }
}

TEST_CASE("narrow: integer sums are exact where partial sums of 16 bits would saturate") {
  // u = 255 throughout, or 255 and 0 by turns, against 127 or -127 throughout or by turns: the largest sums there are
  Context context({.threads = 1});
  for (const index_t k : {4, 8, 30, 1024, 4096, 65536})
    for (const int pattern : {0, 1, 2, 3}) {
      std::vector<float> a(static_cast<std::size_t>(k), 255.0f), weight(static_cast<std::size_t>(2 * k));
      std::int64_t sum = 0, column = 0;
      for (index_t i = 0; i < k; ++i) {
        const auto at = static_cast<std::size_t>(i);
        if (i % 2 == 1 && pattern % 2 == 1) a[at] = 0.0f;
        const int w = i % 2 == 1 && pattern / 2 == 1 ? -127 : 127;
        weight[at] = static_cast<float>(w);
        weight[at + static_cast<std::size_t>(k)] = static_cast<float>(-w);
        sum += (static_cast<std::int64_t>(a[at]) - 128) * w;
        column += w;
      }
      for_each_dot([&] {
        auto b = kernels::detail::pack_narrow(context, Precision::int8, k, 2, transposed(row_major(weight.data(), k)));
        CHECK(b.scales.data()[0] == 1.0f);
        CHECK(b.integer_at(k - 1, 0) == -b.integer_at(k - 1, 1));
        const std::int32_t stored = b.offsets.data()[0];
        CHECK(stored == (b.table->has_offset ? 128 * column : 0));
        for (const int delta :
             {0, 1, -1}) {  // what the kernel subtracts leaves `delta`, exactly, or its sums were wrong
          b.offsets.data()[0] = static_cast<std::int32_t>(stored + sum - delta);
          b.offsets.data()[1] = static_cast<std::int32_t>(-stored - sum + delta);
          std::fill_n(b.sums.data(), 2, 0.0f);
          float c[2] = {9, 9};
          kernels::detail::multiply_narrow(context, b.view(), {1, row_major(a.data(), k), c, 2, {}});
          CHECK(c[0] == static_cast<float>(delta));
          CHECK(c[1] == static_cast<float>(-delta));
        }
      });
    }
}

TEST_CASE("narrow: int8 products are as near as their rounding allows") {
  Context context({.threads = 1});
  for (const GemmShape shape : kShapes) {
    const Operands o(shape);
    for_each_dot([&] {
      const auto b = o.packed(context, Precision::int8);
      const auto c = o.product(context, b);
      for (index_t i = 0; i < shape.m; ++i) {
        const float* const row = o.a.data() + i * shape.k;
        const double low = std::min(0.0f, *std::min_element(row, row + shape.k));
        const double high = std::max(0.0f, *std::max_element(row, row + shape.k));
        for (index_t j = 0; j < shape.n; ++j) {
          // INT8-3: half a step of a beside |b| as rounded, half a step of b beside |a|, and the rounding of the end
          const double step_a = (high - low) / 255;
          double sum = static_cast<double>(o.bias[static_cast<std::size_t>(j)]), bound = 0, size = std::fabs(sum);
          float largest = 0;
          for (index_t p = 0; p < shape.k; ++p)
            largest = std::max(largest, std::fabs(o.weight[static_cast<std::size_t>(j * shape.k + p)]));
          for (index_t p = 0; p < shape.k; ++p) {
            const double x = static_cast<double>(row[p]),
                         w = static_cast<double>(o.weight[static_cast<std::size_t>(j * shape.k + p)]);
            sum += x * w;
            bound += step_a / 2 * std::fabs(static_cast<double>(b(p, j))) +
                     static_cast<double>(largest) / 254 * std::fabs(x);
            size += 2 * (high - low) * std::fabs(w) + static_cast<double>(largest) * std::fabs(x);
          }
          const double found = static_cast<double>(c[static_cast<std::size_t>(i * shape.n + j)]);
          CHECK(std::fabs(found - sum) <= bound + 16 * kEps * size);
        }
      }
    });
  }
}

TEST_CASE("narrow: bf16 products sum products of rounded numbers") {
  Context context({.threads = 1});
  for (const GemmShape shape : kShapes) {
    const Operands o(shape);
    for_each_dot([&] {
      const auto b = o.packed(context, Precision::bf16);
      const auto c = o.product(context, b);
      const bool rounds_a = b.narrow().kernels().multiply != nullptr;
      for (index_t i = 0; i < shape.m; ++i)
        for (index_t j = 0; j < shape.n; ++j) {
          double sum = static_cast<double>(o.bias[static_cast<std::size_t>(j)]), size = std::fabs(sum);
          for (index_t p = 0; p < shape.k; ++p) {
            const float x = o.a[static_cast<std::size_t>(i * shape.k + p)];
            const float w = rounded(o.weight[static_cast<std::size_t>(j * shape.k + p)]);
            CHECK(b(p, j) == w);
            const double product = static_cast<double>(rounds_a ? rounded(x) : x) * static_cast<double>(w);
            sum += product;
            size += std::fabs(product);
          }
          const double found = static_cast<double>(c[static_cast<std::size_t>(i * shape.n + j)]);
          CHECK(std::fabs(found - sum) <= 2 * static_cast<double>(shape.k + 2) * kEps * size);
        }
    });
  }
}

TEST_CASE("narrow: the same bits for any number of threads") {
  Context one({.threads = 1}), three({.threads = 3});
  const Operands operands({131, 193, 1100});  // enough work to be shared, several k blocks
  for_each_dot([&] {
    if (active_isa() == Isa::scalar) return;  // slow, and shared out by the same code
    for (const Precision precision : {Precision::bf16, Precision::int8}) {
      const auto b = operands.packed(three, precision);
      const auto expected = bits(operands.product(one, b));
      CHECK(bits(operands.product(three, b)) == expected);
      CHECK(bits(operands.product(one, operands.packed(one, precision))) == expected);
    }
  });
}

TEST_CASE("narrow: bias, activation, addition and what is kept on the way are those of float products") {
  Context context({.threads = 1});
  const Operands o({9, 53, 70});
  const auto count = static_cast<std::size_t>(o.shape.m * o.shape.n);
  for_each_dot([&] {
    for (const Precision precision : {Precision::bf16, Precision::int8}) {
      const auto b = o.packed(context, precision);
      const auto plain = o.product(context, b);
      std::vector<float> before(count), expected(count), at = random_values(o.shape.m * o.shape.n, "at", 3.0f);
      const auto active =
          o.product(context, b, {.activation = Activation::gelu, .accumulate = true, .before = before.data()});
      CHECK(bits(before) == bits(plain));
      activate(context, Activation::gelu, o.shape.m * o.shape.n, plain.data(), expected.data());
      for (std::size_t i = 0; i < count; ++i) expected[i] += 0.25f;
      CHECK(bits(active) == bits(expected));
      const auto sloped = o.product(context, b, {.activation = Activation::gelu, .slope_at = at.data()});
      activate_backward(context, Activation::gelu, o.shape.m * o.shape.n, at.data(), plain.data(), expected.data());
      CHECK(bits(sloped) == bits(expected));
    }
  });
}

TEST_CASE("narrow: the other way round, bf16 gives the bits of the turned matrix") {
  Context context({.threads = 2});
  for (const GemmShape& shape : kShapes) {
    const Operands o(shape);
    const auto d = random_values(shape.m * shape.n, "d");
    for_each_dot([&] {
      std::vector<float> found(static_cast<std::size_t>(shape.m * shape.k)), expected = found;
      gemm<float>(context, shape.m, row_major(d.data(), shape.n), transposed(o.packed(context, Precision::bf16)),
                  found.data(), shape.k);
      const auto b =
          pack_weight<float>(context, shape.n, shape.k, row_major(o.weight.data(), shape.k), Precision::bf16);
      gemm<float>(context, shape.m, row_major(d.data(), shape.n), b, expected.data(), shape.k);
      CHECK(bits(found) == bits(expected));
    });
  }
}

TEST_CASE("narrow: the other way round, integers are multiplied in float") {
  Context context({.threads = 2});
  const index_t m = 5, k = 37, n = 29;
  const Operands o({m, n, k});
  const auto d = random_values(m * n, "d");
  for_each_dot([&] {
    const auto b = o.packed(context, Precision::int8);
    std::vector<float> found(static_cast<std::size_t>(m * k));
    gemm<float>(context, m, row_major(d.data(), n), transposed(b), found.data(), k);
    for (index_t i = 0; i < m; ++i)
      for (index_t p = 0; p < k; ++p) {
        double sum = 0, size = 0;
        for (index_t j = 0; j < n; ++j) {
          const double x = static_cast<double>(d[static_cast<std::size_t>(i * n + j)]) * static_cast<double>(b(p, j));
          sum += x;
          size += std::fabs(x);
        }
        CHECK(std::fabs(static_cast<double>(found[static_cast<std::size_t>(i * k + p)]) - sum) <=
              2 * static_cast<double>(n) * kEps * size);
      }
  });
}

TEST_CASE("narrow: what is no number shows in its row or column, and nowhere else") {
  Context context({.threads = 1});
  const float kNan = std::numeric_limits<float>::quiet_NaN(), kInf = std::numeric_limits<float>::infinity();
  for_each_dot([&] {
    for (const float bad : {kNan, kInf, -kInf})
      for (const Precision precision : {Precision::bf16, Precision::int8}) {
        Operands o({11, 50, 41});
        o.a[3 * 41 + 40] = bad;
        const auto by_row = o.product(context, o.packed(context, precision));
        o.a[3 * 41 + 40] = 1.0f;
        o.weight[7 * 41 + 2] = bad;
        const auto by_column = o.product(context, o.packed(context, precision));
        for (index_t i = 0; i < 11; ++i)
          for (index_t j = 0; j < 50; ++j) {
            const auto at = static_cast<std::size_t>(i * 50 + j);
            CHECK(std::isfinite(by_row[at]) == (i != 3));
            CHECK(std::isfinite(by_column[at]) == (j != 7));
          }
      }
  });
}

TEST_CASE("narrow: rows and columns of zeros, of one value, and of the smallest and the largest numbers") {
  Context context({.threads = 1});
  for_each_dot([&] {
    for (const float value : {0.0f, 1e-38f, 3.5f, -2.0f, 1e30f})
      for (const Precision precision : {Precision::bf16, Precision::int8}) {
        Operands o({2, 3, 6});
        std::fill(o.a.begin(), o.a.end(), value);
        std::fill(o.bias.begin(), o.bias.end(), 0.0f);
        std::fill_n(o.weight.begin(), 6, 0.0f);
        std::fill_n(o.weight.begin() + 6, 6, 1.0f);
        std::fill_n(o.weight.begin() + 12, 6, -1e-38f);
        const auto c = o.product(context, o.packed(context, precision));
        CHECK(c[0] == 0.0f);
        CHECK(c[1] == doctest::Approx(6 * static_cast<double>(value)).epsilon(0.01));
        CHECK(std::fabs(c[2]) <= 7e-38f * std::fabs(value));
      }
  });
}

TEST_CASE("narrow: a half and a quarter of the memory") {
  Context context({.threads = 1});
  const Operands o({1, 480, 1024});
  const auto full = o.packed(context, Precision::f32), half = o.packed(context, Precision::bf16);
  const auto quarter = o.packed(context, Precision::int8);
  CHECK(2 * half.bytes() == full.bytes());
  CHECK(4 * quarter.bytes() <= full.bytes() + 4 * 3 * 4 * 480);
  CHECK(half.rows() == 1024);
  CHECK(quarter.columns() == 480);
  CHECK(full.precision() == Precision::f32);
  CHECK(PackedWeight<float>().empty());
}

TEST_CASE("narrow: nothing to do, and what cannot be done") {
  Context context({.threads = 1});
  for (const Precision precision : {Precision::bf16, Precision::int8}) {
    const Operands none({0, 5, 3});
    CHECK(none.product(context, none.packed(context, precision)).empty());
    const Operands sumless({2, 3, 0});
    const auto c = sumless.product(context, sumless.packed(context, precision));
    for (std::size_t i = 0; i < c.size(); ++i) CHECK(c[i] == sumless.bias[i % 3]);
    const std::vector<double> wide(4, 1.0);
    expect_error(ErrorCode::contract, {"double"},
                 [&] { pack_weight<double>(context, 2, 2, row_major(wide.data(), 2), precision); });
    const Operands o({2, 3, 2});
    const auto b = o.packed(context, precision);
    float c4[6];
    expect_error(ErrorCode::contract, {"contiguous"}, [&] {
      gemm<float>(context, 2, MatrixRef<float>{o.a.data(), 1, 2}, b, c4, 3);
    });
  }
  const std::vector<float> tall(65537, 1.0f);
  expect_error(ErrorCode::contract, {"65536"},
               [&] { pack_weight<float>(context, 65537, 1, row_major(tall.data(), 1), Precision::int8); });
}

namespace {

/// Self-attention of `tokens` tokens in two images and three heads.
std::vector<float> attend(Context& context, std::vector<float> qkv, index_t tokens, index_t width, bool is_causal,
                          Precision precision) {
  const index_t heads = 3, row = heads * width;
  std::vector<float> out(static_cast<std::size_t>(2 * tokens * row));
  Attention<float> args{};
  args.query = qkv.data();
  args.key = qkv.data() + row;
  args.value = qkv.data() + 2 * row;
  args.stride = 3 * row;
  args.out = out.data();
  args.out_stride = row;
  args.batch = 2;
  args.tokens = tokens;
  args.heads = heads;
  args.head_width = width;
  args.scale = 1.0f / std::sqrt(static_cast<float>(width));
  args.causal = is_causal;
  args.precision = precision;
  attention<float>(context, args);
  return out;
}

}  // namespace

TEST_CASE("narrow: attention in bf16 is as near to float's as its rounding allows, and float's where there is none") {
  Context one({.threads = 1}), two({.threads = 2});
  for (const index_t tokens : {1, 2, 5, 47, 49, 129, 257})
    for (const index_t width : {1, 8, 13, 64})
      for (const bool is_causal : {false, true}) {
        const auto qkv = random_values(2 * tokens * 9 * width, "qkv");
        for_each_dot([&] {
          const auto full = attend(one, qkv, tokens, width, is_causal, Precision::f32);
          const auto found = attend(one, qkv, tokens, width, is_causal, Precision::bf16);
          CHECK(bits(attend(two, qkv, tokens, width, is_causal, Precision::bf16)) == bits(found));
          if (narrow_table_of(active_isa()).attention == nullptr) {
            CHECK(bits(found) == bits(full));
            return;
          }
          // |q|, |k|, |v| <= 1, so scores are off by at most e = (2 u + u^2) sqrt(width) with u = 2^-9, weights by a
          // factor of exp(2 e) beside their own rounding u and the cubic's 8e-5, and values by u
          const double u = 0x1p-9, e = (2 * u + u * u) * std::sqrt(static_cast<double>(width));
          const double bound = std::exp(2 * e) * (1 + u) * (1 + u) * (1 + 2e-4) - 1 + 1e-5;
          double worst = 0;
          for (std::size_t i = 0; i < full.size(); ++i)
            worst = std::max(worst, std::fabs(static_cast<double>(full[i]) - static_cast<double>(found[i])));
          CHECK(worst <= bound);
        });
      }
}

TEST_CASE("narrow: causal attention in bf16 does not see later tokens, not to the last bit") {
  Context context({.threads = 1});
  const index_t tokens = 70, width = 16, row = 9 * width;
  auto qkv = random_values(2 * tokens * row, "qkv");
  for_each_dot([&] {
    const auto before = attend(context, qkv, tokens, width, true, Precision::bf16);
    auto changed = qkv;
    for (index_t i = 41 * row; i < tokens * row; ++i) changed[static_cast<std::size_t>(i)] *= -3.0f;
    const auto after = attend(context, changed, tokens, width, true, Precision::bf16);
    for (index_t i = 0; i < 41 * 3 * width; ++i)
      CHECK(before[static_cast<std::size_t>(i)] == after[static_cast<std::size_t>(i)]);
  });
}
