// SPDX-License-Identifier: MIT
// A loop of nothing but multiply-adds in registers, to measure the most that the machine can do.

// As many chains as a tile has sums: enough for every FMA unit, which take 4 steps each to finish, and no more than
// there are registers.
inline constexpr index_t kChains = kTileRows * kTileVectors;

/// `steps` (a multiple of 4) times kChains * kLanes multiply-adds. The value returned only keeps them from being
/// optimised away.
inline float spin(index_t steps) noexcept {
  Vec chain[kChains];
  MOECLIP_UNROLL
  for (index_t i = 0; i < kChains; ++i) chain[i] = broadcast(1.0f + static_cast<float>(i));
  const Vec factor = broadcast(0.999f), term = broadcast(0.001f);
  for (index_t step = 0; step < steps; step += 4) {
    MOECLIP_UNROLL
    for (index_t u = 0; u < 4; ++u) {
      MOECLIP_UNROLL
      for (index_t i = 0; i < kChains; ++i) chain[i] = multiply_add(factor, term, chain[i]);
    }
  }
  Vec sum = zero();
  MOECLIP_UNROLL
  for (index_t i = 0; i < kChains; ++i) sum = add(sum, chain[i]);
  return sum_lanes(sum);
}
