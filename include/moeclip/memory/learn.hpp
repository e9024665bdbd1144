// SPDX-License-Identifier: MIT
#pragma once
// From good pictures to a memory and to thresholds that hold (LEA-1 in this folder's README):
//
//   (1)  descriptors of each picture, and of its turned copies: a coreset of as many as there is room for
//   (2)  b, how much a picture's own patches say beside so many things; u and v, how far good patches usually are from
//        a memory without their picture
//   (3)  in folds: the first picture of every thing is judged by a memory of the pictures of the other folds; those of
//        the same thing (twins.hpp) are in one fold
//   (4)  thresholds from these scores, and from the highest places of these maps (CAL-1 in eval/README.md)
//   (5)  the memory of all pictures
//
// However many pictures there are, no more than four times the patches of the memory are held.

#include "../eval/calibrate.hpp"
#include "good_pictures.hpp"
#include "patch_memory.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// How a memory is made.
struct LearnOptions {
  index_t patches = 2000;         ///< that are kept at most, M
  index_t folds = 10;             ///< for (3); with no more things than that, each is held out alone
  double false_positives = 0.05;  ///< rate of false alarms to ask for
  double text_weight = 0;         ///< share of the text's map and score, in [0, 1]
  bool is_turned = false;         ///< learn each picture in all eight positions, turned and mirrored
  bool is_each_another = false;   ///< each picture is known to show another thing, however alike they are
  std::string class_name = {};    ///< what the pictures show; recorded
  ImageOptions images = {};       ///< how the pictures are read; recorded
  TileOptions tiles = {};         ///< how they are cut; recorded
  std::uint64_t seed = 111;       ///< of coresets
};

/// u and v of pictures that are all the same: beyond the rounding of descriptors.
inline constexpr double kSmallestUnit = 1e-3;

/// What learning does without a listener.
inline constexpr auto kNoListener = [](index_t) {};

/// The memory of `good`, as `detector` sees them; each is loaded twice, to be learned and to be judged. `anchors` are
/// needed where options.text_weight is not 0. `on_step(done)` is called at most 2 `good.count` times, before each look
/// at a picture. The same bits for any number of threads. Throws contract for no pictures or options out of range, and
/// what loading and looking throw.
template <class T>
PatchMemory<T> learn(Context& context, const BasicDetector<T>& detector, const GoodPictures& good,
                     const LearnOptions& options = {}, const TextAnchors<T>* anchors = nullptr,
                     function_ref<void(index_t)> on_step = kNoListener);

/// The memory of the textures of `good` (texture.hpp): no weights, and no words. Of no pictures, what it judges by is
/// how unlike the rest of its own picture a patch is (own_picture.hpp), and there is no threshold.
template <class T>
PatchMemory<T> learn_textures(Context& context, const GoodPictures& good, const LearnOptions& options = {},
                              function_ref<void(index_t)> on_step = kNoListener);

/// What the good pictures of a memory can promise: the rate of false alarms of its threshold on new good pictures, with
/// the interval that the held-out ones leave (CAL-2). A single thing promises nothing: from 0 to 1.
RateInterval promised_rate(const MemoryRecord& record, double confidence = 0.95);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_MEMORY)

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "../anomaly/fingerprint.hpp"
#include "../base/rng.hpp"
#include "../image/exif.hpp"
#include "coreset.hpp"
#include "twins.hpp"

namespace moeclip { inline namespace abi_v0_1 {

namespace detail {

inline constexpr index_t kCandidates = 4;  // times the patches of the memory

/// What a memory looks at pictures with.
template <class T>
struct PatchSource {
  index_t patches, width;  // L, F
  bool weighs_own;         // e counts
  function_ref<void(ImageView image, View<T, 2> descriptors)> describe;
  function_ref<void(const PatchMemory<T>& memory, ImageView image, Detection& found)> judge;
};

/// The rows `chosen` of `from` (N, F).
template <class T>
Tensor<T> gather_rows(const Tensor<T>& from, const std::vector<index_t>& chosen) {
  const index_t width = from.extent(1);
  auto rows = Tensor<T>::uninitialised({std::ssize(chosen), width});
  for (index_t i = 0; i < rows.extent(0); ++i)
    std::copy_n(from.data() + chosen[static_cast<std::size_t>(i)] * width, width, rows.data() + i * width);
  return rows;
}

/// d + b e of patches with descriptors `queries` (N, F), whose b e are `own` (N, 1).
template <class T>
struct LookedUp {
  std::vector<T> distances;

