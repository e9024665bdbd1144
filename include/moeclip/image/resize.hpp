// SPDX-License-Identifier: MIT
#pragma once
// Resizes pictures as Pillow does, bit for bit: the model was trained on pictures that went through exactly this.
//
// Bicubic (Keys' kernel, a = -1/2; widened when shrinking, so that every input pixel counts): first each row, then each
// column, as integer sums with weights of 22 fractional bits, each pass rounded and clipped to a byte. Rows stream:
// an input row is resized once, added to the few output rows it touches, and forgotten, so memory does not grow with
// the height of the picture. Sums are of integers, therefore any split over threads gives the same bits.
//
// Nearest, for masks: the source position starts at half a step and grows by repeated addition.

#include <cstdint>

#include "../base/context.hpp"
#include "image.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Bicubic resize of `in` (1 or 3 channels) to width x height, exactly as Pillow's Image.resize(..., BICUBIC).
/// `out` holds width * height * channels bytes and does not overlap `in`. Scratch comes from the context's arena.
void resize_bicubic(Context& context, ImageView in, index_t width, index_t height, std::uint8_t* out);

/// The same into a new image, on the calling thread.
Image resize_bicubic(ImageView in, index_t width, index_t height);

/// Squeezes `in`, gray or RGB, into `out`, which is RGB and has its size; gray becomes three equal channels.
void resize_to_rgb(Context& context, ImageView in, Image& out);

/// Nearest-neighbour resize of `in` to width x height, exactly as Pillow's Image.resize(..., NEAREST): with a = in/out,
/// x starts at a/2 and grows by a, in double; the source is floor(x). `out` holds width * height * channels bytes.
void resize_nearest(Context& context, ImageView in, index_t width, index_t height, std::uint8_t* out);

/// The same into a new image.
Image resize_nearest(ImageView in, index_t width, index_t height);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_IMAGE)

#include <algorithm>
#include <cmath>
#include "../kernels/dispatch.hpp"

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

/// A product that is rounded before it is used: keeps compilers from fusing it into an fma, which would change bits.
inline double rounded(double product) {
  volatile double kept = product;
  return kept;
}

/// Keys' cubic convolution kernel with a = -1/2, nonzero for |x| < 2.
inline double bicubic(double x) {
  x = std::abs(x);
  if (x < 1.0) return rounded((rounded(1.5 * x) - 2.5) * x * x) + 1.0;
  if (x < 2.0) return (rounded((rounded((x - 5.0) * x) + 8.0) * x) - 4.0) * -0.5;
  return 0.0;
}

/// Which input positions make output position i of one axis, and with which weights.
class ResampleAxis {
 public:
  struct Window {
    index_t first = 0;
    index_t count = 0;
    double centre = 0;
    double sum = 0;  // of the raw kernel values, to divide by
  };

  ResampleAxis(index_t in, index_t out)
      : in_(in), scale_(static_cast<double>(static_cast<float>(in)) / static_cast<double>(out)) {
    filter_scale_ = (std::max)(scale_, 1.0);
    support_ = 2.0 * filter_scale_;
  }

  [[nodiscard]] Window window(index_t i) const {
    Window window;
    window.centre = rounded((static_cast<double>(i) + 0.5) * scale_);
    window.first = std::max<index_t>(static_cast<index_t>(window.centre - support_ + 0.5), 0);
    window.count = (std::min)(static_cast<index_t>(window.centre + support_ + 0.5), in_) - window.first;
    for (index_t tap = 0; tap < window.count; ++tap) window.sum += kernel(window, tap);
    return window;
  }

  /// Weight of input position window.first + tap, in units of 2^-22.
  [[nodiscard]] std::int32_t weight(const Window& window, index_t tap) const {
    const double scaled = kernel(window, tap) / window.sum * (1 << kernels::kWeightBits);
    return static_cast<std::int32_t>(scaled < 0.0 ? scaled - 0.5 : scaled + 0.5);
  }

  /// More than any window has.
  [[nodiscard]] index_t most_taps() const { return (std::min)(in_, static_cast<index_t>(std::ceil(support_)) * 2 + 1); }
  /// More windows than ever hold the same input position.
  [[nodiscard]] index_t most_overlap() const { return static_cast<index_t>(2.0 * support_ / scale_) + 3; }

