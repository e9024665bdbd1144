// SPDX-License-Identifier: MIT
#pragma once
// Batches for pretraining the built-in CLIP: synthetic pictures in pairs, each object once whole and once with a
// defect, each with a caption. The two pictures of a pair differ in nothing but the defect, so that is what the model
// has to see to tell the two captions apart. Some captions use a made-up name, which stands for any object: from them
// the model learns what to do with a name that it has never met.

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "../anomaly/prompts.hpp"
#include "../base/lists.hpp"
#include "../clip/tokenizer.hpp"
#include "../image/normalize.hpp"
#include "kinds.hpp"
#include "pretrain.hpp"
#include "synthesize.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// What is shown, and how often something new.
struct SyntheticPairsOptions {
  std::uint64_t seed = 111;      ///< of pictures, windows and captions
  index_t pairs = 32;            ///< per batch
  index_t categories = 4;        ///< per batch: the fewer, the more of the loss is about defects
  index_t size = 64;             ///< of what is shown, pixels: a window with the defect inside, turned or mirrored
  index_t smallest = 112;        ///< the pictures that windows are cut from have sides from here
  index_t largest = 176;         ///< to here; `size` for both shows whole pictures
  double lowest_severity = 0.3;  ///< of a defect; the highest is 1
  index_t pool = 512;            ///< pairs that are kept to cut windows from
  index_t renewed = 4;           ///< of them per batch, the oldest first
};

/// What a caption says. It is true of a picture if its category and state are the picture's.
struct Caption {
  std::string text;                             ///< in English, as the tokenizer takes it
  std::optional<index_t> category;              ///< number in pretraining_categories(); none: true of any
  bool is_good = true;                          ///< it says that nothing is wrong
  std::optional<synthetic::DefectKind> defect;  ///< that this is wrong; none, and not good: that something is
};

/// Captions are never drawn for these combinations: they are kept to measure whether the model can put together words
/// that it has only met apart.
constexpr bool is_held_out(index_t category, synthetic::DefectKind defect) {
  return (5 * category + static_cast<index_t>(defect)) % 7 == 0;
}

/// The kinds of defects that are shown on category number `category`.
std::vector<synthetic::DefectKind> pretraining_defects(index_t category);

/// Every caption that can be drawn, but for the words that mean nothing: what the vocabulary is learned from.
std::vector<std::string> pretraining_captions();

/// A source of batches. Batch `step` is a function of the options and of `step`.
class SyntheticPairs {
 public:
  /// `tokenizer` outlives this; captions get `context_length` tokens.
  SyntheticPairs(const SyntheticPairsOptions& options, const Tokenizer& tokenizer, index_t context_length);

  /// Fills batch number `step`. Fast if it follows the one before; otherwise the whole pool is drawn anew.
  template <class T>
  void fill(Context& context, index_t step, PretrainBatch<T>& batch) {
    const index_t count = 2 * options_.pairs, size = options_.size;
    if (batch.images.shape() != Shape{count, 3, size, size}) {
      batch.images = Tensor<T>::uninitialised({count, 3, size, size});
      batch.tokens = Tensor<std::int32_t>::uninitialised({count, context_length_});
      batch.matches = Tensor<std::uint8_t>::uninitialised({count, count});
    }
    renew_pool(context, step * options_.renewed);
    std::vector<Shown> views;
    for (index_t i = 0; i < options_.pairs; ++i) views.push_back(draw_view(step, i));
    context.parallel_for(options_.pairs, [&](index_t i, int) {
      const Shown& view = views[static_cast<std::size_t>(i)];
      T* out = batch.images.data() + i * 2 * 3 * size * size;
      show<T>(view.pair->whole, view, out);
      show<T>(view.pair->defective, view, out + 3 * size * size);
    });
    for (index_t i = 0; i < count; ++i) {
      const Shown& picture = views[static_cast<std::size_t>(i / 2)];
      const auto ids = tokenizer_.encode_padded(picture.captions[i % 2].text, context_length_);
      lists::copy(ids, batch.tokens.data() + i * context_length_);
      for (index_t j = 0; j < count; ++j) {
        const Caption& caption = views[static_cast<std::size_t>(j / 2)].captions[j % 2];
        batch.matches[i * count + j] = is_true(caption, *picture.pair, i % 2 == 1) ? 1 : 0;
      }
    }
  }

 private:
  /// An object, whole and with a defect.
  struct Pair {
    index_t number = -1;
    index_t category = 0;
    synthetic::DefectKind defect{};
    Image whole, defective;
    double middle_x = 0, middle_y = 0;  // of the defect, pixels
  };