  LookedUp(Context& context, const NearestRows<T>& memory, const Tensor<T>& queries, const Tensor<T>& own)
      : distances(own.begin(), own.end()) {
    std::vector<index_t> nearest(distances.size());
    std::vector<T> known(distances.size());
    memory.find(context, queries.template view<2>(), nearest, known);
    for (std::size_t i = 0; i < known.size(); ++i) distances[i] += known[i];
  }
  [[nodiscard]] double mean() const {
    return std::accumulate(distances.begin(), distances.end(), 0.0) / static_cast<double>(distances.size());
  }
  [[nodiscard]] double variance() const {
    const double middle = mean();
    double sum = 0;
    for (const T distance : distances) sum += std::pow(static_cast<double>(distance) - middle, 2);
    return sum / static_cast<double>(distances.size());
  }
};

inline void set_usual_distance(MemoryRecord& record, double mean, double variance) {
  record.unit = (std::max)(kSmallestUnit, mean);
  record.spread = (std::max)(kSmallestUnit, std::sqrt(variance));
}

/// u and v of a single picture, from its descriptors (g g, F) and their b e: each quarter of it is held out in turn.
template <class T>
void measure_quarters(Context& context, const Tensor<T>& descriptors, const Tensor<T>& own, MemoryRecord& record) {
  const index_t grid = grid_side(descriptors.extent(0));
  if (grid < 2) return;
  double mean = 0, variance = 0;
  for (int quarter = 0; quarter < 4; ++quarter) {
    std::vector<index_t> inside, outside;
    for (index_t i = 0; i < descriptors.extent(0); ++i) {
      const int its = (i / grid >= grid / 2 ? 2 : 0) + (i % grid >= grid / 2 ? 1 : 0);
      (its == quarter ? inside : outside).push_back(i);
    }
    const NearestRows<T> others(context, gather_rows(descriptors, outside));
    const LookedUp<T> found(context, others, gather_rows(descriptors, inside), gather_rows(own, inside));
    mean += found.mean() / 4;
    variance += found.variance() / 4;
  }
  set_usual_distance(record, mean, variance);
}

/// One call of `learn`.
template <class T>
class Learner {
 public:
  Learner(Context& context, const PatchSource<T>& source, const GoodPictures& good, const LearnOptions& options)
      : context_(context), source_(source), good_(good), options_(options) {
    MOECLIP_EXPECT(good.count > 0, "a memory cannot be made of no pictures");
    MOECLIP_EXPECT(options.patches > 0 && options.folds > 1, "a memory of ", options.patches, " patches with ",
                   options.folds, " folds; at least 1 and 2 were wanted");
    MOECLIP_EXPECT(options.text_weight >= 0 && options.text_weight <= 1, "a weight of ", options.text_weight,
                   " for the text lies not between 0 and 1");
    share_ = std::max<index_t>(1, kCandidates * options.patches / good.count);
    if (!options.tiles.is_on()) share_ = (std::min)(share_, source.patches * views());
    candidates_ = Tensor<T>::uninitialised({good.count * share_, source.width});
    own_ = Tensor<T>({good.count * share_, 1});
  }

