// SPDX-License-Identifier: MIT
#include <cstring>
#include <vector>

#include <moeclip/kernels/elementwise.hpp>
#include <moeclip/kernels/gemm.hpp>

#include "kernel_test.hpp"

using namespace moeclip;
using namespace moeclip::kernels;
using kernel_test::for_each_isa;
using kernel_test::random_values;

namespace {

struct Case {
  GemmShape shape;
  bool has_transposed_a = false, has_transposed_b = false, has_bias = false, is_accumulating = false, is_packed = true;
  Activation activation = Activation::none;
};

struct Operands {
  std::vector<float> a, b, bias, c;
  index_t ldc;
  MatrixRef<float> a_ref, b_ref;

  explicit Operands(const Case& t)
      : a(random_values(t.shape.m * t.shape.k + 8, "a")),
        b(random_values(t.shape.k * t.shape.n + 8, "b")),
        bias(random_values(t.shape.n + 1, "bias")),
        ldc(t.shape.n + 3),
        a_ref(t.has_transposed_a ? transposed(row_major(a.data(), t.shape.m)) : row_major(a.data(), t.shape.k)),
        b_ref(t.has_transposed_b ? transposed(row_major(b.data(), t.shape.k)) : row_major(b.data(), t.shape.n)) {
    c = random_values(t.shape.m * ldc + 1, "c");
  }
};

void run(Context& context, const Case& t, Operands& x) {
  const Epilogue<float> epilogue{t.has_bias ? x.bias.data() : nullptr, t.activation, t.is_accumulating};
  if (t.is_packed)
    gemm(context, t.shape.m, x.a_ref, pack(context, t.shape.k, t.shape.n, x.b_ref), x.c.data(), x.ldc, epilogue);
  else
    gemm(context, t.shape, x.a_ref, x.b_ref, x.c.data(), x.ldc, epilogue);
}

// |error| <= (k + 3) eps sum |a||b| for any order of summation; activations have slope below 1.13 and 3 ulp of their
// own.
void check_against_double(const Case& t, const Operands& before, const Operands& after) {
  double worst = 0;
  bool is_outside_kept = true;
  for (index_t i = 0; i < t.shape.m; ++i) {
    for (index_t j = 0; j < before.ldc; ++j) {
      const auto at = static_cast<std::size_t>(i * before.ldc + j);
      if (j >= t.shape.n) {
        is_outside_kept = is_outside_kept && before.c[at] == after.c[at];
        continue;
      }
      double sum = 0, size = 0;
      for (index_t p = 0; p < t.shape.k; ++p) {
        const double product = double{before.a_ref.data[i * before.a_ref.row_stride + p * before.a_ref.column_stride]} *
                               double{before.b_ref.data[p * before.b_ref.row_stride + j * before.b_ref.column_stride]};
        sum += product;
        size += std::fabs(product);
      }
      if (t.has_bias) sum += double{before.bias[static_cast<std::size_t>(j)]}, size += 1;
      double expected = reference::activate(t.activation, sum);
      if (t.is_accumulating) expected += double{before.c[at]}, size += 1;
      const double bound =
          kernel_test::kEps * (static_cast<double>(t.shape.k + 10) * size * 1.13 + std::fabs(expected));
      worst = std::max(worst, std::fabs(expected - double{after.c[at]}) / (bound + 1e-300));
    }
  }
  CHECK(worst <= 1.0);
  CHECK(is_outside_kept);
}

void check(const Case& t) {
  CAPTURE(t.shape.m);
  CAPTURE(t.shape.n);
  CAPTURE(t.shape.k);
  const Operands before(t);
  std::vector<float> first;
  for (const int threads : {1, 2, 3}) {
    Context context({.threads = threads});
    Operands after(t);
    run(context, t, after);
    if (threads == 1) {
      check_against_double(t, before, after);
      first = after.c;
    }
    CHECK(std::memcmp(first.data(), after.c.data(), first.size() * sizeof(float)) == 0);
  }
}

}  // namespace

TEST_CASE("gemm: shapes around the tiles, empty and prime") {
  for_each_isa([] {
    for (const index_t m : {0, 1, 2, 5, 6, 7, 8, 9, 13, 33})
      for (const index_t n : {0, 1, 4, 15, 16, 17, 31, 47, 48, 49, 97})
        for (const index_t k : {0, 1, 3, 4, 31, 64}) check({.shape = {m, n, k}});
  });
}

