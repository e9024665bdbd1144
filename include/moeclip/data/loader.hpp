// SPDX-License-Identifier: MIT
#pragma once
// The loader prepares batches for training on other threads, while training computes on the last one. Which samples a
// batch holds, and every bit of it, follows from the source, the seed, the epoch and the number of the batch; how far
// ahead the loader runs changes nothing.

#include <memory>

#include "../base/process_group.hpp"
#include "../tensor/tensor.hpp"
#include "augment.hpp"
#include "prepare.hpp"
#include "source.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Which batches a loader makes, and how.
struct LoaderOptions {
  index_t batch = 2;            ///< B, samples in a batch
  index_t size = 336;           ///< S, side of the prepared pictures, pixels
  std::uint64_t seed = 0;       ///< of the order and of the augmentations
  bool is_shuffled = true;      ///< another order in every epoch; false: that of the source
  bool is_augmented = true;     ///< pictures and masks are turned, shifted and flipped as `augment` says
  bool revises_labels = false;  ///< a picture whose whole defect left the frame becomes a good one
  AugmentOptions augment = {};  ///< how often, and how far
  int ahead = 2;  ///< batches prepared at the same time, each on a thread of its own; 0: none, when they are asked for
  ImageOptions images = {};       ///< how pictures are read
  ProcessGroup* group = nullptr;  ///< shares each batch; null: this process has all of it
};

/// Where in a training run a batch stands.
struct LoaderPosition {
  index_t epoch = 0;  ///< counted from 0
  index_t batch = 0;  ///< in the epoch
};

/// B samples, ready for a training step. All lists have B entries. Of a shared batch these are the ones that this
/// process holds (BatchShare).
template <class T>
struct LoadedBatch {
  Tensor<T> images;                  ///< (B, 3, S, S), normalised
  Tensor<T> masks;                   ///< (B, S, S), 0 or 1
  std::vector<int> labels;           ///< 1: defective
  std::vector<index_t> classes;      ///< index into SampleSource::classes()
  std::vector<bool> has_mask;        ///< false: defective, but nobody marked where
  std::vector<std::string> paths;    ///< where each came from, for messages
  std::vector<std::string> remarks;  ///< why its picture is not whole; mostly empty
  LoaderPosition position;           ///< of this batch in the training run
  bool is_last = false;              ///< of its epoch
  index_t total = 0;                 ///< samples of the whole batch
};

/// The order of `count` samples in an epoch: Fisher and Yates' shuffle, from the seed.
std::vector<index_t> shuffled_order(index_t count, std::uint64_t seed, index_t epoch);

/// Fills `out` with the samples `members` of `source` as epoch `epoch` shows them.
template <class T>
void load_batch(const SampleSource& source, const LoaderOptions& options, index_t epoch,
                std::span<const index_t> members, LoadedBatch<T>& out);

/// Hands out the batches of one epoch after the other, without end; the last of an epoch may be smaller. The source
/// must outlive it. Used by one thread.
template <class T>
class Loader {
 public:
  /// Starts at `start`, where a resumed run goes on. Throws contract for an empty source or options out of range.
  Loader(const SampleSource& source, const LoaderOptions& options, LoaderPosition start = {});

  /// Batches of an epoch.
  [[nodiscard]] index_t batches() const { return (source_.size() + options_.batch - 1) / options_.batch; }

  /// The next batch, valid until the call after. Rethrows what went wrong while it was made (a file that is missing or
  /// broken); the call after that goes on behind it.
  const LoadedBatch<T>& next();

 private:
  /// A batch and the thread that makes it.
  struct Slot {
    LoadedBatch<T> batch;
    std::vector<index_t> members;
    const Loader* loader = nullptr;
    std::unique_ptr<BackgroundWorker> worker;  // last: it stops before the rest goes

    void load() { load_batch(loader->source_, loader->options_, batch.position.epoch, members, batch); }
    void operator()() { load(); }
  };

  /// Sets what `slot` is to load next, and moves on.
  void plan(Slot& slot);

  void begin(Slot& slot);

  const SampleSource& source_;
  LoaderOptions options_;
  LoaderPosition planned_;  // of the next batch that is begun
  index_t order_epoch_ = -1;
  std::vector<index_t> order_;
  std::vector<std::unique_ptr<Slot>> slots_;
  std::size_t oldest_ = 0;  // slot of the next batch that is handed out
  bool is_lent_ = false;    // the slot before it is in the caller's hands
};

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_DATA)

#include <numeric>

