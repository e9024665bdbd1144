// SPDX-License-Identifier: MIT
#pragma once
// Pictures of the experts themselves: how similar their answers are, beside what the ETF loss wants; how many tokens
// are routed to each; and which channels each can see (FOFS).

#include "../anomaly/adapter.hpp"
#include "../image/figure.hpp"
#include "../moe/fofs.hpp"
#include "expert_statistics.hpp"
#include "panels.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Heat maps of the mean cosines, a panel per block, numbers in the cells, the target on the scale.
Figure cosine_figure(std::span<const MixtureStatistics> blocks);

/// Bars of how many of the choices fell on each expert.
Figure load_figure(std::span<const MixtureStatistics> blocks);

/// Largest entry of |A A^T - I| for the input projections of all experts of a mixture, stacked: 0 if no expert sees
/// what another sees.
template <class T>
double fofs_error(const Mixture<T>& mixture);

/// Which channels each expert can see, mixture by mixture.
template <class T>
Figure fofs_figure(const Adapter<T>& adapter);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_EXPLAIN)

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

/// A cosine as a colour: blue for -1, near white for 0, red for +1.
inline Rgb cosine_color(double value) {
  constexpr Rgb kMiddle{242, 242, 240}, kLow{22, 78, 150}, kHigh{178, 24, 43};
  const double part = std::clamp(std::abs(value), 0.0, 1.0);
  const Rgb end = value < 0 ? kLow : kHigh;
  return {mix(kMiddle.red, end.red, part), mix(kMiddle.green, end.green, part), mix(kMiddle.blue, end.blue, part)};
}

/// Ink that is read on `color`.
inline Rgb ink_on(Rgb color) {
  return luma(color.red, color.green, color.blue) > 140 ? Rgb{10, 10, 10} : Rgb{250, 250, 250};
}

/// "+0.31".
inline std::string signed_number(double value, int digits = 2) {
  const std::string text = fixed(std::abs(value), digits);
  return (value < 0 && text.find_first_not_of("0.") != std::string::npos ? "-" : "+") + text;
}

/// E x E cells with their numbers.
inline Image cosine_panel(const MixtureStatistics& block) {
  const index_t experts = block.experts(), cell = std::max<index_t>(kPanelSide / experts, 4);
  Image panel = ground(cell * experts, cell * experts);
  const index_t text = text_width("-0.00", kPanelText) + 4 <= cell ? kPanelText : 1;
  for (index_t e = 0; e < experts; ++e)
    for (index_t f = 0; f < experts; ++f) {
      const double value = block.cosine(e, f);
      const Rgb color = cosine_color(value);
      fill_box(panel, {f * cell, e * cell, cell - 1, cell - 1}, color);
      const std::string number = e == f ? "1" : value < 0 ? signed_number(value) : fixed(value, 2);
      const index_t width = text_width(number, text);
      if (width > cell) continue;
      draw_text(panel, f * cell + (cell - width) / 2, e * cell + (cell - 7 * text) / 2, number, ink_on(color), text);
    }
  return panel;
}

/// The scale from -1 to +1 with a mark where the ETF loss wants two different experts to be.
inline Image cosine_scale(double target, index_t width) {
  const index_t bar = width - 2 * kPanelGap - 24, left = kPanelGap + 12, top = 2 * kPanelLine;
  Image scale = ground(width, top + 16 + 2 * kPanelLine);
  for (index_t x = 0; x < bar; ++x) {
    const double value = 2.0 * static_cast<double>(x) / static_cast<double>(bar - 1) - 1;
    fill_box(scale, {left + x, top, 1, 16}, cosine_color(value));
  }
  const auto at = [&](double value) {
    return left + static_cast<index_t>((value + 1) / 2 * static_cast<double>(bar - 1));
  };
  const auto label = [&](double value, const std::string& text, index_t y) {
    const index_t wide = text_width(text, kPanelText);
    draw_text(scale, std::clamp<index_t>(at(value) - wide / 2, 2, width - wide - 2), y, text, kPanelInk, kPanelText);
  };
  for (const double tick : {-1.0, 0.0, 1.0}) label(tick, tick == 0 ? "0" : tick < 0 ? "-1" : "+1", top + 22);
  label(target, concat("ETF target ", signed_number(target)), kPanelGap);
  const Rgb mark{255, 214, 64};
  fill_box(scale, {at(target) - 3, top - 6, 7, 28}, {0, 0, 0});
  fill_box(scale, {at(target) - 2, top - 5, 5, 26}, mark);
  return scale;
}

}  // namespace detail