  /// (1) for picture i: its tiles share its candidates, and if there are more tiles than these, some are looked at.
  void describe_picture(index_t i) {
    const Image picture = good_.load(i);
    const Rng order(options_.seed, "tiles");
    const index_t count =
        options_.tiles.is_on() ? TileGrid(picture.width(), picture.height(), options_.tiles).count() : 1;
    const index_t first = static_cast<index_t>(order.bits(i) % static_cast<std::uint64_t>(count));
    for (index_t step = 0; step < count; ++step) {
      const index_t own = share_ * (step + 1) / count - share_ * step / count, tile = (first + step) % count;
      if (own == 0) continue;
      if (!options_.tiles.is_on())
        describe_tile(picture, own);
      else
        describe_tile(
            copy_image(TileGrid(picture.width(), picture.height(), options_.tiles).view(picture.view(), tile)), own);
    }
    first_row_.push_back(found_);
    twins_.add(context_, picture.view());
  }

  /// After all pictures: how many things they show, and in which fold each is. Neighbours are in the same fold.
  void share_out() {
    thing_.resize(static_cast<std::size_t>(good_.count));
    std::iota(thing_.begin(), thing_.end(), index_t{0});
    if (!options_.is_each_another) thing_ = twins_.things(context_);
    things_ = *std::max_element(thing_.begin(), thing_.end()) + 1;
    folds_ = (std::min)(options_.folds, things_);
  }
  [[nodiscard]] index_t things() const { return things_; }
  [[nodiscard]] index_t thing_of(index_t picture) const { return thing_[static_cast<std::size_t>(picture)]; }
  [[nodiscard]] bool is_first(index_t picture) const {
    return std::find(thing_.begin(), thing_.end(), thing_of(picture)) - thing_.begin() == picture;
  }
  [[nodiscard]] index_t folds() const { return folds_; }
  [[nodiscard]] index_t fold_of(index_t picture) const { return ((thing_of(picture) + 1) * folds_ - 1) / things_; }

  static constexpr index_t kNone = -1;  // no fold

  /// A memory of all pictures but those of fold `left_out`, of a size in proportion.
  NearestRows<T> remember(index_t left_out) {
    if (coordinates_.empty())
      coordinates_ = coreset_coordinates<T>(context_, std::as_const(candidates_).template view<2>().rows(0, found_),
                                            options_.seed);
    const std::vector<index_t> rows = rows_of([&](index_t picture) { return fold_of(picture) != left_out; });
    const index_t size = std::max<index_t>(1, options_.patches * std::ssize(rows) / found_);
    const Tensor<T> points = gather_rows(coordinates_, rows);
    std::vector<index_t> chosen = choose_coreset<T>(context_, points.template view<2>(), size, options_.seed);
    for (index_t& row : chosen) row = rows[static_cast<std::size_t>(row)];
    return NearestRows<T>(context_, gather_rows(candidates_, chosen));
  }

  /// (2): b.
  void weigh_own(MemoryRecord& record) {
    if (source_.weighs_own) record.own_weight = kOwnWeight / std::sqrt(static_cast<double>(things_));
    for (Tensor<T>* own : {&own_, &upright_own_})
      for (T& value : *own) value *= static_cast<T>(record.own_weight);
  }

  /// (2): u and v, from the pictures of the first fold and the memory without them.
  void find_usual_distance(const NearestRows<T>& without_first, MemoryRecord& record) {
    const std::vector<index_t> rows = rows_of([&](index_t picture) { return fold_of(picture) == 0; });
    const LookedUp<T> found(context_, without_first, gather_rows(candidates_, rows), gather_rows(own_, rows));
    set_usual_distance(record, found.mean(), found.variance());
  }

  /// (2) of a single thing.
  void measure_single(MemoryRecord& record) { measure_quarters<T>(context_, upright_, upright_own_, record); }

 private:
  [[nodiscard]] int views() const { return options_.is_turned ? 8 : 1; }
  /// The first candidate of picture i.
  [[nodiscard]] index_t row_of(index_t i) const { return first_row_[static_cast<std::size_t>(i)]; }