  /// What a batch shows of a pair, and says about it.
  struct Shown {
    const Pair* pair = nullptr;
    index_t x = 0, y = 0;  // corner of the window
    int orientation = 0;   // bits: mirrored left to right, top to bottom, along the diagonal
    Caption captions[2];   // of the whole and of the defective picture
  };

  /// Draws those of the pairs [first, first + pool) that are not there.
  void renew_pool(Context& context, index_t first);

  Pair& slot(index_t number) { return pool_[static_cast<std::size_t>(number % options_.pool)]; }

  /// Pairs take the categories in turn.
  void draw_pair(index_t number);

  /// View number `i` of batch `step`: a pair of one of the batch's categories.
  Shown draw_view(index_t step, index_t i);

  /// Writes the window of `picture` to `out` (3, size, size), normalised.
  template <class T>
  void show(const Image& picture, const Shown& view, T* out) const {
    const index_t size = options_.size;
    Image window(size, size, 3);
    for (index_t y = 0; y < size; ++y)
      for (index_t x = 0; x < size; ++x) {
        index_t from_x = (view.orientation & 1) != 0 ? size - 1 - x : x;
        index_t from_y = (view.orientation & 2) != 0 ? size - 1 - y : y;
        if ((view.orientation & 4) != 0) std::swap(from_x, from_y);
        std::copy_n(picture.row(view.y + from_y) + 3 * (view.x + from_x), 3, window.row(y) + 3 * x);
      }
    normalize<T>(window.view(), Normalization::clip(), out);
  }

  static bool is_true(const Caption& caption, const Pair& pair, bool is_defective);

  SyntheticPairsOptions options_;
  const Tokenizer& tokenizer_;
  index_t context_length_;
  std::vector<Pair> pool_;  // pair n at place n % pool
};

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_SYNTHETIC)

