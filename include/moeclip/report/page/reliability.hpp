// SPDX-License-Identifier: MIT
#pragma once
// A reliability diagram as inline SVG (REL-1 in explain/README.md): per bin how often answers were right against how
// often they claim to be, with the interval that so many answers leave open and their number; and the error of all.

#include <string>

#include "../../eval/calibrate.hpp"
#include "chart.hpp"

namespace moeclip { inline namespace abi_v0_1 {
namespace detail {

/// The bar of a bin, what its answers claimed, the interval of the truth, and how many there were.
inline void draw_reliability_bin(HtmlWriter& page, const PlotBox& box, const ReliabilityBin& bin, std::size_t index) {
  constexpr double kWidth = PlotBox::kSide / static_cast<double>(Reliability::kBins);
  const double left = PlotBox::kLeft + static_cast<double>(index) * kWidth, middle = left + kWidth / 2;
  const RateInterval truth = rate_interval(bin.right, bin.answers);
  const double height = bin.share() * PlotBox::kSide;
  page.write("<rect class=\"good\" x=\"", fixed(left + 1, 1), "\" y=\"", box.y(bin.share()), "\" width=\"",
             fixed(kWidth - 2, 1), "\" height=\"", fixed(height, 1), "\"><title>", bin.right, " of ", bin.answers,
             " right (", fixed(100 * truth.low, 1), " to ", fixed(100 * truth.high, 1), " %), claimed ",
             fixed(100 * bin.mean_claim(), 1), " %</title></rect><path class=\"whisker\" d=\"M", fixed(middle, 1), ' ',
             box.y(truth.low), 'V', box.y(truth.high), "m-3 0h6M", fixed(middle - 3, 1), ' ', box.y(truth.low),
             "h6\"/><path class=\"claim\" d=\"M", fixed(left, 1), ' ', box.y(bin.mean_claim()), 'h', fixed(kWidth, 1),
             "\"/>");
}

/// The numbers of answers, above the plot, every other one higher so that they do not run into each other.
inline void draw_reliability_counts(HtmlWriter& page, const Reliability& reliability) {
  constexpr double kWidth = PlotBox::kSide / static_cast<double>(Reliability::kBins);
  for (std::size_t i = 0; i < Reliability::kBins; ++i)
    page.write("<text class=\"mid count\" x=\"", fixed(PlotBox::kLeft + (static_cast<double>(i) + 0.5) * kWidth, 1),
               "\" y=\"", i % 2 == 0 ? -2 : -13, "\">", reliability.bins[i].answers, "</text>");
}

}  // namespace detail

/// The diagram. `title` stands above it, with the expected calibration error.
inline void write_reliability(HtmlWriter& page, const Reliability& reliability, std::string_view title) {
  using detail::PlotBox;
  const PlotBox box;
  const std::string note = concat("expected calibration error ", fixed(100 * reliability.error(), 1), " %, ",
                                  reliability.answers(), " answers");
  std::string description = concat(title, ": ", note, ".");
  for (const ReliabilityBin& bin : reliability.bins)
    if (bin.answers > 0)
      description +=
          concat(" Claimed ", fixed(100 * bin.mean_claim(), 0), " %: ", bin.right, " of ", bin.answers, " right.");
  constexpr double kCounts = 28;  // room above the plot
  page.write("<figure class=\"chart\"><figcaption><b>", escape_html(title), "</b> <span>", escape_html(note),
             "</span></figcaption><svg viewBox=\"0 ", -kCounts, ' ', PlotBox::kWidth, ' ', PlotBox::kHeight + kCounts,
             "\" role=\"img\" aria-label=\"", escape_html(description), "\">");
  detail::draw_x_axis(page, box, 0.2, "probability that the name claims");
  detail::draw_y_axis(page, box, 0.2, "share of right names");
  for (std::size_t i = 0; i < Reliability::kBins; ++i)
    if (reliability.bins[i].answers > 0) detail::draw_reliability_bin(page, box, reliability.bins[i], i);
  page.write("<path class=\"chance\" d=\"M", box.x(0), ' ', box.y(0), 'L', box.x(1), ' ', box.y(1), "\"/>");
  detail::draw_reliability_counts(page, reliability);
  page.write("</svg></figure>\n");
}

}}  // namespace moeclip::abi_v0_1