 private:
  [[nodiscard]] double kernel(const Window& window, index_t tap) const {
    return bicubic(rounded((static_cast<double>(tap + window.first) - window.centre + 0.5) * (1.0 / filter_scale_)));
  }

  index_t in_;
  double scale_;         // input positions per output position
  double filter_scale_;  // how far the kernel is stretched
  double support_;       // its half-width, in input positions
};

/// The output columns [column, column + weights.columns) of a resize in progress.
struct ResizeStrip {
  ImageView in;
  kernels::ResampleColumns weights;
  index_t column = 0;
  ResampleAxis down;
  std::uint8_t* out = nullptr;
  index_t out_width = 0;
};

/// What one worker needs: `line` (samples), a ring of `slots` rows of sums and the window of each.
struct ResizeScratch {
  std::uint8_t* line = nullptr;
  std::int32_t* sums = nullptr;
  ResampleAxis::Window* windows = nullptr;
  index_t slots = 0;
};

/// Input row y of a strip at its new width.
template <int Channels>
void resize_row(const kernels::KernelTable& table, const ResizeStrip& strip, index_t y, std::uint8_t* line) {
  if (Channels == 3) return table.resample_row_rgb(strip.in.row(y), strip.in.width, strip.weights, line);
  for (index_t column = 0; column < strip.weights.columns; ++column)
    kernels::resample_column<Channels>(strip.in.row(y), strip.weights, column, line + column * Channels);
}

/// Output rows [begin, end) of a strip.
template <int Channels>
void resize_band(const ResizeStrip& strip, index_t begin, index_t end, const ResizeScratch& scratch) {
  const kernels::KernelTable& table = kernels::active();
  const index_t samples = strip.weights.columns * Channels;
  const auto sums = [&](index_t row) { return scratch.sums + row % scratch.slots * samples; };
  index_t oldest = begin, next = begin;  // output rows [oldest, next) are being summed
  ResampleAxis::Window ahead = strip.down.window(begin);
  for (index_t y = ahead.first; oldest < end; ++y) {
    for (; next < end && ahead.first <= y; ahead = strip.down.window((std::min)(++next, end - 1))) {
      scratch.windows[next % scratch.slots] = ahead;
      std::fill_n(sums(next), samples, kernels::kWeightHalf);
    }
    resize_row<Channels>(table, strip, y, scratch.line);
    for (index_t row = oldest; row < next; ++row) {
      const auto& window = scratch.windows[row % scratch.slots];
      table.add_weighted_row(scratch.line, strip.down.weight(window, y - window.first), samples, sums(row));
    }
    for (; oldest < next; ++oldest) {
      const auto& window = scratch.windows[oldest % scratch.slots];
      if (window.first + window.count > y + 1) break;
      std::transform(sums(oldest), sums(oldest) + samples,
                     strip.out + (oldest * strip.out_width + strip.column) * Channels, kernels::clip_sum);
    }
  }
}

/// Room for the weights of a strip of columns.
struct ColumnStore {
  index_t* first = nullptr;        // (columns)
  index_t* count = nullptr;        // (columns)
  std::int32_t* weight = nullptr;  // (columns, stride)
  index_t stride = 0;

  /// The weights of the output columns [column, column + columns).
  [[nodiscard]] kernels::ResampleColumns fill(const ResampleAxis& across, index_t column, index_t columns) const {
    for (index_t i = 0; i < columns; ++i) {
      const auto window = across.window(column + i);
      first[i] = window.first;
      count[i] = window.count;
      for (index_t tap = 0; tap < stride; ++tap)
        weight[i * stride + tap] = tap < window.count ? across.weight(window, tap) : 0;
    }
    return {columns, stride, first, count, weight};
  }
};