namespace moeclip { inline namespace abi_v0_1 {

MOECLIP_FUNC std::vector<synthetic::DefectKind> pretraining_defects(index_t category) {
  std::vector<synthetic::DefectKind> kinds;
  for (const std::string_view name : seen_defects(pretraining_categories()[static_cast<std::size_t>(category)]))
    if (const auto kind = synthetic::find_defect(name); kind && !is_held_out(category, *kind)) kinds.push_back(*kind);
  return kinds;
}

namespace detail {

inline constexpr std::string_view kAnyObject = "object";

template <class List>
const auto& draw_from(const List& list, synthetic::Dice& dice) {
  return list[static_cast<std::size_t>(dice.integer(0, static_cast<int>(std::size(list))))];
}

/// Three to five letters that mean nothing.
inline std::string draw_word(synthetic::Dice& dice) {
  std::string word(static_cast<std::size_t>(dice.integer(3, 6)), ' ');
  for (char& letter : word) letter = static_cast<char>('a' + dice.integer(0, 26));
  return word;
}

/// A caption for a picture of `category`, whole if `kind` is none: seven times in ten by its name.
inline Caption draw_pair_caption(index_t category, std::optional<synthetic::DefectKind> kind, synthetic::Dice& dice) {
  Caption caption;
  std::string name(kAnyObject);
  const float names = dice.range(0, 1);
  if (names < 0.7f) {
    caption.category = category;
    name = pretraining_categories()[static_cast<std::size_t>(category)];
  } else if (names < 0.85f) {
    name = draw_word(dice);
  }
  caption.is_good = !kind;
  std::string_view phrase = draw_from(kGoodPhrases, dice);
  if (kind && dice.chance(0.5f)) {
    phrase = draw_from(kAbnormalStates, dice);
  } else if (kind) {
    caption.defect = kind;
    const DefectPhrases& words = kDefectPhrases[static_cast<std::size_t>(*kind)];
    phrase = dice.chance(0.5f) ? words.with : words.adjective;
  }
  caption.text = detail::fill_in(draw_from(kTemplates, dice), detail::fill_in(phrase, name));
  return caption;
}

}  // namespace detail

MOECLIP_FUNC std::vector<std::string> pretraining_captions() {
  std::vector<std::string_view> names(pretraining_categories().begin(), pretraining_categories().end()), phrases;
  names.push_back(detail::kAnyObject);
  phrases.insert(phrases.end(), kGoodPhrases.begin(), kGoodPhrases.end());
  phrases.insert(phrases.end(), kAbnormalStates.begin(), kAbnormalStates.end());
  for (const DefectPhrases& words : kDefectPhrases) phrases.insert(phrases.end(), {words.with, words.adjective});
  std::vector<std::string> captions;
  for (const std::string_view name : names)
    for (const std::string_view phrase : phrases)
      for (const std::string_view pattern : kTemplates)
        captions.push_back(detail::fill_in(pattern, detail::fill_in(phrase, name)));
  return captions;
}

MOECLIP_FUNC SyntheticPairs::SyntheticPairs(const SyntheticPairsOptions& options, const Tokenizer& tokenizer,
                                            index_t context_length)
    : options_(options),
      tokenizer_(tokenizer),
      context_length_(context_length),
      pool_(static_cast<std::size_t>(options.pool)) {
  MOECLIP_EXPECT(options.pool >= std::ssize(pretraining_categories()) && options.renewed <= options.pool, "a pool of ",
                 options.pool, " pairs is too small for ", pretraining_categories().size(), " categories or to renew ",
                 options.renewed, " of them");
  MOECLIP_EXPECT(options.size <= options.smallest && options.smallest <= options.largest, "windows of ", options.size,
                 " pixels cannot be cut from pictures of ", options.smallest, " to ", options.largest);
}

MOECLIP_FUNC void SyntheticPairs::renew_pool(Context& context, index_t first) {
  std::vector<index_t> wanted;
  for (index_t number = first; number < first + options_.pool; ++number)
    if (slot(number).number != number) wanted.push_back(number);
  context.parallel_for(std::ssize(wanted), [&](index_t i, int) { draw_pair(wanted[static_cast<std::size_t>(i)]); });
}

MOECLIP_FUNC void SyntheticPairs::draw_pair(index_t number) {
  synthetic::Dice dice(options_.seed, "pretraining pairs", number);
  Pair& pair = slot(number);
  pair.number = number;
  pair.category = number % std::ssize(pretraining_categories());
  pair.defect = detail::draw_from(pretraining_defects(pair.category), dice);
  SyntheticSpec spec;
  spec.category = pretraining_categories()[static_cast<std::size_t>(pair.category)];
  spec.seed = options_.seed;
  spec.index = number;
  spec.size = dice.integer(static_cast<int>(options_.smallest), static_cast<int>(options_.largest) + 1);
  spec.severity = static_cast<double>(dice.range(static_cast<float>(options_.lowest_severity), 1));
  pair.whole = synthesize(spec).picture;
  spec.defect = synthetic::kDefectNames[static_cast<std::size_t>(pair.defect)];
  Sample sample = synthesize(spec);
  pair.defective = std::move(sample.picture);
  double count = 0, sum_x = 0, sum_y = 0;
  for (index_t y = 0; y < sample.mask.height(); ++y)
    for (index_t x = 0; x < sample.mask.width(); ++x)
      if (sample.mask.row(y)[x] != 0) count += 1, sum_x += static_cast<double>(x), sum_y += static_cast<double>(y);
  pair.middle_x = sum_x / (std::max)(1.0, count);
  pair.middle_y = sum_y / (std::max)(1.0, count);
}

MOECLIP_FUNC SyntheticPairs::Shown SyntheticPairs::draw_view(index_t step, index_t i) {
  const index_t categories = std::ssize(pretraining_categories()), first = step * options_.renewed;
  synthetic::Dice group(options_.seed, "pretraining categories", step * options_.categories + i % options_.categories);
  synthetic::Dice dice(options_.seed, "pretraining views", step * options_.pairs + i);
  const index_t category = group.integer(0, static_cast<int>(categories));
  const index_t skipped = (category - first % categories + categories) % categories;
  const index_t turn = dice.integer(0, static_cast<int>((options_.pool - skipped - 1) / categories + 1));
  Shown view;
  view.pair = &slot(first + skipped + turn * categories);
  const auto corner = [&](double middle) {  // the middle of the defect lies in the inner half of the window
    const double offset = static_cast<double>(options_.size) * static_cast<double>(dice.range(0.25f, 0.75f));
    return std::clamp<index_t>(static_cast<index_t>(middle - offset), 0, view.pair->whole.width() - options_.size);
  };
  view.x = corner(view.pair->middle_x);
  view.y = corner(view.pair->middle_y);
  view.orientation = dice.integer(0, 8);
  view.captions[0] = detail::draw_pair_caption(category, {}, dice);
  view.captions[1] = detail::draw_pair_caption(category, view.pair->defect, dice);
  return view;
}

MOECLIP_FUNC bool SyntheticPairs::is_true(const Caption& caption, const Pair& pair, bool is_defective) {
  if (caption.category && *caption.category != pair.category) return false;
  if (caption.is_good || !is_defective) return caption.is_good && !is_defective;
  return !caption.defect || *caption.defect == pair.defect;
}

}}  // namespace moeclip::abi_v0_1

#endif
