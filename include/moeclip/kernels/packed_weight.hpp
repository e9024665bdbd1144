// SPDX-License-Identifier: MIT
#pragma once
// A frozen weight, packed once for the kernels in the precision of one's choice; what multiplies with it need not know
// in which.

#include <algorithm>
#include <type_traits>
#include <utility>

#include "gemm.hpp"
#include "narrow.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace kernels {

namespace detail {

struct NarrowCall {
  index_t m = 0;
  MatrixRef<float> a;
  float* c = nullptr;
  index_t ldc = 0;
  const Epilogue<float>& epilogue;
};

/// c = epilogue(a b) by dot products of narrow numbers: a becomes panels of words, then blocks of c are shared out.
inline void multiply_narrow(Context& context, const NarrowView& b, const NarrowCall& call) {
  const index_t m = call.m, ldc = call.ldc;
  const Epilogue<float>& epilogue = call.epilogue;
  const KernelTable& table = table_of(b.table->isa);
  const NarrowKernels& kernels = b.kernels();
  const double work = static_cast<double>(m) * static_cast<double>(b.n) * static_cast<double>(b.k);
  const Cut cut = cut_product(table, {m, b.n, b.k}, context.threads_for(work));
  const index_t most_rows = (cut.row_tiles + cut.down - 1) / cut.down * table.tile_rows;
  const index_t most_columns = (cut.column_tiles + cut.across - 1) / cut.across * table.tile_columns;
  const index_t row_words = kernels.words_per_step * b.steps(), panel_words = row_words * table.tile_rows;
  const index_t tiles_size =
      b.steps() <= table.k_block ? table.tile_rows * table.tile_columns : most_rows * most_columns;
  Arena::Scope scope(context.arena());
  auto* const panels = scope.take<std::uint32_t>(cut.row_tiles * panel_words);
  auto* const scratch = scope.take<std::uint32_t>(context.threads() * panel_words);
  float* const tiles = scope.take<float>(context.threads() * tiles_size);
  float* const scales = scope.take<float>(2 * m);
  context.share(cut.row_tiles, work, [&](index_t tile, int worker) {
    const index_t i = tile * table.tile_rows;
    kernels.pack_rows({(std::min)(table.tile_rows, m - i), b.k, b.steps(), call.a.data + i * call.a.row_stride,
                       call.a.row_stride, panels + tile * panel_words, scratch + worker * panel_words, scales + i,
                       scales + m + i});
  });
  context.share(cut.down * cut.across, work, [&](index_t task, int worker) {
    const index_t row = task / cut.across, column = task % cut.across;
    const index_t row_tile = part_begin(cut.row_tiles, cut.down, row), i = row_tile * table.tile_rows;
    const index_t j = part_begin(cut.column_tiles, cut.across, column) * table.tile_columns;
    NarrowJob job;
    job.c.rows = (std::min)(part_begin(cut.row_tiles, cut.down, row + 1) * table.tile_rows, m) - i;
    job.c.columns = (std::min)(part_begin(cut.column_tiles, cut.across, column + 1) * table.tile_columns, b.n) - j;
    job.c.tiles = tiles + worker * tiles_size;
    job.c.c = call.c + i * ldc + j;
    job.c.ldc = ldc;
    job.c.bias = epilogue.bias != nullptr ? epilogue.bias + j : nullptr;
    job.c.activation = epilogue.activation;
    job.c.accumulate = epilogue.accumulate;
    job.c.before = epilogue.before != nullptr ? epilogue.before + i * ldc + j : nullptr;
    job.c.slope_at = epilogue.slope_at != nullptr ? epilogue.slope_at + i * ldc + j : nullptr;
    job.steps = b.steps();
    job.a = panels + row_tile * panel_words;
    job.b = b.words + j * b.steps();
    job.row_scales = scales + i;
    job.row_centres = scales + m + i;
    if (b.precision == Precision::int8) {
      job.column_scales = b.scales + j;
      job.column_sums = b.sums + j;
      job.column_offsets = b.offsets + j;
    }
    kernels.multiply(job);
  });
}

/// Columns [begin, end) of b, whole panels of bfloat16, as panels of float.
inline void widen_columns(Context& context, const NarrowView& b, index_t begin, index_t end, float* panels) {
  const index_t side = b.panel();
  context.share((end - begin) / side, 8.0 * static_cast<double>(b.k * (end - begin)), [&](index_t panel, int) {
    const std::uint32_t* word = b.words + (begin + panel * side) * b.steps();
    float* to = panels + panel * side * b.k;
    for (index_t i = 0; i < b.k; ++i, to += side) {
      for (index_t j = 0; j < side; ++j)
        to[j] = std::bit_cast<float>(i % 2 == 0 ? word[j] << 16 : word[j] & 0xFFFF0000u);
      if (i % 2 == 1) word += side;
    }
  });
}

/// c = epilogue(a b) for bfloat16 without dot products of them: some columns of b at a time become float, and the float
/// kernels do the rest. a is not rounded.
inline void multiply_widened(Context& context, const NarrowView& b, const NarrowCall& call) {
  constexpr index_t kWidened = index_t{1} << 19;  // elements: 2 MiB, which stay in a cache until they are multiplied
  const KernelTable& table = table_of(b.table->isa);
  const index_t side = b.panel(), columns = round_up(b.n, side);
  const index_t step = (std::min)(columns, round_up(kWidened / (std::max)(b.k, index_t{1}) + 1, side));
  Arena::Scope scope(context.arena());
  float* const panels = scope.take<float>(step * b.k);
  for (index_t j = 0; j < columns; j += step) {
    widen_columns(context, b, j, (std::min)(columns, j + step), panels);
    const auto behind = [&](auto* p) { return p != nullptr ? p + j : p; };
    Epilogue<float> part = call.epilogue;
    part.bias = behind(call.epilogue.bias);
    part.before = behind(call.epilogue.before);
    part.slope_at = behind(call.epilogue.slope_at);
    multiply(context, table, {{call.m, (std::min)(step, b.n - j), b.k}, call.a, panels, call.c + j, call.ldc, part});
  }
}

/// c = epilogue(a b) in the way that the machine has.
inline void gemm_narrow(Context& context, const NarrowView& b, const NarrowCall& call) {
  MOECLIP_EXPECT(call.a.column_stride == 1, "a product in ", to_string(b.precision), " wants contiguous rows");
  if (call.m == 0 || b.n == 0) return;
  (b.kernels().multiply != nullptr ? multiply_narrow : multiply_widened)(context, b, call);
}

}  // namespace detail