/// Resizes all rows of one strip of columns, shared out over the threads of `context`.
inline void resize_strip(Context& context, const ResizeStrip& strip, index_t height) {
  Arena::Scope scope(context.arena());
  const index_t samples = strip.weights.columns * strip.in.channels;
  const index_t slots = (std::min)(height, strip.down.most_overlap());
  auto* scratch = scope.take<ResizeScratch>(context.threads());
  for (int worker = 0; worker < context.threads(); ++worker)
    scratch[worker] = {scope.take<std::uint8_t>(samples), scope.take<std::int32_t>(slots * samples),
                       scope.take<ResampleAxis::Window>(slots), slots};
  const index_t bands = context.threads() == 1 ? 1 : std::min<index_t>(2 * context.threads(), height);
  context.parallel_for(bands, [&](index_t band, int worker) {
    const index_t begin = height * band / bands, end = height * (band + 1) / bands;
    if (strip.in.channels == 1)
      resize_band<1>(strip, begin, end, scratch[worker]);
    else
      resize_band<3>(strip, begin, end, scratch[worker]);
  });
}

inline void expect_resizable(const ImageView& in, index_t width, index_t height) {
  MOECLIP_EXPECT(in.width > 0 && in.height > 0, "an image of ", in.width, "x", in.height, " cannot be resized");
  MOECLIP_EXPECT(width > 0 && height > 0, "an image cannot be resized to ", width, "x", height);
  MOECLIP_EXPECT(in.channels == 1 || in.channels == 3, "an image has 1 or 3 channels, not ", in.channels);
}

}  // namespace detail

MOECLIP_FUNC void resize_bicubic(Context& context, ImageView in, index_t width, index_t height, std::uint8_t* out) {
  detail::expect_resizable(in, width, height);
  const detail::ResampleAxis across(in.width, width), down(in.height, height);
  constexpr index_t kMostWeights = index_t{1} << 20;  // 4 MB: absurdly wide pictures go in strips of columns
  const index_t stride = (across.most_taps() + kernels::kWeightStep - 1) / kernels::kWeightStep * kernels::kWeightStep;
  const index_t strip_width = std::clamp<index_t>(kMostWeights / stride, 1, width);

  Arena::Scope scope(context.arena());
  const detail::ColumnStore store{scope.take<index_t>(strip_width), scope.take<index_t>(strip_width),
                                  scope.take<std::int32_t>(strip_width * stride), stride};
  for (index_t column = 0; column < width; column += strip_width) {
    const auto weights = store.fill(across, column, (std::min)(strip_width, width - column));
    detail::resize_strip(context, {in, weights, column, down, out, width}, height);
  }
}

MOECLIP_FUNC void resize_to_rgb(Context& context, ImageView in, Image& out) {
  if (in.channels == 3) return resize_bicubic(context, in, out.width(), out.height(), out.data());
  Arena::Scope scratch(context.arena());
  const index_t count = out.width() * out.height();
  auto* gray = scratch.take<std::uint8_t>(count);
  resize_bicubic(context, in, out.width(), out.height(), gray);
  for (index_t i = 0; i < count; ++i) std::fill_n(out.data() + 3 * i, 3, gray[i]);
}

MOECLIP_FUNC Image resize_bicubic(ImageView in, index_t width, index_t height) {
  Context context({.threads = 1});
  Image out(width, height, in.channels);
  resize_bicubic(context, in, width, height, out.data());
  return out;
}

MOECLIP_FUNC void resize_nearest(Context& context, ImageView in, index_t width, index_t height, std::uint8_t* out) {
  detail::expect_resizable(in, width, height);
  const double step_x = static_cast<double>(in.width) / static_cast<double>(width);
  const double step_y = static_cast<double>(in.height) / static_cast<double>(height);
  Arena::Scope scope(context.arena());
  auto* source = scope.take<index_t>(width);  // offset in the input row of each output pixel
  double x = step_x * 0.5;
  for (index_t i = 0; i < width; ++i, x += step_x)
    source[i] = (std::min)(static_cast<index_t>(x), in.width - 1) * in.channels;
  double y = step_y * 0.5;
  for (index_t j = 0; j < height; ++j, y += step_y) {
    const std::uint8_t* row = in.row((std::min)(static_cast<index_t>(y), in.height - 1));
    for (index_t i = 0; i < width; ++i) out = std::copy_n(row + source[i], in.channels, out);
  }
}

MOECLIP_FUNC Image resize_nearest(ImageView in, index_t width, index_t height) {
  Context context({.threads = 1});
  Image out(width, height, in.channels);
  resize_nearest(context, in, width, height, out.data());
  return out;
}

}}  // namespace moeclip::abi_v0_1

#endif
