// SPDX-License-Identifier: MIT
#pragma once
// What the parts of a page know while it is written: the report, its options, and where figures come from.

#include <optional>
#include <vector>

#include "../contents.hpp"
#include "html.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace detail {

struct ReportContext {
  const Report& report;
  const ReportOptions& options;
  std::optional<FigureSource> source;

  [[nodiscard]] bool has_figures(const ReportPicture& picture) const { return source || !picture.figures.empty(); }
  [[nodiscard]] bool has_view(const ReportPicture& picture) const {
    return has_figures(picture) || !picture.sentences.empty();
  }

  /// Hands the figures of picture `index` to `use`.
  template <class Use>
  void with_figures(std::size_t index, Use&& use) const {
    if (source) {
      use((*source)(index));
    } else {
      use(report.pictures[index].figures);
    }
  }
};

}  // namespace detail

}}  // namespace moeclip::abi_v0_1