/// A right-hand operand b (k x n), packed as float (or double), bfloat16 or 8-bit integers. It belongs to the
/// instruction set that was active when it was packed. Move-only.
template <class T>
class PackedWeight {
 public:
  PackedWeight() = default;
  /// What was packed in full precision.
  explicit PackedWeight(PackedMatrix<T> matrix) : full_(std::move(matrix)) {}
  /// What was packed in narrow numbers.
  explicit PackedWeight(detail::NarrowPanels panels) : narrow_(std::move(panels)), precision_(narrow_.precision) {}

  [[nodiscard]] Precision precision() const noexcept { return precision_; }  ///< f32 stands for double too
  [[nodiscard]] index_t rows() const noexcept { return is_full() ? full_.rows() : narrow_.k; }        ///< k
  [[nodiscard]] index_t columns() const noexcept { return is_full() ? full_.columns() : narrow_.n; }  ///< n
  [[nodiscard]] bool empty() const noexcept { return rows() == 0 || columns() == 0; }  ///< true by default
  /// Memory held, the padding of panels included.
  [[nodiscard]] index_t bytes() const noexcept { return is_full() ? full_.bytes() : narrow_.bytes(); }

  /// Element (i, j) of b, as products see it.
  [[nodiscard]] T operator()(index_t i, index_t j) const {
    return is_full() ? full_(i, j) : static_cast<T>(narrow_(i, j));
  }

