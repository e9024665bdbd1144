// SPDX-License-Identifier: MIT
#pragma once
// The last step of every way to judge a picture: from its map and its score to verdict and regions.

#include "../base/context.hpp"
#include "detection.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Map, verdict and regions of `result`, from `map` (H, W) and from the score, the thresholds and the size of the
/// picture that `result` holds. Regions are of at least `smallest_region` pixels of the map.
template <class T>
void conclude(Context& context, View<const T, 2> map, index_t smallest_region, Detection& result);

/// For whoever squeezed a picture of `width` x `height` to the square of the map before it was looked at, such as on
/// another thread: `result` as if it came from the picture, to the bit.
void set_picture_size(Detection& result, index_t width, index_t height);

namespace detail {
/// Throws format: a picture must not pass an inspection because a comparison with NaN fails.
[[noreturn]] void fail_no_numbers();
}  // namespace detail

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_ANOMALY)

#include <algorithm>
#include <utility>

namespace moeclip { inline namespace abi_v0_1 {

template <class T>
void conclude(Context& context, View<const T, 2> map, index_t smallest_region, Detection& result) {
  result.is_anomalous = result.score >= result.threshold;
  std::transform(map.data(), map.data() + map.size(), detail::fit(result.map, Shape(map.extents())).begin(),
                 [](T value) { return static_cast<float>(value); });
  find_regions<float>(context, std::as_const(result.map).template view<2>(), result.pixel_threshold, smallest_region,
                      result.regions);
  const Extent from{map.extent(1), map.extent(0)}, to{result.width, result.height};
  for (Region& region : result.regions) region = scaled_region(region, from, to);
}

MOECLIP_FUNC void set_picture_size(Detection& result, index_t width, index_t height) {
  const Extent from{result.width, result.height}, to{width, height};
  for (Region& region : result.regions) region = scaled_region(region, from, to);
  result.width = width;
  result.height = height;
}

MOECLIP_FUNC void detail::fail_no_numbers() {
  fail(ErrorCode::format,
       "the model's results are not numbers: its weights or its adapter's hold NaN, infinity or "
       "nothing but zeros; get the files again, or check them with `moeclip inspect --hash`");
}

MOECLIP_INSTANTIATE(conclude)

}}  // namespace moeclip::abi_v0_1

#endif
