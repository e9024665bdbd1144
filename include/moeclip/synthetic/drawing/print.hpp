// SPDX-License-Identifier: MIT
#pragma once
// Short texts printed on objects, and what a bad printer makes of them.

#include "../../image/font.hpp"
#include "shapes.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace synthetic {

/// One line of up to kMostLetters letters in the small bitmap font, centred at the origin of its own axes.
class Print {
 public:
  static constexpr int kMostLetters = 6;

  Print() = default;
  /// `letters` random capitals and digits, `height` high.
  Print(Dice& dice, int letters, float height) : count_(letters), dot_(height / 7) {
    constexpr std::string_view kAlphabet = "ABCDEFHKLMNPRSTUXYZ23456789";
    for (int i = 0; i < count_; ++i)
      text_[static_cast<std::size_t>(i)] = kAlphabet[static_cast<std::size_t>(dice.integer(0, 27))];
  }

  /// How much ink is at q, 0 to 1.
  [[nodiscard]] float ink(Vec2 q) const {
    switch (fault_) {
      case Fault::none: return plain(q);
      case Fault::ghost: return (std::max)(plain(q), 0.75f * plain(q - shift_));
      case Fault::smear: return (std::max)(plain(q), smeared(q));
      case Fault::missing: return q.x * shift_.x > (0.5f - gone_) * width() * std::abs(shift_.x) ? 0 : plain(q);
    }
    return 0;
  }

  [[nodiscard]] float height() const { return 7 * dot_; }
  [[nodiscard]] float width() const { return static_cast<float>(6 * count_) * dot_; }

  void spoil(Dice& dice, float severity) {
    fault_ = static_cast<Fault>(dice.integer(1, 4));
    const float distance = mix(0.9f, 3.2f, severity) * dot_;
    shift_ = direction(dice.angle()) * distance;
    if (fault_ != Fault::ghost) shift_ = {dice.sign() * 2 * distance, 0.3f * distance};
    gone_ = mix(0.2f, 0.75f, severity);
  }

 private:
  enum class Fault { none, ghost, smear, missing };

  [[nodiscard]] float plain(Vec2 q) const {
    const int x = floor_int((q.x + 0.5f * width()) / dot_), y = floor_int(q.y / dot_ + 3.5f);
    if (x < 0 || y < 0 || y >= 7 || x >= 6 * count_ || x % 6 == 5) return 0;
    const char row = moeclip::detail::glyph_rows(text_[static_cast<std::size_t>(x / 6)])[static_cast<std::size_t>(y)];
    return moeclip::detail::has_glyph_pixel(row, x % 6) ? 1.0f : 0.0f;
  }

  [[nodiscard]] float smeared(Vec2 q) const {
    float ink = 0;
    for (int step = 1; step <= 5; ++step) {
      const float part = static_cast<float>(step) / 5;
      ink = (std::max)(ink, (0.85f - 0.55f * part) * plain(q - shift_ * part));
    }
    return ink;
  }

  std::array<char, kMostLetters> text_{};
  int count_ = 0;
  float dot_ = 1;
  Fault fault_ = Fault::none;
  Vec2 shift_;
  float gone_ = 0;
};

}}}  // namespace moeclip::abi_v0_1::synthetic