  [[nodiscard]] const PackedMatrix<T>& full() const noexcept { return full_; }           ///< empty unless f32
  [[nodiscard]] const detail::NarrowPanels& narrow() const noexcept { return narrow_; }  ///< empty if f32

 private:
  [[nodiscard]] bool is_full() const noexcept { return precision_ == Precision::f32; }

  PackedMatrix<T> full_;
  detail::NarrowPanels narrow_;
  Precision precision_ = Precision::f32;
};

/// Packs b (k x n) for the active instruction set. For int8, `scales` (n) are the columns' own, if they are multiples
/// of some already, or null. Throws contract for double in another precision than f32, and for int8 if b has more than
/// 65536 rows.
template <class T>
PackedWeight<T> pack_weight(Context& context, index_t k, index_t n, MatrixRef<T> b, Precision precision,
                            const T* scales = nullptr) {
  if (precision == Precision::f32) return PackedWeight<T>(pack<T>(context, k, n, b));
  MOECLIP_EXPECT(k >= 0 && n >= 0, "a matrix of ", k, " x ", n, " cannot be packed");
  if constexpr (std::is_same_v<T, float>)
    return PackedWeight<T>(detail::pack_narrow(context, precision, k, n, b, scales));
  else
    fail(ErrorCode::contract, concat("a matrix of double cannot be packed as ", to_string(precision)));
}

/// gemm (kernels/gemm.hpp) with b packed in any precision: a has m rows, contiguous unless b is f32, and b.rows()
/// columns. The result has the same bits for any number of threads.
template <class T>
void gemm(Context& context, index_t m, MatrixRef<T> a, const PackedWeight<T>& b, T* c, index_t ldc,
          const Epilogue<T>& epilogue = {}) {
  if (b.precision() == Precision::f32) return gemm<T>(context, m, a, b.full(), c, ldc, epilogue);
  if constexpr (std::is_same_v<T, float>) {
    detail::expect_gemm({m, b.columns(), b.rows()}, ldc);
    detail::gemm_narrow(context, b.narrow().view(), {m, a, c, ldc, epilogue});
  }
}

/// `weight` as b^T, for gemm; nothing is computed yet.
template <class T>
struct TransposedWeight {
  const PackedWeight<T>& weight;  ///< what was packed, k x n; it must outlive this
};

/// `weight` as b^T, for gemm; nothing is computed yet.
template <class T>
TransposedWeight<T> transposed(const PackedWeight<T>& weight) {
  return {weight};
}

/// The same with b^T: a has m rows and as many columns as the weight, which is turned round in scratch; integers become
/// float there, since their scales belong to what is summed over.
template <class T>
void gemm(Context& context, index_t m, MatrixRef<T> a, TransposedWeight<T> b, T* c, index_t ldc,
          const Epilogue<T>& epilogue = {}) {
  const PackedWeight<T>& from = b.weight;
  if (from.precision() == Precision::f32) return gemm<T>(context, m, a, transposed(from.full()), c, ldc, epilogue);
  Arena::Scope scope(context.arena());
  if constexpr (std::is_same_v<T, float>) {
    if (from.precision() == Precision::bf16) {
      detail::expect_gemm({m, from.rows(), from.columns()}, ldc);
      detail::NarrowView turned{from.narrow(), nullptr};
      std::swap(turned.k, turned.n);
      turned = detail::transpose_narrow(context, from.narrow().view(), scope.take<std::uint32_t>(turned.size()));
      return detail::gemm_narrow(context, turned, {m, a, c, ldc, epilogue});
    }
  }
  T* const wide = scope.take<T>(from.rows() * from.columns());  // (n, k)
  context.share(from.columns(), 8.0 * static_cast<double>(from.rows() * from.columns()), [&](index_t j, int) {
    for (index_t i = 0; i < from.rows(); ++i) wide[j * from.rows() + i] = from(i, j);
  });
  gemm<T>(context, {m, from.rows(), from.columns()}, a, row_major<T>(wide, from.rows()), c, ldc, epilogue);
}

}}}  // namespace moeclip::abi_v0_1::kernels
