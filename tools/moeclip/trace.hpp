// SPDX-License-Identifier: MIT
#pragma once
// What `moeclip trace` does, for one scalar type: the model runs on recorded inputs and every intermediate is kept
// under the name that the golden data uses.

#include <cstdint>
#include <map>
#include <moeclip/anomaly/adapter_file.hpp>
#include <moeclip/anomaly/anchors.hpp>
#include <moeclip/anomaly/features.hpp>
#include <moeclip/anomaly/score_map.hpp>
#include <moeclip/io/safetensors_writer.hpp>
#include <optional>
#include <string>
#include <vector>

namespace cli {

/// One `--test NAME:industrial|medical`.
struct TraceTest {
  std::string name;
  moeclip::Domain domain = moeclip::Domain::industrial;
};

struct TraceTask {
  std::string clip, adapter, input, output;
  moeclip::kernels::Activation activation = moeclip::kernels::Activation::gelu;
  moeclip::index_t images = 0;  ///< intermediates of the first so many; 0: of all
  moeclip::AdapterOptions adapter_options;
  std::vector<TraceTest> tests;
  bool is_dense = false;           ///< all experts on all tokens, as the recipe `paper` trains
  std::vector<std::string> train;  ///< classes of the first images, to train on; empty: no training
  moeclip::index_t train_steps = 1;
  int threads = 0;
};

/// Everything that a trace computes with.
template <class T>
struct TraceModel {
  moeclip::VisionTower<T> vision;
  moeclip::TextTower<T> text;
  moeclip::Adapter<T> adapter;
  moeclip::Tensor<T> positions;  // for the size of the inputs
  moeclip::Tensor<T> images;     // (B, 3, S, S)
  std::map<std::string, moeclip::TextAnchors<T>> anchors;
};

/// How many rows of text/NAME/tokens describe the normal state.
inline constexpr moeclip::index_t kNormalSentences = 6;

/// Token rows (N, S) of the input.
moeclip::Tensor<std::int32_t> read_tokens(const moeclip::WeightFile& input, const std::string& name);

/// Runs the model in T (float or double) and writes what it saw. Throws moeclip::Error.
template <class T>
void trace(const TraceTask& task);

extern template void trace<float>(const TraceTask& task);
extern template void trace<double>(const TraceTask& task);

}  // namespace cli