TEST_CASE("gemm: several blocks of rows, columns and k") {
  for_each_isa([] {
    for (const GemmShape& shape :
         {GemmShape{257, 131, 255}, GemmShape{67, 521, 256}, GemmShape{195, 97, 257}, GemmShape{3, 1031, 513},
          GemmShape{401, 7, 1031}, GemmShape{151, 101, 1029}, GemmShape{301, 97, 8}, GemmShape{1, 1031, 1029}})
      for (const bool is_packed : {false, true})
        check({.shape = shape, .has_bias = true, .is_accumulating = true, .is_packed = is_packed});
  });
}

TEST_CASE("gemm: a row has the same bits in any company") {  // in a whole tile, or among the last rows of a block
  for_each_isa([] {
    Context context({.threads = 1});
    const index_t n = 301, k = active().k_block + 5;
    const Operands x({.shape = {15, n, k}});
    const auto b = pack(context, k, n, x.b_ref);
    std::vector<float> all(static_cast<std::size_t>(15 * n)), some(all.size());
    gemm(context, 15, x.a_ref, b, all.data(), n, {.bias = x.bias.data()});
    for (index_t rows = 1; rows < 15; ++rows) {
      gemm(context, rows, x.a_ref.from_row(15 - rows), b, some.data(), n, {.bias = x.bias.data()});
      const auto size = static_cast<std::size_t>(rows * n);
      CHECK(std::memcmp(some.data(), all.data() + all.size() - size, size * sizeof(float)) == 0);
    }
  });
}

TEST_CASE("gemm: operands in either order, every epilogue") {
  for_each_isa([] {
    for (const bool a : {false, true})
      for (const bool b : {false, true})
        for (const bool bias : {false, true})
          for (const bool accumulate : {false, true})
            for (const auto activation :
                 {Activation::none, Activation::gelu, Activation::quick_gelu, Activation::leaky_relu})
              for (const index_t m : {1, 50})
                check({{m, m == 1 ? 301 : 61, 70}, a, b, bias, accumulate, a != b, activation});
  });
}

TEST_CASE("gemm: strides that are neither 1 nor the row length") {
  for_each_isa([] {
    Context context({.threads = 1});
    const auto a = random_values(20 * 30 * 6, "a"), b = random_values(30 * 40 * 6, "b");
    const MatrixRef<float> a_ref{a.data(), 30 * 6, 3}, b_ref{b.data(), 2, 90};
    std::vector<float> a_dense(20 * 30), b_dense(30 * 40), c(20 * 40), expected(20 * 40);
    for (index_t i = 0; i < 20; ++i)
      for (index_t j = 0; j < 30; ++j) a_dense[static_cast<std::size_t>(i * 30 + j)] = a_ref.data[i * 180 + j * 3];
    for (index_t i = 0; i < 30; ++i)
      for (index_t j = 0; j < 40; ++j) b_dense[static_cast<std::size_t>(i * 40 + j)] = b_ref.data[i * 2 + j * 90];
    gemm(context, {20, 40, 30}, a_ref, b_ref, c.data(), 40);
    gemm(context, {20, 40, 30}, row_major(a_dense.data(), 30), row_major(b_dense.data(), 40), expected.data(), 40);
    CHECK(c == expected);
  });
}

TEST_CASE("gemm: packing keeps every element, and the instruction set that packed") {
  Context context({.threads = 2});
  const auto b = random_values(37 * 101, "b");
  for_each_isa([&] {
    const auto packed = pack(context, 37, 101, row_major(b.data(), 101));
    CHECK(packed.rows() == 37);
    CHECK(packed.columns() == 101);
    CHECK(packed.bytes() >= 37 * 101 * 4);
    CHECK(&packed.table() == &active());
    std::vector<float> back(b.size()), turned(b.size());
    unpack(packed, back.data(), 101, 1);
    CHECK(back == b);
    unpack(packed, turned.data(), 1, 37);
    CHECK(turned[5 + 37 * 3] == b[5 * 101 + 3]);

    const auto a = random_values(37, "a");
    std::vector<float> before(101), after(101);
    gemm(context, 1, row_major(a.data(), 37), packed, before.data(), 101);
    const Isa isa = active_isa();
    select(Isa::scalar);
    gemm(context, 1, row_major(a.data(), 37), packed, after.data(), 101);
    select(isa);
    CHECK(before == after);
  });
  CHECK(PackedMatrix<float>().empty());
}

