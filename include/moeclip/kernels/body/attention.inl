// SPDX-License-Identifier: MIT
// Attention of one panel of queries to all keys of its head. Scores are held transposed, (keys, queries): the softmax
// over keys then runs down the lanes without a reduction across them, and the strip of weights is, as it lies, the
// packed right-hand operand of the product with the values.
//   (1) S^T = K (scale Q)^T, and the highest score of each query   (2) P^T = exp(S^T - highest), and its sum
//   (3) O^T = V^T P^T, key block by key block behind (2)           (4) O = (O^T / sum)^T
// A strip of scores fits the cache, so the maximum is found first and nothing is ever rescaled, as ATT-3 would.

// A panel of few queries, as the last one may be, takes as many vectors as it needs (kVectors).

/// Adds one tile of keys from `key` on to the highest scores; a causal mask first hides keys after the query of a lane.
template <index_t kVectors>
inline void raise_highest(const AttentionJob& job, index_t key, index_t keys, float* tile, Vec (&highest)[kVectors]) {
  const float hidden = -std::numeric_limits<float>::infinity();
  const bool is_masked = job.args->causal && key + keys - 1 > job.first_query;
  for (index_t r = 0; r < keys; ++r) {
    const Vec first_seeing =
        broadcast(static_cast<float>(key + r - job.first_query));  // lanes before it do not see the key
    MOECLIP_UNROLL
    for (index_t v = 0; v < kVectors; ++v) {
      float* const score = tile + r * kTileColumns + v * kLanes;
      if (is_masked) {
        const Vec lane = add(iota(), broadcast(static_cast<float>(v * kLanes)));
        store(score, select_less(lane, first_seeing, broadcast(hidden), load(score)));
      }
      highest[v] = max(highest[v], load(score));
    }
  }
}

/// e^x for x <= 0, and 0 below -87: there results would be subnormal, which costs a hundred cycles each on many
/// machines and is nothing beside a sum that is at least 1. Masked keys end up here.
inline Vec exp_weight(Vec x) {
  const Vec least = broadcast(-87.0f);
  const SplitExp e = split_exp(max(least, x));
  return select_less(x, least, zero(), scale_by_power(add(broadcast(1.0f), e.rest), e.power));
}

/// weights = exp(scores - highest) in place for `keys` rows, added to the sums.
template <index_t kVectors>
inline void exp_block(index_t keys, float* scores, const Vec (&highest)[kVectors], Vec (&sum)[kVectors]) {
  for (index_t r = 0; r < keys; ++r) {
    MOECLIP_UNROLL
    for (index_t v = 0; v < kVectors; ++v) {
      float* const score = scores + r * kTileColumns + v * kLanes;
      const Vec weight = exp_weight(sub(load(score), highest[v]));
      sum[v] = add(sum[v], weight);
      store(score, weight);
    }
  }
}

/// Scores of a tile of keys with the queries of a panel, and the highest of them, where nothing is hidden.
template <index_t kVectors>
inline void score_tile(index_t width, const float* keys, const float* query, float* tile, Vec (&highest)[kVectors]) {
  Vec sum[kTileRows][kVectors];
  sum_tile(width, {keys, 1, kTileRows}, query, keys + kTileRows * width, sum);
  each_sum(sum, [tile, &highest](index_t r, index_t v, Vec& s) MOECLIP_INLINE_LAMBDA {
    highest[v] = max(highest[v], s);
    store(tile + r * kTileColumns + v * kLanes, s);
  });
}

/// (1): packs the queries of the panel, scaled, and takes their scores with the first `visible` keys.
template <index_t kVectors>
inline void score_panel(const AttentionJob& job, index_t queries, index_t visible, float* query, float* scores,
                        Vec (&highest)[kVectors]) {
  const Attention<float>& args = *job.args;
  const index_t width = args.head_width, first = job.image * args.tokens + job.first_query;
  pack_panels<kTileColumns>(
      {queries, width, args.query + first * args.stride + job.head * width, args.stride, 1, query});
  for (index_t i = 0; i < width * kTileColumns; i += kLanes)
    store(query + i, mul(load(query + i), broadcast(args.scale)));
  for (index_t v = 0; v < kVectors; ++v) highest[v] = broadcast(-std::numeric_limits<float>::infinity());
  const index_t seen_by_all = args.causal ? job.first_query + 1 : visible;
  index_t t = 0;
  for (; t + kTileRows <= seen_by_all; t += kTileRows)
    score_tile(width, job.keys + t * width, query, scores + t * kTileColumns, highest);
  for (; t < visible; t += kTileRows) {
    const float* const keys = job.keys + t * width;
    multiply_tile<kVectors>(width, keys, query, false, scores + t * kTileColumns, keys + kTileRows * width);
    raise_highest(job, t, visible - t < kTileRows ? visible - t : kTileRows, scores + t * kTileColumns, highest);
  }
}

/// Attention of `queries` queries from job.first_query on, at most kVectors * kLanes.
template <index_t kVectors>
inline void attend_queries(const AttentionJob& job, index_t queries) {
  const Attention<float>& args = *job.args;
  const index_t width = args.head_width, padded_width = (width + kTileRows - 1) / kTileRows * kTileRows;
  const index_t visible = args.causal ? job.first_query + queries : args.tokens;
  const index_t first = job.image * args.tokens + job.first_query, column = job.head * width;
  float* const scores = job.scratch;
  float* const query = scores + (args.tokens + kTileRows - 1) / kTileRows * kTileSize;  // (Dh, queries)
  float* const out = query + width * kTileColumns;                                      // (padded Dh, queries)

  Vec highest[kVectors], sum[kVectors];
  for (index_t v = 0; v < kVectors; ++v) sum[v] = zero();
  score_panel(job, queries, visible, query, scores, highest);  // (1)
  for (index_t t = 0; t < visible; t += kKeyBlock) {
    const index_t keys = visible - t < kKeyBlock ? visible - t : kKeyBlock;
    const index_t stored = args.tokens - t < kKeyBlock ? args.tokens - t : kKeyBlock;  // a causal panel may see fewer
    exp_block(keys, scores + t * kTileColumns, highest, sum);                          // (2)
    for (index_t d = 0; d < width; d += kTileRows) {                                   // (3)
      const float* const values = job.values + t * padded_width + d * stored;
      multiply_tile<kVectors>(keys, values, scores + t * kTileColumns, t > 0, out + d * kTileColumns,
                              values + kTileRows * stored);
    }
  }
  for (index_t v = 0; v < kVectors; ++v) {  // (4)
    const Vec factor = div(broadcast(1.0f), sum[v]);
    for (index_t d = 0; d < width; ++d) {
      float* const value = out + d * kTileColumns + v * kLanes;
      store(value, mul(load(value), factor));
    }
  }
  transpose_into(width, queries, out, kTileColumns, args.out + first * args.out_stride + column, args.out_stride);
}

/// The same with no more vectors than that takes.
template <index_t kVectors = kTileVectors>
inline void attend_few_queries(const AttentionJob& job, index_t queries) {
  if constexpr (kVectors > 1)
    if (queries <= (kVectors - 1) * kLanes) return attend_few_queries<kVectors - 1>(job, queries);
  attend_queries<kVectors>(job, queries);
}

inline void attention_panel(const AttentionJob& job) noexcept {
  const index_t left = job.args->tokens - job.first_query;
  attend_few_queries(job, left < kTileColumns ? left : kTileColumns);
}
