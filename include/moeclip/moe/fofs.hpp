// SPDX-License-Identifier: MIT
#pragma once
// FOFS, frozen orthogonal feature separation (FOF-1 in this folder's README; METHOD section 6), cuts the channels into
// E contiguous chunks; the input projection A_e of expert e is Q^T inside its chunk and zero outside, with Q from the
// QR decomposition of a standard normal matrix. Stacked over experts, A A^T = I: no expert sees what another sees.

#include <algorithm>
#include <cmath>
#include <vector>

#include "../nn/initialize.hpp"
#include "mixture.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Channels [begin, end) of an expert.
struct ChannelChunk {
  index_t begin = 0, end = 0;  ///< first channel, and one past the last
};

/// Chunk of expert e: width / experts channels each, the first width % experts chunks one longer.
inline ChannelChunk fofs_chunk(index_t width, index_t experts, index_t e) {
  const index_t base = width / experts, longer = width % experts;
  const index_t begin = e * base + (std::min)(e, longer);
  return {begin, begin + base + (e < longer ? 1 : 0)};
}

namespace detail {

/// The reflection I - 2 v v^T / |v|^2.
struct Reflector {
  std::vector<double> v;
  double square = 0;  // |v|^2

  /// Applies it to column j of a; v is zero above row `from`.
  void apply(View<double, 2> a, index_t j, index_t from) const {
    double dot = 0;
    for (index_t i = from; i < a.extent(0); ++i) dot += v[static_cast<std::size_t>(i)] * a(i, j);
    for (index_t i = from; i < a.extent(0); ++i) a(i, j) -= 2 * dot / square * v[static_cast<std::size_t>(i)];
  }
};

/// The reflection that sends column j of a, from row j on, to the axis j.
inline Reflector reflector_of_column(View<double, 2> a, index_t j) {
  Reflector reflector{std::vector<double>(static_cast<std::size_t>(a.extent(0)), 0.0), 0.0};
  double square = 0;
  for (index_t i = j; i < a.extent(0); ++i) {
    reflector.v[static_cast<std::size_t>(i)] = a(i, j);
    square += a(i, j) * a(i, j);
  }
  double& pivot = reflector.v[static_cast<std::size_t>(j)];
  const double norm = std::sqrt(square);
  reflector.square = 2 * (square + norm * std::abs(pivot));
  pivot += std::copysign(norm, pivot);  // away from cancellation; the diagonal of R gets the other sign
  if (reflector.square == 0) reflector.square = pivot = 1;
  return reflector;
}

}  // namespace detail

/// Q (m, n) with orthonormal columns from the reduced QR decomposition of a (m, n), m >= n, by Householder reflections
/// with LAPACK's choice of signs. Columns that depend on earlier ones still yield an orthonormal Q.
inline Tensor<double> orthonormal_columns(Tensor<double> a) {
  const index_t m = a.extent(0), n = a.extent(1);
  MOECLIP_EXPECT(m >= n, "a ", m, "x", n, " matrix has no ", n, " orthonormal columns");
  std::vector<detail::Reflector> reflectors;
  for (index_t j = 0; j < n; ++j) {
    reflectors.push_back(detail::reflector_of_column(a.view<2>(), j));
    for (index_t k = j; k < n; ++k) reflectors.back().apply(a.view<2>(), k, j);
  }
  Tensor<double> q({m, n});  // H_0 ... H_{n-1} times the first n columns of I
  for (index_t j = 0; j < n; ++j) q[j * n + j] = 1;
  for (index_t j = n; j-- > 0;)
    for (index_t k = 0; k < n; ++k) reflectors[static_cast<std::size_t>(j)].apply(q.view<2>(), k, j);
  return q;
}

/// Fills lora_a of every expert of `mixture`; `name` names the random stream. Throws contract if a chunk is narrower
/// than the rank.
template <class T>
void initialize_fofs(Mixture<T>& mixture, std::uint64_t seed, std::string_view name) {
  for (index_t e = 0; e < mixture.expert_count(); ++e) {
    Tensor<T>& a = mixture.experts[static_cast<std::size_t>(e)].lora_a;
    const index_t rank = a.extent(0), width = a.extent(1);
    const ChannelChunk chunk = fofs_chunk(width, mixture.expert_count(), e);
    MOECLIP_EXPECT(chunk.end - chunk.begin >= rank, "FOFS needs at least ", rank, " channels per expert; width ", width,
                   " over ", counted(mixture.expert_count(), "expert"), " gives ", chunk.end - chunk.begin);
    Tensor<double> normal({chunk.end - chunk.begin, rank});
    fill_normal(normal, seed, concat(name, ".experts.", e));
    const Tensor<double> q = orthonormal_columns(std::move(normal));
    a.fill(T(0));
    for (index_t r = 0; r < rank; ++r)
      for (index_t c = chunk.begin; c < chunk.end; ++c)
        a[r * width + c] = static_cast<T>(q[(c - chunk.begin) * rank + r]);
  }
}

}}  // namespace moeclip::abi_v0_1
