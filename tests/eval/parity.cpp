// SPDX-License-Identifier: MIT
// Metrics of rankings and maps that parity.py writes to stdin: per case five int64 (kind 0 ranking | 1 maps; n, height,
// width; 1 for the exact table), n float32 scores of height x width pixels each, as many bytes of labels. Prints AUROC,
// AP, F1-max, its threshold and AUPRO, each with its error, NaN where undefined.

#include <cstdio>
#include <moeclip/eval/score_table.hpp>

using namespace moeclip;  // NOLINT

namespace {

template <class T>
bool read_values(T* values, std::size_t count) {
  return std::fread(values, sizeof(T), count, stdin) == count;
}

Metrics measure_case(const std::int64_t* header, const std::vector<float>& scores,
                     const std::vector<std::uint8_t>& labels) {
  const index_t height = header[2], width = header[3];
  if (header[0] == 0 && header[4] == 1) return measure(scores, labels);
  Context context({.threads = 1});
  ScoreTable table({.is_exact = header[4] == 1});
  for (index_t i = 0; i < header[1]; ++i) {
    if (header[0] == 0) {
      table.add_image(scores[static_cast<std::size_t>(i)], labels[static_cast<std::size_t>(i)] != 0);
    } else {
      const index_t first = i * height * width;
      table.add_map(context, {scores.data() + first, {height, width}},
                    {labels.data() + first, width, height, 1, width});
    }
  }
  return table.metrics();
}

}  // namespace

int main() {
  std::int64_t header[5];
  while (read_values(header, 5)) {
    const auto count = static_cast<std::size_t>(header[1] * header[2] * header[3]);
    std::vector<float> scores(count);
    std::vector<std::uint8_t> labels(count);
    if (!read_values(scores.data(), count) || !read_values(labels.data(), count)) return 1;
    const Metrics m = measure_case(header, scores, labels);
    for (const Metric& metric : {m.auroc, m.average_precision, m.f1_max, Metric(m.f1_threshold), m.aupro})
      std::printf("%.17g %.17g ", metric.value, metric.error);
    std::printf("\n");
  }
  return 0;
}
