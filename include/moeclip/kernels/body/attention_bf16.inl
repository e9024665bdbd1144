// SPDX-License-Identifier: MIT
// Attention of body/attention.inl with products of bfloat16: scores, highest scores, exponentials and sums stay float;
// queries, keys, values and weights are rounded on their way into a product. Neighbours in the head width share a word
// in (1), neighbouring keys in (3).

/// The keys and values of one head of one image as panels of words; `keys` and `values` of the job are written.
inline void pack_head_bf16(const AttentionJob& job) noexcept {
  const Attention<float>& args = *job.args;
  const index_t width = args.head_width, steps = (width + 1) / 2,
                offset = job.image * args.tokens * args.stride + job.head * width;
  auto* const keys = reinterpret_cast<std::uint32_t*>(const_cast<float*>(job.keys));
  auto* const values = reinterpret_cast<std::uint32_t*>(const_cast<float*>(job.values));
  auto* const scratch = reinterpret_cast<std::uint32_t*>(job.scratch);
  for (index_t t = 0; t < args.tokens; t += kTileRows) {
    const index_t rows = args.tokens - t < kTileRows ? args.tokens - t : kTileRows;
    pack_rows_bf16({rows, width, steps, args.key + offset + t * args.stride, args.stride, keys + t * steps, scratch,
                    nullptr, nullptr});
  }
  const index_t padded_width = (width + kTileRows - 1) / kTileRows * kTileRows;
  for (index_t t = 0; t < args.tokens; t += 2) {
    const index_t block = t / kKeyBlock * kKeyBlock, left = args.tokens - block;
    const index_t pairs = ((left < kKeyBlock ? left : kKeyBlock) + 1) / 2;
    const float* const first = args.value + offset + t * args.stride;
    std::uint32_t* const to = values + block / 2 * padded_width + (t - block) / 2 * kTileRows;
    for (index_t d = 0; d < padded_width; d += kLanes) {
      const index_t n = d < width ? width - d : 0;
      const Vec even = load_lanes(first + d, n);
      const Vec odd = t + 1 < args.tokens ? load_lanes(first + args.stride + d, n) : zero();
      std::uint32_t words[kLanes];
      Dot16::store_pairs(words, even, odd);
      for (index_t r = d; r < d + kLanes && r < padded_width; ++r)
        to[r / kTileRows * kTileRows * pairs + r % kTileRows] = words[r - d];
    }
  }
}

/// 2^x for x <= 0, 0 far below; within 8e-5 of it, relatively, which is small beside the rounding to bfloat16 that
/// follows.
inline Vec exp2_weight(Vec x) {
  const Vec bounded = max(broadcast(-200.0f), x), power = round(bounded), f = sub(bounded, power);
  Vec p = fma(broadcast(5.517177459e-02f), f, broadcast(2.426113724e-01f));
  p = fma(p, f, broadcast(6.932609700e-01f));
  return scale_by_power(fma(p, f, broadcast(9.999280273e-01f)), power);
}

/// (1) as score_panel, of scores log2(e) times as large, so that their weights are powers of two.
inline void score_panel_bf16(const AttentionJob& job, index_t queries, index_t visible, float* query, float* scores,
                             Vec (&highest)[kTileVectors]) {
  const Attention<float>& args = *job.args;
  const index_t width = args.head_width, steps = (width + 1) / 2, first = job.image * args.tokens + job.first_query;
  auto* const rows = reinterpret_cast<std::uint32_t*>(query + steps * kTileColumns);  // (queries, steps)
  const Vec scale = broadcast(args.scale * 1.44269504f);
  for (index_t i = 0; i < queries; ++i) {
    const float* const row = args.query + (first + i) * args.stride + job.head * width;
    for (index_t d = 0; d < width; d += 2 * kLanes) {
      const index_t n = width - d;
      std::uint32_t words[kLanes];
      Dot16::store_rounded(words, mul(load_lanes(row + d, n), scale),
                           n > kLanes ? mul(load_lanes(row + d + kLanes, n - kLanes), scale) : zero());
      for (index_t s = 0; s < kLanes && d / 2 + s < steps; ++s) rows[i * steps + d / 2 + s] = words[s];
    }
  }
  pack_panels<kTileColumns>({queries, steps, reinterpret_cast<const float*>(rows), steps, 1, query});
  const auto* const panel = reinterpret_cast<const std::uint32_t*>(query);
  for (index_t v = 0; v < kTileVectors; ++v) highest[v] = broadcast(-std::numeric_limits<float>::infinity());
  for (index_t t = 0; t < visible; t += kTileRows) {
    const auto* const keys = reinterpret_cast<const std::uint32_t*>(job.keys) + t * steps;
    multiply_words<Dot16>(steps, keys, panel, false, scores + t * kTileColumns,
                          reinterpret_cast<const float*>(keys + kTileRows * steps));
    raise_highest(job, t, visible - t < kTileRows ? visible - t : kTileRows, scores + t * kTileColumns, highest);
  }
}

