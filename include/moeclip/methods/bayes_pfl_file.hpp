// SPDX-License-Identifier: MIT
#pragma once
// Reads the checkpoints of the official Bayes-PFL (train_visa.pth, epoch_post_12_1.pth): a dictionary "MyModel" with
// every parameter under its name, and those of the encoders and decoders under the names of the distributions that use
// them again ("PFL_context.encoder..." is "context_encoder...").

#include <string_view>

#include "../io/weight_file.hpp"
#include "bayes_pfl.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// The part of the training that a checkpoint ends, by the rule of the official code: what stands between the last '_'
/// and the ending of a name with "epoch_post" in it, else the second.
bool is_score_trained(std::string_view path);

/// The parameters in a file of the official layout, in whatever container, for `clip`. What the file does not say, the
/// blocks of its levels among it, is that of `config` if the number of levels is, else the levels are spread evenly.
/// Throws missing if the file holds no such parameters; mismatch, with the shapes, if they are of another CLIP, or if
/// what should be one tensor is two; unsupported if it holds more.
template <class T>
BayesPfl<T> read_bayes_pfl(const WeightFile& file, const ClipConfig& clip, const BayesPflConfig& config = {});

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_METHODS)

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "../anomaly/adapter.hpp"
#include "../io/naming.hpp"
#include "../io/weight_use.hpp"
#include "../io/weights.hpp"
#include "method.hpp"

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

/// A file in the official layout and the names in it.
class BayesPflFile {
 public:
  explicit BayesPflFile(const WeightFile& file) : file_(file) {
    const std::vector<std::string> prefixes = prefixes_of(file, "prompt_state_abnormal");
    if (prefixes.empty())
      fail(ErrorCode::missing, concat(file.path(),
                                      ": holds no Bayes-PFL: no tensor is called prompt_state_abnormal, as "
                                      "in the official train_visa.pth"));
    expect_one_model(file, prefixes);
    prefix_ = prefixes[0];
  }

  [[nodiscard]] std::string stored(std::string_view name) const { return concat(prefix_, name); }

  /// Extent `axis` of a tensor of `rank` axes.
  [[nodiscard]] index_t extent(std::string_view name, int rank, int axis) const {
    constexpr index_t kMost = 4096;  // of prompts, words, flows: no file of the official code has a hundred
    const Shape& shape = file_.entry(stored(name)).shape;
    if (shape.rank() != rank || shape[axis] < 1 || shape[axis] > kMost)
      fail(ErrorCode::mismatch,
           concat(file_.path(), ": tensor ", in_quotes(stored(name)), " is ", to_string(shape), "; ", rank,
                  " axes were wanted, of which number ", axis + 1, " has from 1 to ", index_t{kMost}, " elements"));
    return shape[axis];
  }

  /// What the shapes tell.
  [[nodiscard]] BayesPflConfig sizes(BayesPflConfig config, const ClipConfig& clip) const {
    config.prompts = extent("prompt_context", 3, 0);
    config.context_length = extent("prompt_context", 3, 1);
    config.state_length = extent("prompt_state_abnormal", 3, 1);
    config.flows = extent("PFL_normal.amor_b", 4, 1);
    index_t levels = 0;
    while (file_.find(stored(concat("RCA.linear_proj.", levels, ".weight"))) != nullptr) ++levels;
    const bool fits = levels > 0 && levels <= clip.vision.layers &&
                      config.context_length + config.state_length + 3 <= clip.text.context_length;
    if (!fits)
      fail(ErrorCode::mismatch, concat(file_.path(), ": has ", counted(levels, "level"), " and prompts of ",
                                       config.context_length, " + ", counted(config.state_length, "word"),
                                       ", which do not fit an image tower of ", counted(clip.vision.layers, "block"),
                                       " and sentences of ", counted(clip.text.context_length, "token")));
    const bool are_known =
        std::ssize(config.level_blocks) == levels && config.level_blocks.back() <= clip.vision.layers;
    if (!are_known) config.level_blocks = evenly_spread(clip.vision.layers, levels);
    config.fuses_patches = is_score_trained(file_.path());
    return config;
  }

  /// Reads one tensor. The query of the attention is a convolution in official files, with one axis more.
  template <class T>
  void take(const std::string& name, Tensor<T>& tensor) {
    const std::string at = stored(name);
    used_.insert(at);
    const Shape wanted = tensor.shape(), &found = file_.entry(at).shape;
    const bool has_axis_more = name == "RCA.q_proj_pre.weight" && found.rank() == 3 && found[2] == 1;
    if (has_axis_more) tensor.reshape({wanted[0], wanted[1], 1});
    take_tensor<T>(file_, at, tensor);
    tensor.reshape(wanted);
    expect_same_elsewhere<T>(name, tensor);
  }

  /// Throws unsupported if anything is left.
  void expect_all_used() const {
    std::vector<std::string> unknown;
    for (const WeightEntry& entry : file_.entries())
      if (!is_optimizer_state(entry.name) && !used_.contains(entry.name)) unknown.push_back(entry.name);
    if (!unknown.empty())
      fail(ErrorCode::unsupported, concat(file_.path(), ": beside the parameters of Bayes-PFL it holds ",
                                          count_and_names(unknown), ", for which there is no place"));
  }

 private:
  /// Of a tensor that is stored under the names of its users too.
  template <class T>
  void expect_same_elsewhere(std::string_view name, const Tensor<T>& tensor) {
    for (const char* part : {"encoder", "decoder"})
      for (const auto& [owner, user] : {std::pair{"context", "PFL_context"}, std::pair{"state", "PFL_normal"},
                                        std::pair{"state", "PFL_abnormal"}}) {
        const std::string own = concat(owner, "_", part, ".");
        if (!name.starts_with(own)) continue;
        const std::string other = stored(concat(user, ".", part, ".", name.substr(own.size())));
        if (file_.find(other) == nullptr) continue;
        used_.insert(other);
        Tensor<T> again = Tensor<T>::uninitialised(tensor.shape());
        take_tensor<T>(file_, other, again);
        if (!std::equal(again.begin(), again.end(), tensor.begin()))
          fail(ErrorCode::mismatch, concat(file_.path(), ": tensors ", in_quotes(stored(name)), " and ",
                                           in_quotes(other), " differ; they are one parameter"));
      }
  }

  const WeightFile& file_;
  std::string prefix_;
  std::set<std::string> used_;
};

}  // namespace detail

MOECLIP_FUNC bool is_score_trained(std::string_view path) {
  if (path.find("epoch_post") == path.npos) return true;
  const std::string_view stem = path.substr(0, path.rfind('.'));
  return stem.substr(stem.rfind('_') + 1) != "1";
}

template <class T>
BayesPfl<T> read_bayes_pfl(const WeightFile& weights, const ClipConfig& clip, const BayesPflConfig& config) {
  detail::BayesPflFile file(weights);
  BayesPfl<T> model(file.sizes(config, clip), clip);
  visit_parameters(model, "", [&](const std::string& name, Tensor<T>& tensor) { file.take<T>(name, tensor); });
  file.expect_all_used();
  return model;
}

MOECLIP_INSTANTIATE(read_bayes_pfl)

}}  // namespace moeclip::abi_v0_1

#endif
