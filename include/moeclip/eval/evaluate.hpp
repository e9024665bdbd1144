// SPDX-License-Identifier: MIT
#pragma once
// Compares a detector with the truth over a data set (evaluation.hpp says how).

#include "../anomaly/detector.hpp"
#include "../data/source.hpp"
#include "evaluation.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Runs `detector` over all samples of `source`; `on_picture(i)` is called before each. The detector's kind of map must
/// be that of the protocol. Throws what loading and detecting throw.
template <class T>
void evaluate(Context& context, const BasicDetector<T>& detector, const SampleSource& source, Evaluation& evaluation,
              function_ref<void(index_t)> on_picture);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_EVAL)

#include <utility>

namespace moeclip { inline namespace abi_v0_1 {

template <class T>
void evaluate(Context& context, const BasicDetector<T>& detector, const SampleSource& source, Evaluation& evaluation,
              function_ref<void(index_t)> on_picture) {
  const FloatScope floats;
  const MapKind wanted = evaluation.options().is_released ? MapKind::reference : MapKind::probability;
  MOECLIP_EXPECT(detector.options().map == wanted, "the ", evaluation.options().is_released ? "released" : "default",
                 " protocol needs the other kind of anomaly map");
  Detection detection;
  for (index_t i = 0; i < source.size(); ++i) {
    on_picture(i);
    const Sample sample = source.load(i, evaluation.options().images);
    detector.detect(context, sample.picture.view(), detector.anchors(sample.class_name), detection);
    evaluation.add(context, sample,
                   {std::as_const(detection.map).template view<2>(), detection.score, detection.class_score});
  }
}

MOECLIP_INSTANTIATE(evaluate)

}}  // namespace moeclip::abi_v0_1

#endif
