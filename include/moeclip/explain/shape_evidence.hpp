// SPDX-License-Identifier: MIT
#pragma once
// What the spot at a place of a picture looks like by its pixels alone (SHP-1 in this folder's README): how large, how
// long, how dark, how sharp. A scratch is thin, a hole round and dark, a stain wide and soft.

#include <array>

#include "../image/image.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// A point of a picture, in its pixels.
struct Place {
  double x = 0, y = 0;  ///< from the upper left corner
};

inline constexpr index_t kShapeNumbers = 19;  ///< of SHP-1

/// SHP-1 of the spot that stands out most near `place`. Pictures are RGB or gray, of any size.
std::array<double, kShapeNumbers> shape_evidence(ImageView picture, Place place);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_EXPLAIN)

#include <algorithm>
#include <cmath>
#include <vector>

#include "../anomaly/regions.hpp"

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

inline constexpr index_t kSpotSide = 40;          // cells of the window around the place
inline constexpr double kSpotShare = 40 / 128.0;  // of the picture's shorter side
inline constexpr double kSpotReach = 10;          // cells: standard deviation of the weight that looks for the spot

/// The window around a place in cells, as differences to its middle colour.
struct SpotWindow {
  static constexpr index_t kCells = kSpotSide * kSpotSide;
  std::array<std::vector<float>, 3> colour;  // (side, side) each, 0 to 255
  std::vector<float> contrast;               // (side, side) length of the smoothed difference
  double x = 0, y = 0;                       // of the place, in cells
};

/// Mean of the pixels in a cell; one at least.
inline float cell_mean(ImageView picture, const std::array<index_t, 4>& box, index_t channel) {
  double sum = 0;
  for (index_t y = box[1]; y < box[3]; ++y)
    for (index_t x = box[0]; x < box[2]; ++x) sum += picture.row(y)[x * picture.channels + channel];
  return static_cast<float>(sum / static_cast<double>((box[2] - box[0]) * (box[3] - box[1])));
}

