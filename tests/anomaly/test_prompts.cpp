// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <moeclip/anomaly/prompts.hpp>

using namespace moeclip;  // NOLINT

TEST_CASE("six normal and ten abnormal sentences, states first") {
  const Prompts prompts = make_prompts("blue gizmo");
  CHECK(prompts.normal == std::vector<std::string>{"blue gizmo.", "a photo of blue gizmo.", "a blue gizmo.",
                                                   "a photo of a blue gizmo.", "the blue gizmo.",
                                                   "a photo of the blue gizmo."});
  CHECK(prompts.abnormal ==
        std::vector<std::string>{"a damaged blue gizmo.", "a photo of a damaged blue gizmo.", "a broken blue gizmo.",
                                 "a photo of a broken blue gizmo.", "a blue gizmo with flaw.",
                                 "a photo of a blue gizmo with flaw.", "a blue gizmo with defect.",
                                 "a photo of a blue gizmo with defect.", "a blue gizmo with damage.",
                                 "a photo of a blue gizmo with damage."});
}

TEST_CASE("names are put in as they are") {
  CHECK(make_prompts("").normal[0] == ".");
  CHECK(make_prompts("{}").abnormal.size() == 10);
  CHECK(make_prompts("\xC3\xA9toile").normal[2] == "a \xC3\xA9toile.");
}
