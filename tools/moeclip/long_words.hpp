// SPDX-License-Identifier: MIT
#pragma once
// Sentences about the classes of a data set can be too long for the text tower. That is told before the work begins,
// with the class and what to do: nobody has typed these sentences.

#include <moeclip/clip/clip.hpp>
#include <moeclip/data/class_words.hpp>
#include <moeclip/methods/method.hpp>
#include <span>
#include <string>

namespace cli {

/// Throws limit if the text tower of `clip` has no room for the sentences about one of the classes.
void expect_words_fit(const moeclip::Clip<float>& clip, const moeclip::ClassWords& words,
                      std::span<const std::string> classes);

/// The same of what another method says about them.
void expect_words_fit(const moeclip::Method<float>& method, const moeclip::ClassWords& words,
                      std::span<const std::string> classes);

}  // namespace cli
