// SPDX-License-Identifier: MIT
#include "long_words.hpp"

namespace cli {
namespace {

template <class Check>
void check_each(std::span<const std::string> classes, const Check& check) {
  for (const std::string& name : classes) {
    try {
      check(name);
    } catch (const moeclip::Error& error) {
      if (error.code() != moeclip::ErrorCode::limit) throw;
      moeclip::fail(error.code(), moeclip::concat("class \"", name, "\": ", error.what(),
                                                  "; --words FILE gives the class shorter words"));
    }
  }
}

}  // namespace

void expect_words_fit(const moeclip::Clip<float>& clip, const moeclip::ClassWords& words,
                      std::span<const std::string> classes) {
  check_each(classes, [&](const std::string& name) {
    const moeclip::Prompts prompts = words.prompts(name);
    for (const auto* sentences : {&prompts.normal, &prompts.abnormal}) static_cast<void>(clip.tokenize(*sentences));
  });
}

void expect_words_fit(const moeclip::Method<float>& method, const moeclip::ClassWords& words,
                      std::span<const std::string> classes) {
  check_each(classes, [&](const std::string& name) { method.expect_words(words.words(name)); });
}

}  // namespace cli
