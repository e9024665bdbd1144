// SPDX-License-Identifier: MIT
// Attention backward of one head (ATT-1' in nn/README.md), panel of queries by panel of queries. Scores are made
// again as in attention.inl; E = exp(S - highest) is not divided by its sums l: that factor goes into d_o.
//   (1) S^T = K (scale Q)^T      (2) E^T = exp(S^T - highest), l its sums      (3) d_o <- d_o / l,  delta = o d_o
//   (4) dS^T = E^T (V d_o^T - delta)      (5) dQ^T = scale K^T dS^T      (6) dV += E d_o,  dK += dS (scale Q)
// (4) to (6) run key block by key block. The strips (keys, queries) are right-hand operands of (5) as they lie, and
// left-hand operands of (6) when read down instead of across.

inline constexpr index_t kBackwardKeys = kKeyBlock / kTileRows * kTileRows;  // keys per block: whole tiles

/// One head: its operands, packed once, the sums dK and dV, and what belongs to the panel at hand.
struct HeadBackward {
  AttentionJob job;                // with keys: (tokens) as row panels, k is the head width
  float* values;                   // as the keys
  float* keys_across;              // (head width) as row panels, key block after key block
  float *d_keys, *d_values;        // (head width / tile columns, keys, tile columns)
  float *scores, *d_scores;        // (keys, queries), (keys of a block, queries)
  float *query, *d_out, *d_query;  // (head width, queries)
  float *query_rows, *d_out_rows;  // (head width / tile columns, queries, tile columns)
};

/// (3): d_o / l of the panel, in both orders, and delta.
inline void pack_d_out(const HeadBackward& head, const AttentionGradient<float>& gradient, index_t queries,
                       const float* inverse, float* delta) {
  const Attention<float>& args = *head.job.args;
  const index_t width = args.head_width, column = head.job.head * width;
  const index_t first = head.job.image * args.tokens + head.job.first_query;
  const float* const d_out = gradient.d_out + first * gradient.d_out_stride + column;
  pack_panels<kTileColumns>({queries, width, d_out, gradient.d_out_stride, 1, head.d_out});
  for (index_t d = 0; d < width; ++d)
    for (index_t v = 0; v < kTileColumns; v += kLanes) {
      float* const value = head.d_out + d * kTileColumns + v;
      store(value, mul(load(value), load(inverse + v)));
    }
  pack_panels<kTileColumns>({width, queries, d_out, 1, gradient.d_out_stride, head.d_out_rows});
  for (index_t c = 0; c < width; c += kTileColumns)
    for (index_t q = 0; q < queries; ++q)
      for (index_t v = 0; v < kTileColumns; v += kLanes) {
        float* const value = head.d_out_rows + c * queries + q * kTileColumns + v;
        store(value, mul(load(value), broadcast(inverse[q])));
      }
  for (index_t q = 0; q < queries; ++q) {
    const float *d_o = d_out + q * gradient.d_out_stride, *o = args.out + (first + q) * args.out_stride + column;
    delta[q] = inverse[q] * sum_row(width, [d_o, o](index_t i, index_t n) {
                 return mul(load_lanes(d_o + i, n), load_lanes(o + i, n));
               });
  }
}

/// (4) for `tiles` tiles of keys from key t on.
inline void d_score_block(const HeadBackward& head, index_t t, index_t tiles, const float* delta) {
  const index_t width = head.job.args->head_width;
  for (index_t i = 0; i < tiles; ++i) {
    const float* const values = head.values + (t + i * kTileRows) * width;
    const float* const weight = head.scores + t * kTileColumns + i * kTileSize;
    float* const d_score = head.d_scores + i * kTileSize;
    multiply_tile(width, values, head.d_out, false, d_score, values + kTileRows * width);
    for (index_t r = 0; r < kTileSize; r += kTileColumns) {
      MOECLIP_UNROLL
      for (index_t v = 0; v < kTileColumns; v += kLanes)
        store(d_score + r + v, mul(load(weight + r + v), sub(load(d_score + r + v), load(delta + v))));
    }
  }
}

/// (6): sums += weights (keys, queries) rows (queries, head width) for `tiles` tiles of keys; `sums` and `weights`
/// point at the first of them.
inline void add_to_keys(const HeadBackward& head, index_t tiles, index_t queries, const float* weights,
                        const float* rows, float* sums) {
  const index_t width = head.job.args->head_width;
  const index_t padded_tokens = (head.job.args->tokens + kTileRows - 1) / kTileRows * kTileRows;
  for (index_t c = 0; c < width;
       c += kTileColumns, rows += queries * kTileColumns, sums += padded_tokens * kTileColumns)
    for (index_t i = 0; i < tiles; ++i) {
      const float* const weight = weights + i * kTileSize;
      float* const sum = sums + i * kTileSize;
      if (width - c <= kLanes)
        multiply_tile<1, kTileColumns, 1>(queries, weight, rows, true, sum, sum + kTileSize);
      else
        multiply_tile<kTileVectors, kTileColumns, 1>(queries, weight, rows, true, sum, sum + kTileSize);
    }
}