MOECLIP_FUNC Figure cosine_figure(std::span<const MixtureStatistics> blocks) {
  MOECLIP_EXPECT(!blocks.empty(), "there are no experts to compare");
  std::vector<Panel> panels;
  const double target = blocks.front().target();
  std::string words;
  for (const MixtureStatistics& block : blocks) {
    const std::string mean = detail::signed_number(block.mean_cosine());
    panels.push_back({concat("block ", block.block, ": mean ", mean), detail::cosine_panel(block)});
    words += concat(words.empty() ? "" : ", ", mean, " after block ", block.block);
  }
  const Image grid = arrange(panels, std::min<index_t>(2, std::ssize(panels)));
  const index_t width = (std::max)(grid.width(), detail::kPanelSide + 2 * detail::kPanelGap);
  return {
      "How alike the experts' answers are",
      concat("Mean cosine of the outputs of every two experts over all tokens, experts 1 to ", blocks.front().experts(),
             " along both sides, one square per block. Mean of different experts: ", words, ". The ETF loss wants ",
             detail::signed_number(target), " for two different experts, the yellow mark on the scale."),
      detail::stack({grid, detail::cosine_scale(target, width)})};
}

MOECLIP_FUNC Figure load_figure(std::span<const MixtureStatistics> blocks) {
  MOECLIP_EXPECT(!blocks.empty(), "there are no experts whose load could be shown");
  using namespace detail;  // NOLINT
  constexpr index_t kBar = 26, kLeft = 40, kNumber = 66, kWidth = 2 * kPanelSide + 3 * kPanelGap;
  constexpr Rgb kFirst{252, 120, 70}, kOther{120, 90, 190}, kEven{240, 240, 240};
  std::vector<Image> parts;
  std::string words;
  double largest = 0;  // the same scale for all blocks
  for (const MixtureStatistics& block : blocks)
    for (index_t e = 0; e < block.experts(); ++e)
      largest = (std::max)({largest, block.load(e), 1.0 / static_cast<double>(block.experts())});
  for (const MixtureStatistics& block : blocks) {
    const index_t experts = block.experts(), room = kWidth - kLeft - kNumber;
    Image part = ground(kWidth, kPanelLine + kPanelGap + experts * kBar + kPanelGap);
    draw_text(part, kPanelGap, kPanelGap, concat("after block ", block.block), kPanelInk, kPanelText);
    const auto length = [&](double share) { return static_cast<index_t>(share / largest * static_cast<double>(room)); };
    words += concat(words.empty() ? "" : "; ", "after block ", block.block);
    for (index_t e = 0; e < experts; ++e) {
      const index_t y = kPanelLine + kPanelGap + e * kBar;
      const double first = block.first_share(e) / static_cast<double>(block.per_token);
      draw_text(part, kPanelGap, y + 6, concat(e + 1), kPanelInk, kPanelText);
      fill_box(part, {kLeft, y + 2, length(block.load(e)), kBar - 4}, kOther);
      fill_box(part, {kLeft, y + 2, length(first), kBar - 4}, kFirst);
      draw_text(part, kWidth - kNumber + 6, y + 6, concat(fixed(100 * block.load(e), 0), "%"), kPanelInk, kPanelText);
      words += concat(" ", fixed(100 * block.load(e), 0), "%");
    }
    fill_box(part, {kLeft + length(1.0 / static_cast<double>(experts)), kPanelLine + kPanelGap, 2, experts * kBar},
             kEven);
    parts.push_back(std::move(part));
  }
  parts.push_back(text_block("orange: chosen first; violet: chosen as well; white line: even load", kWidth));
  return {"How often each expert is asked",
          concat("Share of all choices that fell on experts 1 to ", blocks.front().experts(), ": ", words,
                 ". Even would be ", fixed(100.0 / static_cast<double>(blocks.front().experts()), 0),
                 "%. The orange part of a bar is where the expert came first, the line is the even load."),
          stack(parts)};
}