/// (2) weights = 2^(scores - highest) for `keys` rows, added to the sums; they become words of two keys each, in place.
inline void exp_pairs(index_t keys, float* scores, const Vec (&highest)[kTileVectors], Vec (&sum)[kTileVectors]) {
  for (index_t r = 0; r < keys; r += 2) {
    MOECLIP_UNROLL
    for (index_t v = 0; v < kTileVectors; ++v) {
      const float* const score = scores + r * kTileColumns + v * kLanes;
      const Vec even = exp2_weight(sub(load(score), highest[v]));
      const Vec odd = r + 1 < keys ? exp2_weight(sub(load(score + kTileColumns), highest[v])) : zero();
      sum[v] = add(sum[v], add(even, odd));
      Dot16::store_pairs(reinterpret_cast<std::uint32_t*>(scores) + r / 2 * kTileColumns + v * kLanes, even, odd);
    }
  }
}

inline void attention_panel_bf16(const AttentionJob& job) noexcept {
  const Attention<float>& args = *job.args;
  const index_t width = args.head_width, padded_width = (width + kTileRows - 1) / kTileRows * kTileRows;
  const index_t left = args.tokens - job.first_query, queries = left < kTileColumns ? left : kTileColumns;
  const index_t visible = args.causal ? job.first_query + queries : args.tokens;
  const index_t first = job.image * args.tokens + job.first_query, column = job.head * width;
  float* const scores = job.scratch;
  float* const query = scores + (args.tokens + kTileRows - 1) / kTileRows * kTileSize;
  float* const out = query + width * kTileColumns;  // (padded Dh, queries)

  Vec highest[kTileVectors], sum[kTileVectors];
  for (index_t v = 0; v < kTileVectors; ++v) sum[v] = zero();
  score_panel_bf16(job, queries, visible, query, scores, highest);  // (1)
  for (index_t t = 0; t < visible; t += kKeyBlock) {
    const index_t keys = visible - t < kKeyBlock ? visible - t : kKeyBlock, pairs = (keys + 1) / 2;
    const index_t stored = ((args.tokens - t < kKeyBlock ? args.tokens - t : kKeyBlock) + 1) / 2;
    exp_pairs(keys, scores + t * kTileColumns, highest, sum);  // (2)
    const auto* const weights = reinterpret_cast<const std::uint32_t*>(scores + t * kTileColumns);
    for (index_t d = 0; d < width; d += kTileRows) {  // (3)
      const auto* const values = reinterpret_cast<const std::uint32_t*>(job.values) + t / 2 * padded_width + d * stored;
      multiply_words<Dot16>(pairs, values, weights, t > 0, out + d * kTileColumns,
                            reinterpret_cast<const float*>(values + kTileRows * stored));
    }
  }
  for (index_t v = 0; v < kTileVectors; ++v) {  // (4)
    const Vec factor = div(broadcast(1.0f), sum[v]);
    for (index_t d = 0; d < width; ++d) {
      float* const value = out + d * kTileColumns + v * kLanes;
      store(value, mul(load(value), factor));
    }
  }
  transpose_into(width, queries, out, kTileColumns, args.out + first * args.out_stride + column, args.out_stride);
}
