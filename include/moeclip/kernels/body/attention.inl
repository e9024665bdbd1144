// SPDX-License-Identifier: MIT
// Attention of one panel of queries to all keys of its head. Scores are held transposed, (keys, queries): the softmax
// over keys then runs down the lanes without a reduction across them, and the strip of weights is, as it lies, the
// packed right-hand operand of the product with the values.
//   (1) S^T = K (scale Q)^T, and the highest score of each query   (2) P^T = exp(S^T - highest), and its sum
//   (3) O^T = V^T P^T, key block by key block behind (2)           (4) O = (O^T / sum)^T

/// Adds one tile of keys from `key` on to the highest scores; a causal mask first hides keys after the query of a lane.
inline void raise_highest(const AttentionJob& job, index_t key, index_t keys, float* tile,
                          Vec (&highest)[kTileVectors]) {
  const float hidden = -std::numeric_limits<float>::infinity();
  const bool is_masked = job.args->causal && key + keys - 1 > job.first_query;
  for (index_t r = 0; r < keys; ++r) {
    const Vec first_seeing =
        broadcast(static_cast<float>(key + r - job.first_query));  // lanes before it do not see the key
    MOECLIP_UNROLL
    for (index_t v = 0; v < kTileVectors; ++v) {
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
  const SplitExp e = split_exp(max(least, x), zero());
  return select_less(x, least, zero(), scale_by_power(add(broadcast(1.0f), e.rest), e.power));
}

/// weights = exp(scores - highest) in place for `keys` rows, added to the sums.
inline void exp_block(index_t keys, float* scores, const Vec (&highest)[kTileVectors], Vec (&sum)[kTileVectors]) {
  for (index_t r = 0; r < keys; ++r) {
    MOECLIP_UNROLL
    for (index_t v = 0; v < kTileVectors; ++v) {
      float* const score = scores + r * kTileColumns + v * kLanes;
      const Vec weight = exp_weight(sub(load(score), highest[v]));
      sum[v] = add(sum[v], weight);
      store(score, weight);
    }
  }
}

/// (1): packs the queries of the panel, scaled, and takes their scores with the first `visible` keys.
inline void score_panel(const AttentionJob& job, index_t queries, index_t visible, float* query, float* scores,
                        Vec (&highest)[kTileVectors]) {
  const Attention<float>& args = *job.args;
  const index_t width = args.head_width, first = job.image * args.tokens + job.first_query;
  pack_panels<kTileColumns>(
      {queries, width, args.query + first * args.stride + job.head * width, args.stride, 1, query});
  for (index_t i = 0; i < width * kTileColumns; i += kLanes)
    store(query + i, mul(load(query + i), broadcast(args.scale)));
  for (index_t v = 0; v < kTileVectors; ++v) highest[v] = broadcast(-std::numeric_limits<float>::infinity());
  for (index_t t = 0; t < visible; t += kTileRows) {
    const float* const keys = job.keys + t * width;
    multiply_tile(width, keys, query, false, scores + t * kTileColumns, keys + kTileRows * width);
    raise_highest(job, t, visible - t < kTileRows ? visible - t : kTileRows, scores + t * kTileColumns, highest);
  }
}

inline void attention_panel(const AttentionJob& job) noexcept {
  const Attention<float>& args = *job.args;
  const index_t width = args.head_width, padded_width = (width + kTileRows - 1) / kTileRows * kTileRows;
  const index_t left = args.tokens - job.first_query, queries = left < kTileColumns ? left : kTileColumns;
  const index_t visible = args.causal ? job.first_query + queries : args.tokens;
  const index_t first = job.image * args.tokens + job.first_query, column = job.head * width;
  float* const scores = job.scratch;
  float* const query = scores + (args.tokens + kTileRows - 1) / kTileRows * kTileSize;  // (Dh, queries)
  float* const out = query + width * kTileColumns;                                      // (padded Dh, queries)

  Vec highest[kTileVectors], sum[kTileVectors];
  for (index_t v = 0; v < kTileVectors; ++v) sum[v] = zero();
  score_panel(job, queries, visible, query, scores, highest);  // (1)
  for (index_t t = 0; t < visible; t += kKeyBlock) {
    const index_t keys = visible - t < kKeyBlock ? visible - t : kKeyBlock;
    const index_t stored = args.tokens - t < kKeyBlock ? args.tokens - t : kKeyBlock;  // a causal panel may see fewer
    exp_block(keys, scores + t * kTileColumns, highest, sum);                          // (2)
    for (index_t d = 0; d < width; d += kTileRows) {                                   // (3)
      const float* const values = job.values + t * padded_width + d * stored;
      multiply_tile(keys, values, scores + t * kTileColumns, t > 0, out + d * kTileColumns,
                    values + kTileRows * stored);
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