namespace moeclip { inline namespace abi_v0_1 {

MOECLIP_FUNC std::vector<index_t> shuffled_order(index_t count, std::uint64_t seed, index_t epoch) {
  std::vector<index_t> order(static_cast<std::size_t>(count));
  std::iota(order.begin(), order.end(), index_t{0});
  const Rng rng(seed, concat("shuffle ", epoch));
  for (index_t i = count - 1; i > 0; --i)
    std::swap(order[static_cast<std::size_t>(i)], order[static_cast<std::size_t>(rng.integer(i, 0, i + 1))]);
  return order;
}

template <class T>
void load_batch(const SampleSource& source, const LoaderOptions& options, index_t epoch,
                std::span<const index_t> members, LoadedBatch<T>& out) {
  const index_t size = options.size, pixels = size * size, count = std::ssize(members);
  if (out.images.shape() != Shape{count, 3, size, size}) {
    out.images = Tensor<T>::uninitialised({count, 3, size, size});
    out.masks = Tensor<T>::uninitialised({count, size, size});
  }
  out.labels.clear(), out.classes.clear(), out.has_mask.clear(), out.paths.clear(), out.remarks.clear();
  const Rng rng = augmentation_rng(options.seed, epoch);
  Context context({.threads = 1});
  for (index_t b = 0; b < count; ++b) {
    const index_t member = members[static_cast<std::size_t>(b)];
    const Sample sample = source.load(member, options.images, epoch);
    T* image = out.images.data() + b * 3 * pixels;
    T* mask = out.masks.data() + b * pixels;
    prepare_sample(context, sample, size, image, mask);
    bool is_defective = sample.label != 0;
    if (options.is_augmented) {
      const auto is_marked = [&] { return std::any_of(mask, mask + pixels, [](T value) { return value != 0; }); };
      const bool may_leave = options.revises_labels && is_marked();
      augment(draw_augmentation(options.augment, rng, member, size, size), size, image, mask);
      if (may_leave && !is_marked()) is_defective = false;
    }
    out.labels.push_back(is_defective ? 1 : 0);
    out.classes.push_back(source.class_index(sample.class_name));
    out.has_mask.push_back(sample.has_mask());
    out.paths.push_back(sample.path);
    out.remarks.push_back(sample.remark);
  }
}

template <class T>
Loader<T>::Loader(const SampleSource& source, const LoaderOptions& options, LoaderPosition start)
    : source_(source), options_(options), planned_(start) {
  MOECLIP_EXPECT(source.size() > 0, "there are no samples to load");
  MOECLIP_EXPECT(options.batch > 0 && options.size > 0, "batches of ", options.batch, " pictures of ", options.size,
                 " pixels cannot be loaded");
  MOECLIP_EXPECT(options.ahead >= 0 && options.ahead <= 64, options.ahead, " batches ahead are too many");
  MOECLIP_EXPECT(start.epoch >= 0 && start.batch >= 0 && start.batch < batches(), "epoch ", start.epoch, " batch ",
                 start.batch, " is not one of the ", batches(), " batches of an epoch");
  for (int i = 0; i < (std::max)(options.ahead, 1); ++i) slots_.push_back(std::make_unique<Slot>());
  if (options.ahead > 0)
    for (const auto& slot : slots_) begin(*slot);
}

template <class T>
const LoadedBatch<T>& Loader<T>::next() {
  if (options_.ahead == 0) {
    Slot& slot = *slots_.front();
    plan(slot);
    slot.load();
    return slot.batch;
  }
  if (is_lent_) begin(*slots_[oldest_ == 0 ? slots_.size() - 1 : oldest_ - 1]);
  Slot& slot = *slots_[oldest_];
  oldest_ = (oldest_ + 1) % slots_.size();
  is_lent_ = true;
  slot.worker->wait();
  return slot.batch;
}

template <class T>
void Loader<T>::plan(Slot& slot) {
  if (order_epoch_ != planned_.epoch) {
    order_epoch_ = planned_.epoch;
    order_ = shuffled_order(source_.size(), options_.seed, planned_.epoch);
    if (!options_.is_shuffled) std::iota(order_.begin(), order_.end(), index_t{0});
  }
  const index_t first = planned_.batch * options_.batch;
  const index_t count = (std::min)(options_.batch, source_.size() - first);
  slot.loader = this;
  const BatchShare share{options_.group, count};
  const index_t held = first + (std::min)(share.first(), count - share.held());
  slot.members.assign(order_.begin() + held, order_.begin() + held + share.held());
  slot.batch.total = count;
  slot.batch.position = planned_;
  slot.batch.is_last = planned_.batch + 1 == batches();
  planned_ =
      slot.batch.is_last ? LoaderPosition{planned_.epoch + 1, 0} : LoaderPosition{planned_.epoch, planned_.batch + 1};
}

template <class T>
void Loader<T>::begin(Slot& slot) {
  plan(slot);
  if (slot.worker == nullptr) slot.worker = std::make_unique<BackgroundWorker>();
  slot.worker->start(slot);
}

MOECLIP_INSTANTIATE(load_batch)
MOECLIP_INSTANTIATE_CLASS(Loader)

}}  // namespace moeclip::abi_v0_1

#endif