/// All of one panel of queries: dQ is finished, dK and dV are added to.
inline void attention_backward_panel(const HeadBackward& head, const AttentionGradient<float>& gradient) {
  const Attention<float>& args = *head.job.args;
  const index_t width = args.head_width, padded_width = (width + kTileRows - 1) / kTileRows * kTileRows;
  const index_t left = args.tokens - head.job.first_query, queries = left < kTileColumns ? left : kTileColumns;
  const index_t visible = args.causal ? head.job.first_query + queries : args.tokens;
  float inverse[kTileColumns], delta[kTileColumns] = {};
  Vec highest[kTileVectors], sum[kTileVectors];
  for (index_t v = 0; v < kTileVectors; ++v) sum[v] = zero();

  score_panel(head.job, queries, visible, head.query, head.scores, highest);  // (1)
  exp_block(visible, head.scores, highest, sum);                              // (2)
  for (index_t i = visible * kTileColumns; i % kTileSize != 0; i += kLanes) store(head.scores + i, zero());
  for (index_t v = 0; v < kTileVectors; ++v) store(inverse + v * kLanes, div(broadcast(1.0f), sum[v]));
  pack_d_out(head, gradient, queries, inverse, delta);  // (3)
  const float* const query = args.query + (head.job.image * args.tokens + head.job.first_query) * args.stride;
  pack_panels<kTileColumns>({width, queries, query + head.job.head * width, 1, args.stride, head.query_rows});
  for (index_t i = 0; i < (width + kTileColumns - 1) / kTileColumns * kTileColumns * queries; i += kLanes)
    store(head.query_rows + i, mul(load(head.query_rows + i), broadcast(args.scale)));

  for (index_t t = 0; t < visible; t += kBackwardKeys) {
    const index_t keys = visible - t < kBackwardKeys ? visible - t : kBackwardKeys;
    const index_t stored = args.tokens - t < kBackwardKeys ? args.tokens - t : kBackwardKeys;
    const index_t tiles = (keys + kTileRows - 1) / kTileRows;
    d_score_block(head, t, tiles, delta);             // (4)
    for (index_t d = 0; d < width; d += kTileRows) {  // (5)
      const float* const across = head.keys_across + t * padded_width + d * stored;
      multiply_tile(keys, across, head.d_scores, t > 0, head.d_query + d * kTileColumns, across + kTileRows * stored);
    }
    add_to_keys(head, tiles, queries, head.scores + t * kTileColumns, head.d_out_rows,  // (6)
                head.d_values + t * kTileColumns);
    add_to_keys(head, tiles, queries, head.d_scores, head.query_rows, head.d_keys + t * kTileColumns);
  }
  for (index_t i = 0; i < width * kTileColumns; i += kLanes)
    store(head.d_query + i, mul(load(head.d_query + i), broadcast(args.scale)));
  float* const target = gradient.d_query + head.job.head * width +
                        (head.job.image * args.tokens + head.job.first_query) * gradient.d_stride;
  transpose_into(width, queries, head.d_query, kTileColumns, target, gradient.d_stride);
}

/// Rows of sums (head width / tile columns, keys, tile columns) to the columns of one head.
inline void unpack_sums(index_t tokens, index_t width, const float* sums, float* target, index_t stride) {
  const index_t padded_tokens = (tokens + kTileRows - 1) / kTileRows * kTileRows;
  for (index_t c = 0; c < width; c += kTileColumns)
    for (index_t t = 0; t < tokens; ++t)
      for (index_t v = c; v < c + kTileColumns && v < width; v += kLanes)
        store_lanes(target + t * stride + v, load(sums + c * padded_tokens + t * kTileColumns + v - c), width - v);
}

inline void attention_backward_head(const AttentionBackwardJob& job) noexcept {
  const Attention<float>& args = *job.args;
  const index_t tokens = args.tokens, width = args.head_width,
                offset = job.image * tokens * args.stride + job.head * width;
  const index_t padded_tokens = (tokens + kTileRows - 1) / kTileRows * kTileRows;
  const index_t padded_width = (width + kTileRows - 1) / kTileRows * kTileRows;
  const index_t wide = (width + kTileColumns - 1) / kTileColumns * kTileColumns;
  float* next = job.scratch;
  const auto take = [&next](index_t count) MOECLIP_INLINE_LAMBDA {
    next += count;
    return next - count;
  };
  HeadBackward head{};
  float* const keys = take(padded_tokens * width);
  head.values = take(padded_tokens * width);
  head.keys_across = take(padded_width * tokens);
  head.d_keys = take(padded_tokens * wide);
  head.d_values = take(padded_tokens * wide);
  head.scores = take(padded_tokens * kTileColumns);
  head.d_scores = take(kBackwardKeys * kTileColumns);
  head.query = take(width * kTileColumns);
  head.d_out = take(width * kTileColumns);
  head.d_query = take(padded_width * kTileColumns);
  head.query_rows = take(kTileColumns * wide);
  head.d_out_rows = take(kTileColumns * wide);

  pack_panels<kTileRows>({tokens, width, args.key + offset, args.stride, 1, keys});
  pack_panels<kTileRows>({tokens, width, args.value + offset, args.stride, 1, head.values});
  for (index_t t = 0; t < tokens; t += kBackwardKeys)
    pack_panels<kTileRows>({width, tokens - t < kBackwardKeys ? tokens - t : kBackwardKeys,
                            args.key + offset + t * args.stride, 1, args.stride, head.keys_across + t * padded_width});
  for (index_t i = 0; i < 2 * padded_tokens * wide; i += kLanes) store(head.d_keys + i, zero());  // d_values follow
  head.job.args = &args;
  head.job.image = job.image;
  head.job.head = job.head;
  head.job.keys = keys;
  for (head.job.first_query = 0; head.job.first_query < tokens; head.job.first_query += kTileColumns)
    attention_backward_panel(head, *job.gradient);
  const index_t target = job.image * tokens * job.gradient->d_stride + job.head * width;
  unpack_sums(tokens, width, head.d_keys, job.gradient->d_key + target, job.gradient->d_stride);
  unpack_sums(tokens, width, head.d_values, job.gradient->d_value + target, job.gradient->d_stride);
}