template <class T>
double fofs_error(const Mixture<T>& mixture) {
  std::vector<const T*> rows;
  index_t width = 0;
  for (const Expert<T>& expert : mixture.experts) {
    width = expert.lora_a.extent(1);
    for (index_t r = 0; r < expert.lora_a.extent(0); ++r) rows.push_back(expert.lora_a.data() + r * width);
  }
  double worst = 0;
  for (std::size_t i = 0; i < rows.size(); ++i)
    for (std::size_t j = 0; j <= i; ++j) {
      double dot = 0;
      for (index_t c = 0; c < width; ++c) dot += static_cast<double>(rows[i][c]) * static_cast<double>(rows[j][c]);
      worst = (std::max)(worst, std::abs(dot - (i == j ? 1.0 : 0.0)));
    }
  return worst;
}

namespace detail {

/// A row per expert, a column per channel, bright where the expert's A has something there.
template <class T>
Image fofs_panel(const Mixture<T>& mixture, index_t width) {
  constexpr index_t kRow = 20;
  const index_t experts = mixture.expert_count(), channels = mixture.experts.at(0).lora_a.extent(1);
  Tensor<double> lengths({experts, channels});
  double largest = 1e-12;
  for (index_t e = 0; e < experts; ++e) {
    const Tensor<T>& a = mixture.experts[static_cast<std::size_t>(e)].lora_a;
    for (index_t c = 0; c < channels; ++c) {
      double square = 0;
      for (index_t r = 0; r < a.extent(0); ++r)
        square += static_cast<double>(a[r * channels + c]) * static_cast<double>(a[r * channels + c]);
      largest = (std::max)(largest, lengths[e * channels + c] = std::sqrt(square));
    }
  }
  Image panel = ground(width, experts * kRow);
  const index_t left = 30, room = width - left;
  for (index_t e = 0; e < experts; ++e) {
    draw_text(panel, 4, e * kRow + 2, concat(e + 1), kPanelInk, kPanelText);
    for (index_t x = 0; x < room; ++x) {  // of several channels in one pixel the largest is seen
      double value = 0;
      for (index_t c = x * channels / room; c <= (std::min)(channels - 1, ((x + 1) * channels - 1) / room); ++c)
        value = (std::max)(value, lengths[e * channels + c]);
      fill_box(panel, {left + x, e * kRow, 1, kRow - 2}, kEmber[scale_to_byte<double>(value, 0.0, largest)]);
    }
  }
  return panel;
}

/// "1.2e-07".
inline std::string small_number(double value) {
  if (!(value > 0)) return "0";
  const int exponent = static_cast<int>(std::floor(std::log10(value)));
  return exponent >= -2 ? fixed(value, 3) : concat(fixed(value * std::pow(10.0, -exponent), 1), "e", exponent);
}

}  // namespace detail

template <class T>
Figure fofs_figure(const Adapter<T>& adapter) {
  MOECLIP_EXPECT(!adapter.mixtures.empty(), "there are no experts whose channels could be shown");
  std::vector<Panel> panels;
  double worst = 0;
  for (std::size_t j = 0; j < adapter.mixtures.size(); ++j) {
    const double error = fofs_error(adapter.mixtures[j]);
    worst = (std::max)(worst, error);
    panels.push_back(
        {concat("after block ", adapter.config.mixture_blocks[j], ": |A A^T - I| <= ", detail::small_number(error)),
         detail::fofs_panel(adapter.mixtures[j], 2 * detail::kPanelSide + detail::kPanelGap)});
  }
  const bool is_apart = worst < 1e-4;  // far above rounding of orthonormal rows, far below any overlap
  return {"What each expert can see",
          concat("A row per expert, a column per input channel, bright where the expert looks; one picture per block. ",
                 is_apart ? "No expert sees what another sees" : "The experts' views overlap",
                 ": the largest entry of |A A^T - I| is ", detail::small_number(worst), "."),
          arrange(panels, 1)};
}

MOECLIP_INSTANTIATE(fofs_error)
MOECLIP_INSTANTIATE(fofs_figure)

}}  // namespace moeclip::abi_v0_1

#endif
