// SPDX-License-Identifier: MIT
#pragma once
// What the experts did over a set of pictures: how many tokens were routed to each, and how similar their answers are.

#include <span>
#include <vector>

#include "inspection.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// One mixture over all pictures. Lists have an entry per expert.
struct MixtureStatistics {
  index_t block = 0;            ///< it acts after this one, 1-based
  index_t pictures = 0;         ///< how many were added
  index_t tokens = 0;           ///< class tokens included
  index_t per_token = 0;        ///< experts chosen per token
  std::vector<index_t> chosen;  ///< tokens that chose it
  std::vector<index_t> first;   ///< tokens for which it was the most probable
  std::vector<double> weight;   ///< sum of its shares
  Tensor<double> cosine_sums;   ///< (E, E), over pictures
  double etf_sum = 0;           ///< of the ETF loss, over pictures

  [[nodiscard]] index_t experts() const { return std::ssize(chosen); }  ///< E
  /// Share of all choices that fell on expert e; 1 / E is even.
  [[nodiscard]] double load(index_t e) const {
    return static_cast<double>(chosen[static_cast<std::size_t>(e)]) / static_cast<double>(tokens * per_token);
  }
  /// Share of the tokens for which expert e was the most probable.
  [[nodiscard]] double first_share(index_t e) const {
    return static_cast<double>(first[static_cast<std::size_t>(e)]) / static_cast<double>(tokens);
  }
  /// Mean cosine of the outputs of experts e and f.
  [[nodiscard]] double cosine(index_t e, index_t f) const {
    return cosine_sums[e * experts() + f] / static_cast<double>(pictures);
  }
  /// Mean over pairs of different experts; 0 for a single one.
  [[nodiscard]] double mean_cosine() const {
    double sum = 0;
    for (index_t e = 0; e < experts(); ++e)
      for (index_t f = 0; f < e; ++f) sum += cosine(e, f);
    return experts() > 1 ? sum / (static_cast<double>(experts() * (experts() - 1)) / 2) : 0;
  }
  [[nodiscard]] double etf_loss() const { return etf_sum / static_cast<double>(pictures); }  ///< mean over pictures
  /// What the ETF loss wants of two different experts.
  [[nodiscard]] double target() const { return experts() > 1 ? -1.0 / static_cast<double>(experts() - 1) : 0; }
};

/// Adds up inspections of one model, picture by picture.
class ExpertStatistics {
 public:
  /// Adds one picture. Throws contract if it is of a model with another number of mixtures.
  template <class T>
  void add(const Inspection<T>& seen) {
    if (blocks_.empty()) blocks_.resize(seen.blocks.size());
    MOECLIP_EXPECT(blocks_.size() == seen.blocks.size(), "statistics of ", blocks_.size(),
                   " mixtures were given a picture with ", seen.blocks.size());
    for (std::size_t j = 0; j < blocks_.size(); ++j) add_block(seen.blocks[j], blocks_[j]);
  }

  /// Adds what `other`, of the same model, has collected. Throws contract if it is of another.
  void merge(const ExpertStatistics& other);

  /// One per mixture; empty before the first picture and for a model without mixtures.
  [[nodiscard]] std::span<const MixtureStatistics> blocks() const { return blocks_; }

 private:
  template <class T>
  static void add_block(const BlockInspection<T>& seen, MixtureStatistics& block) {
    const index_t experts = seen.experts(), per_token = seen.chosen.extent(1);
    const auto count = static_cast<std::size_t>(experts);
    MixtureStatistics one{seen.block, 1, seen.chosen.extent(0), per_token, {}, {}, {}, seen.cosines, seen.etf_loss};
    one.chosen.assign(count, 0);
    one.first.assign(count, 0);
    one.weight.assign(count, 0);
    for (index_t i = 0; i < seen.chosen.size(); ++i) {
      const auto e = static_cast<std::size_t>(seen.chosen[i]);
      ++one.chosen[e];
      if (i % per_token == 0) ++one.first[e];
      one.weight[e] += static_cast<double>(seen.weights[i]);
    }
    merge_block(one, block);
  }

  static void merge_block(const MixtureStatistics& from, MixtureStatistics& to);

  std::vector<MixtureStatistics> blocks_;
};

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_EXPLAIN)

#include <string>

namespace moeclip { inline namespace abi_v0_1 {

MOECLIP_FUNC void ExpertStatistics::merge(const ExpertStatistics& other) {
  if (other.blocks_.empty()) return;
  if (blocks_.empty()) {
    blocks_ = other.blocks_;
    return;
  }
  MOECLIP_EXPECT(blocks_.size() == other.blocks_.size(), "statistics of ", blocks_.size(), " and of ",
                 other.blocks_.size(), " mixtures cannot be added");
  for (std::size_t j = 0; j < blocks_.size(); ++j) merge_block(other.blocks_[j], blocks_[j]);
}

MOECLIP_FUNC void ExpertStatistics::merge_block(const MixtureStatistics& from, MixtureStatistics& to) {
  if (to.pictures == 0) {
    to = from;
    return;
  }
  MOECLIP_EXPECT(from.experts() == to.experts() && from.per_token == to.per_token && from.block == to.block,
                 "statistics of different models cannot be added");
  to.pictures += from.pictures;
  to.tokens += from.tokens;
  to.etf_sum += from.etf_sum;
  for (std::size_t e = 0; e < to.chosen.size(); ++e) {
    to.chosen[e] += from.chosen[e];
    to.first[e] += from.first[e];
    to.weight[e] += from.weight[e];
  }
  for (index_t i = 0; i < to.cosine_sums.size(); ++i) to.cosine_sums[i] += from.cosine_sums[i];
}

}}  // namespace moeclip::abi_v0_1

#endif