  /// Adds `own` candidates of a picture, or of a tile of one.
  void describe_tile(const Image& picture, index_t own) {
    const index_t patches = source_.patches, width = source_.width;
    auto seen = Tensor<T>::uninitialised({views() * patches, width});
    Tensor<T> own_seen({views() * patches, 1});
    for (int view = 0; view < views(); ++view) {
      const View<T, 2> rows = seen.template view<2>().rows(view * patches, (view + 1) * patches);
      source_.describe(apply_orientation(picture, view + 1).view(), rows);
      const std::span own_rows(own_seen.data() + view * patches, static_cast<std::size_t>(patches));
      if (source_.weighs_own) own_distances<T>(context_, rows, own_rows);
    }
    const auto chosen = choose_coreset<T>(context_, std::as_const(seen).template view<2>(),
                                          (std::min)(own, views() * patches), options_.seed);
    const Tensor<T> rows = gather_rows(seen, chosen), own_rows = gather_rows(own_seen, chosen);
    std::copy(rows.begin(), rows.end(), candidates_.data() + found_ * width);
    std::copy(own_rows.begin(), own_rows.end(), own_.data() + found_);
    found_ += rows.extent(0);
    if (!upright_.empty()) return;
    std::vector<index_t> first(static_cast<std::size_t>(patches));
    std::iota(first.begin(), first.end(), index_t{0});
    upright_ = gather_rows(seen, first);
    upright_own_ = gather_rows(own_seen, first);
  }

  /// Rows of the candidates of the pictures that `takes`.
  template <class Takes>
  [[nodiscard]] std::vector<index_t> rows_of(const Takes& takes) const {
    std::vector<index_t> rows;
    for (index_t picture = 0; picture < good_.count; ++picture)
      for (index_t row = row_of(picture); row < row_of(picture + 1); ++row)
        if (takes(picture)) rows.push_back(row);
    return rows;
  }