inline float middle_value(std::vector<float> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// Three cells along each side; the edge counts twice at the edge.
inline std::vector<float> smoothed(const std::vector<float>& cells) {
  constexpr float kSide = 0.21f, kMiddle = 0.58f;  // of a Gauss curve of 0.7 cells
  const auto pass = [](const std::vector<float>& from, index_t step, index_t across) {
    std::vector<float> to(from.size());
    for (index_t j = 0; j < kSpotSide; ++j)
      for (index_t i = 0; i < kSpotSide; ++i) {
        const auto at = [&](index_t k) {
          return from[static_cast<std::size_t>(j * across + std::clamp<index_t>(k, 0, kSpotSide - 1) * step)];
        };
        to[static_cast<std::size_t>(j * across + i * step)] = kSide * (at(i - 1) + at(i + 1)) + kMiddle * at(i);
      }
    return to;
  };
  return pass(pass(cells, 1, kSpotSide), kSpotSide, 1);
}

inline SpotWindow spot_window(ImageView picture, Place place) {
  const index_t shorter = (std::min)(picture.width, picture.height);
  const double side = (std::max)(1.0, kSpotShare * static_cast<double>(shorter)), cell = side / kSpotSide;
  const auto corner = [&](double at, index_t length) {
    return std::clamp(at - side / 2, 0.0, static_cast<double>(length) - side);
  };
  const double left = corner(place.x, picture.width), top = corner(place.y, picture.height);
  const auto pixel = [](double at, index_t length) {
    return std::clamp<index_t>(static_cast<index_t>(std::floor(at)), 0, length - 1);
  };
  SpotWindow window;
  window.x = (place.x - left) / cell;
  window.y = (place.y - top) / cell;
  window.contrast.assign(SpotWindow::kCells, 0);
  for (index_t c = 0; c < 3; ++c) {
    std::vector<float>& cells = window.colour[static_cast<std::size_t>(c)];
    for (index_t j = 0; j < kSpotSide; ++j)
      for (index_t i = 0; i < kSpotSide; ++i) {
        const index_t x = pixel(left + static_cast<double>(i) * cell, picture.width);
        const index_t y = pixel(top + static_cast<double>(j) * cell, picture.height);
        const index_t right = (std::max)(x + 1, pixel(left + static_cast<double>(i + 1) * cell, picture.width));
        const index_t bottom = (std::max)(y + 1, pixel(top + static_cast<double>(j + 1) * cell, picture.height));
        cells.push_back(cell_mean(picture, {x, y, right, bottom}, picture.channels == 3 ? c : 0));
      }
    const float middle = middle_value(cells);
    for (float& value : cells) value -= middle;
    const std::vector<float> soft = smoothed(cells);
    for (std::size_t i = 0; i < soft.size(); ++i) window.contrast[i] += soft[i] * soft[i];
  }
  for (float& value : window.contrast) value = std::sqrt(value);
  return window;
}

/// The cells of a spot, and what hangs together like it elsewhere.
struct Spot {
  std::vector<std::uint8_t> inside;  // (side, side)
  Region region;                     // in cells
  float highest = 0;                 // contrast, near the place
  index_t spots = 0;                 // areas of the window that are half as high
};

inline Spot find_spot(const SpotWindow& window) {
  index_t seed = 0;
  double best = -1;
  for (index_t i = 0; i < SpotWindow::kCells; ++i) {
    const double dx = static_cast<double>(i % kSpotSide) - window.x, dy = static_cast<double>(i / kSpotSide) - window.y;
    const double weight = std::exp(-(dx * dx + dy * dy) / (2 * kSpotReach * kSpotReach));
    const double value = static_cast<double>(window.contrast[static_cast<std::size_t>(i)]) * weight;
    if (value > best) {
      best = value;
      seed = i;
    }
  }
  Spot spot;
  spot.highest = window.contrast[static_cast<std::size_t>(seed)];
  const float level = spot.highest / 2;
  const View<const float, 2> contrast(window.contrast.data(), {kSpotSide, kSpotSide});
  std::vector<index_t> stack(SpotWindow::kCells);
  spot.inside.assign(SpotWindow::kCells, 0);
  spot.region = grow_region<float>(contrast, level, seed, spot.inside.data(), stack.data());
  spot.spots = 1;
  std::vector<std::uint8_t> seen = spot.inside;
  for (index_t i = 0; i < SpotWindow::kCells; ++i)
    if (seen[static_cast<std::size_t>(i)] == 0 && window.contrast[static_cast<std::size_t>(i)] >= level) {
      grow_region<float>(contrast, level, i, seen.data(), stack.data());
      ++spot.spots;
    }
  return spot;
}

/// Spread of the spot's cells along its longer and its shorter axis, in squared cells.
inline std::array<double, 2> spot_axes(const Spot& spot) {
  double n = 0, x = 0, y = 0, xx = 0, yy = 0, xy = 0;
  for (index_t i = 0; i < SpotWindow::kCells; ++i) {
    if (spot.inside[static_cast<std::size_t>(i)] == 0) continue;
    const auto px = static_cast<double>(i % kSpotSide), py = static_cast<double>(i / kSpotSide);
    n += 1, x += px, y += py, xx += px * px, yy += py * py, xy += px * py;
  }
  constexpr double kCell = 1.0 / 12;  // of a single cell, a square of side 1
  const double a = xx / n - x * x / (n * n) + kCell, b = yy / n - y * y / (n * n) + kCell, c = xy / n - x * y / (n * n);
  const double half = std::sqrt((a - b) * (a - b) / 4 + c * c);
  return {(a + b) / 2 + half, (std::max)(kCell / 2, (a + b) / 2 - half)};
}

/// Mean slope of the contrast on the spot's edge, and how many cells the edge has.
inline std::array<double, 2> spot_edge(const SpotWindow& window, const Spot& spot) {
  double slope = 0, cells = 0;
  const auto at = [&](const auto& list, index_t x, index_t y) {
    x = std::clamp<index_t>(x, 0, kSpotSide - 1), y = std::clamp<index_t>(y, 0, kSpotSide - 1);
    return static_cast<double>(list[static_cast<std::size_t>(y * kSpotSide + x)]);
  };
  for (index_t y = 0; y < kSpotSide; ++y)
    for (index_t x = 0; x < kSpotSide; ++x) {
      const auto inside = [&](index_t dx, index_t dy) { return at(spot.inside, x + dx, y + dy) != 0; };
      if (!inside(0, 0) || (inside(-1, 0) && inside(1, 0) && inside(0, -1) && inside(0, 1))) continue;
      const double dx = at(window.contrast, x + 1, y) - at(window.contrast, x - 1, y);
      const double dy = at(window.contrast, x, y + 1) - at(window.contrast, x, y - 1);
      slope += std::sqrt(dx * dx + dy * dy) / 2;
      cells += 1;
    }
  return {slope / (std::max)(1.0, cells), cells};
}

/// Mean colour of the spot against the window's middle one, and the spread of all three channels inside.
inline std::array<double, 4> spot_colour(const SpotWindow& window, const Spot& spot) {
  std::array<double, 4> result{};
  double all = 0, square = 0;
  const auto area = static_cast<double>(spot.region.area);
  for (std::size_t c = 0; c < 3; ++c) {
    for (std::size_t i = 0; i < spot.inside.size(); ++i) {
      const double value = spot.inside[i] != 0 ? static_cast<double>(window.colour[c][i]) : 0.0;
      result[c] += value / area;
      square += value * value;
    }
    all += result[c] * area;
  }
  const double mean = all / (3 * area);
  result[3] = std::sqrt((std::max)(0.0, square / (3 * area) - mean * mean));
  return result;
}

}  // namespace detail

MOECLIP_FUNC std::array<double, kShapeNumbers> shape_evidence(ImageView picture, Place place) {
  MOECLIP_EXPECT(picture.width > 0 && picture.height > 0, "a picture without pixels has no spots");
  const detail::SpotWindow window = detail::spot_window(picture, place);
  const detail::Spot spot = detail::find_spot(window);
  const auto area = static_cast<double>(spot.region.area), top = static_cast<double>(spot.highest) + 1;
  const auto [longer, shorter] = detail::spot_axes(spot);
  const auto [slope, edge] = detail::spot_edge(window, spot);
  const auto [red, green, blue, spread] = detail::spot_colour(window, spot);
  const double gray = (red + green + blue) / 3, r = red - gray, g = green - gray, b = blue - gray;
  const double length = 3.5 * std::sqrt(longer);  // of a bar with that spread
  const double around = static_cast<double>(detail::middle_value(window.contrast)) + 1;
  const Region& box = spot.region;
  const bool is_cut =
      box.x == 0 || box.y == 0 || box.x + box.width == detail::kSpotSide || box.y + box.height == detail::kSpotSide;
  return {std::log(area),
          std::log(longer / shorter),
          std::log(area / (std::max)(1.0, length)),
          std::log(length),
          std::log(top),
          gray / 50,
          std::abs(gray) / 50,
          std::sqrt(r * r + g * g + b * b) / 20,
          r / 20,
          g / 20,
          b / 20,
          slope / top,
          spread / top,
          edge / std::sqrt(area),
          static_cast<double>(spot.spots) / 10,
          std::log(around),
          std::log((top - 1) / around + 0.1),
          area / static_cast<double>(box.width * box.height),
          is_cut ? 1.0 : 0.0};
}

}}  // namespace moeclip::abi_v0_1

#endif