TEST_CASE("gemm: double runs the reference loops") {
  Context context({.threads = 2});
  const auto a = kernel_test::widened(random_values(7 * 9, "a")), b = kernel_test::widened(random_values(9 * 5, "b"));
  std::vector<double> c(7 * 5), again(7 * 5);
  gemm(context, {7, 5, 9}, row_major(a.data(), 9), row_major(b.data(), 5), c.data(), 5);
  gemm(context, 7, row_major(a.data(), 9), pack(context, 9, 5, row_major(b.data(), 5)), again.data(), 5);
  CHECK(c == again);
  double sum = 0;
  for (std::size_t p = 0; p < 9; ++p) sum += a[3 * 9 + p] * b[p * 5 + 2];
  CHECK(c[3 * 5 + 2] == doctest::Approx(sum).epsilon(1e-14));
}

TEST_CASE("gemm: NaN and infinity pass through, and stay in their row") {
  for_each_isa([] {
    Context context({.threads = 1});
    auto a = random_values(20 * 10, "a");
    const auto b = random_values(10 * 50, "b", 0.4f, 0.5f);  // positive
    a[3 * 10 + 4] = std::numeric_limits<float>::quiet_NaN();
    a[5 * 10 + 1] = std::numeric_limits<float>::infinity();
    std::vector<float> c(20 * 50);
    gemm(context, {20, 50, 10}, row_major(a.data(), 10), row_major(b.data(), 50), c.data(), 50);
    for (std::size_t i = 0; i < c.size(); ++i) {
      CHECK(std::isnan(c[i]) == (i / 50 == 3));
      CHECK(std::isinf(c[i]) == (i / 50 == 5));
    }
  });
}

TEST_CASE("gemm: broken contracts are errors") {
  Context context({.threads = 1});
  float x[4] = {};
  CHECK_THROWS_AS(gemm(context, {-1, 1, 1}, row_major(x, 1), row_major(x, 1), x, 1), Error);
  CHECK_THROWS_AS(gemm(context, {2, 2, 1}, row_major(x, 1), row_major(x, 2), x, 1), Error);
  CHECK_THROWS_AS(pack(context, -1, 2, row_major(x, 2)), Error);
}

TEST_CASE("gemm: a packed matrix serves its transpose, with the bits of the plain product") {
  for_each_isa([] {
    for (const GemmShape& shape : {GemmShape{1, 1, 1}, GemmShape{5, 47, 49}, GemmShape{13, 48, 96},
                                   GemmShape{8, 97, 15}, GemmShape{33, 131, 67}, GemmShape{9, 16, 257}}) {
      CAPTURE(shape.n);
      CAPTURE(shape.k);
      const auto a = random_values(shape.m * shape.k, "a"), b = random_values(shape.n * shape.k, "b");
      const auto before = random_values(shape.m * shape.n, "c");
      for (const int threads : {1, 2}) {
        Context context({.threads = threads});
        // b (n, k) is packed; the product wanted is with its transpose (k, n)
        const auto packed = pack(context, shape.n, shape.k, row_major(b.data(), shape.k));
        auto expected = before, found = before;
        gemm(context, shape, row_major(a.data(), shape.k), transposed(row_major(b.data(), shape.k)), expected.data(),
             shape.n, {.accumulate = true});
        gemm(context, shape.m, row_major(a.data(), shape.k), transposed(packed), found.data(), shape.n,
             {.accumulate = true});
        CHECK(std::memcmp(expected.data(), found.data(), found.size() * sizeof(float)) == 0);
      }
    }
  });
}

TEST_CASE("gemm: what goes into the activation is kept, and slopes multiply") {
  for_each_isa([] {
    Context context({.threads = 2});
    const GemmShape shape{13, 67, 259};
    const auto a = random_values(shape.m * shape.k, "a"), b = random_values(shape.k * shape.n, "b");
    const index_t ldc = shape.n + 2;
    const auto size = static_cast<std::size_t>(shape.m * ldc);
    std::vector<float> plain(size), kept(size), active(size), again(size), d_c(size);
    const auto run = [&](std::vector<float>& c, const Epilogue<float>& epilogue) {
      gemm(context, shape, row_major(a.data(), shape.k), row_major(b.data(), shape.n), c.data(), ldc, epilogue);
    };
    for (const auto activation : {Activation::none, Activation::gelu, Activation::quick_gelu, Activation::leaky_relu}) {
      run(plain, {});
      run(active, {.activation = activation});
      run(again, {.activation = activation, .before = kept.data()});
      CHECK(plain == kept);
      CHECK(active == again);
      const auto at = random_values(static_cast<index_t>(size), "slope", 2.0f);
      run(d_c, {.activation = activation, .slope_at = at.data()});
      std::vector<float> expected(size);
      activate_backward(context, activation, static_cast<index_t>(size), at.data(), plain.data(), expected.data());
      CHECK(d_c == expected);
    }
  });
}