  Context& context_;
  const PatchSource<T>& source_;
  const GoodPictures& good_;
  const LearnOptions& options_;
  index_t share_ = 0;                     // candidates of each picture at most
  Tensor<T> candidates_;                  // (count share_, F), picture by picture
  Tensor<T> own_;                         // e of each of them; b e, once b is known
  index_t found_ = 0;                     // of them
  std::vector<index_t> first_row_ = {0};  // of each picture, and their end
  Tensor<T> coordinates_;                 // of the candidates, for the choice among them
  Tensor<T> upright_;                     // (L, F) of the first picture, or of a tile of it
  Tensor<T> upright_own_;                 // its e, or b e
  TwinFinder twins_;
  std::vector<index_t> thing_;      // that each picture shows
  index_t things_ = 0, folds_ = 0;  // how many
};

/// (1) to (5) for the memory of `record`, which says what it is valid for.
template <class T>
PatchMemory<T> learn_from(Context& context, const PatchSource<T>& source, MemoryRecord record, const GoodPictures& good,
                          const LearnOptions& options, function_ref<void(index_t)> on_step) {
  Learner<T> learner(context, source, good, options);
  record.class_name = options.class_name;
  record.pictures = good.count;
  record.is_turned = options.is_turned;
  record.images = options.images;
  record.tiles = options.tiles;
  record.false_positives = options.false_positives;
  record.unit = record.spread = kSmallestUnit;
  for (index_t i = 0; i < good.count; ++i) {
    on_step(i);
    learner.describe_picture(i);  // (1)
  }
  learner.share_out();
  learner.weigh_own(record);  // (2)
  if (learner.things() == 1) learner.measure_single(record);
  PatchMemory<T> memory{std::move(record), {}};
  std::vector<float> peaks(static_cast<std::size_t>(learner.things())), scores = peaks;
  Detection found;
  for (index_t fold = 0; learner.things() > 1 && fold < learner.folds(); ++fold) {
    memory.patches = learner.remember(fold);
    if (fold == 0) learner.find_usual_distance(memory.patches, memory.record);  // (2)
    for (index_t i = 0; i < good.count; ++i) {                                  // (3)
      if (learner.fold_of(i) != fold || !learner.is_first(i)) continue;
      on_step(good.count + i);
      const auto judge = [&](ImageView picture, Detection& seen) { source.judge(memory, picture, seen); };
      judge_in_tiles(context, good.load(i).view(), options.tiles, judge, found);
      const auto thing = static_cast<std::size_t>(learner.thing_of(i));
      scores[thing] = found.score;
      peaks[thing] = *std::max_element(found.map.begin(), found.map.end());
    }
  }
  if (learner.things() > 1) {  // (4)
    memory.record.held_out = scores;
    memory.record.threshold = calibrate_on_good(scores, options.false_positives).threshold;
    memory.record.pixel_threshold = calibrate_on_good(peaks, options.false_positives).threshold;
  }
  memory.patches = learner.remember(learner.kNone);  // (5)
  return memory;
}

}  // namespace detail

template <class T>
PatchMemory<T> learn(Context& context, const BasicDetector<T>& detector, const GoodPictures& good,
                     const LearnOptions& options, const TextAnchors<T>* anchors, function_ref<void(index_t)> on_step) {
  const FloatScope floats;
  const DescriptorShape shape = descriptor_shape(detector, PatchFeatures::encoder);
  const auto describe = [&](ImageView image, View<T, 2> descriptors) {
    describe_patches<T>(context, detector, PatchFeatures::encoder, image, descriptors);
  };
  const auto judge = [&](const PatchMemory<T>& memory, ImageView image, Detection& found) {
    detect_by_memory<T>(context, detector, memory, anchors, image, found);
  };
  MemoryRecord record;
  record.clip = clip_fingerprint(detector.clip().vision(), detector.clip().text());
  record.adapter = adapter_fingerprint(detector.adapter());
  record.image_size = detector.options().image_size;
  record.text_weight = options.text_weight;
  return detail::learn_from<T>(context, {shape.patches, shape.width, false, describe, judge}, std::move(record), good,
                               options, on_step);
}

template <class T>
PatchMemory<T> learn_textures(Context& context, const GoodPictures& good, const LearnOptions& options,
                              function_ref<void(index_t)> on_step) {
  const FloatScope floats;
  MOECLIP_EXPECT(options.text_weight == 0, "a text weight of ", options.text_weight,
                 " for textures, which know no words");
  Detection seen;
  const auto describe = [&](ImageView image, View<T, 2> descriptors) {
    look_at_textures<T>(context, image, seen, descriptors);
  };
  const auto judge = [&](const PatchMemory<T>& memory, ImageView image, Detection& found) {
    detect_by_texture<T>(context, memory, image, found);
  };
  MemoryRecord record;
  record.features = PatchFeatures::texture;
  record.image_size = kTextureSize;
  if (good.count == 0) {
    record.class_name = options.class_name;
    record.images = options.images;
    record.tiles = options.tiles;
    record.own_weight = 1;
    record.unit = kOwnUnit;
    record.spread = kOwnSpread;
    return {std::move(record), {}};
  }
  return detail::learn_from<T>(context, {kTextureGrid * kTextureGrid, kTextureWidth, true, describe, judge},
                               std::move(record), good, options, on_step);
}

MOECLIP_FUNC RateInterval promised_rate(const MemoryRecord& record, double confidence) {
  if (record.held_out.empty()) return {};
  const index_t count = std::ssize(record.held_out);
  const auto above = std::count_if(record.held_out.begin(), record.held_out.end(),
                                   [&](float score) { return score >= record.threshold; });
  RateInterval rate = rate_interval(above, count, confidence);
  // of the next picture, which may come to lie anywhere among the count + 1
  rate.estimate = static_cast<double>(above + 1) / static_cast<double>(count + 1);
  return rate;
}

MOECLIP_INSTANTIATE(learn)
MOECLIP_INSTANTIATE(learn_textures)

}}  // namespace moeclip::abi_v0_1

#endif
