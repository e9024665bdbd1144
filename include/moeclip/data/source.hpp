// SPDX-License-Identifier: MIT
#pragma once
// A source gives samples by number: from files, from pictures that are drawn when they are needed
// (synthetic/source.hpp), or from several of both, one after the other.

#include <memory>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "../base/lists.hpp"
#include "dataset.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// What a sample is drawn for.
struct DrawRequest {
  index_t epoch = 0;         ///< of training; a sample may be drawn anew in each
  ImageOptions images = {};  ///< how the picture is read that it is drawn onto
};

/// A sample that no file holds as it is: it is drawn when it is needed, from nothing or onto a picture.
struct DrawnSample {
  std::string class_name;             ///< that of the sample, known before it is drawn
  std::string description;            ///< what fingerprints say of it: two that differ must differ here
  std::shared_ptr<const void> order;  ///< what `draw` is given
  Sample (*draw)(const void*, const DrawRequest&) = nullptr;  ///< a pure function; may be called on several threads
  std::string file = {};                                      ///< the picture that it is drawn onto; "": none
};

/// A list of samples to be loaded by number. Cheap to move; loading is const and may run on several threads.
class SampleSource {
 public:
  SampleSource() = default;
  /// The samples of a data set in files.
  explicit SampleSource(std::vector<DatasetEntry> entries) { add(std::move(entries)); }
  /// Samples that are drawn.
  explicit SampleSource(std::vector<DrawnSample> samples) { add(std::move(samples)); }

  /// Appends a data set. Its samples come after those that are there; the loader shuffles all of them together.
  void add(std::vector<DatasetEntry> entries);
  void add(std::vector<DrawnSample> samples);
  void add(SampleSource samples);

  /// Number of samples.
  [[nodiscard]] index_t size() const { return std::ssize(items_); }

  /// Names of the classes in the order in which they first appear.
  [[nodiscard]] std::span<const std::string> classes() const { return classes_; }

  /// Index of a class in classes(). Throws contract if there is no class of this name.
  [[nodiscard]] index_t class_index(std::string_view name) const;

  /// The entry behind sample i; null if it is drawn.
  [[nodiscard]] const DatasetEntry* entry(index_t i) const;

  /// The picture's file that sample i is read from or drawn onto; "" if there is none.
  [[nodiscard]] const std::string& file(index_t i) const;

  /// The class of sample i.
  [[nodiscard]] const std::string& class_name(index_t i) const;

  /// The samples of these numbers, in this order, with their classes.
  [[nodiscard]] SampleSource part(std::span<const index_t> numbers) const;

  /// Reads sample i as `images` say, or draws it as `epoch` shows it. Throws as load_sample and the drawing do, with
  /// the file's name.
  [[nodiscard]] Sample load(index_t i, const ImageOptions& images = {}, index_t epoch = 0) const;

  /// SHA-256 of what the list says (paths below the folder that all share, labels, classes; not the contents of
  /// files), to tell that a resumed run has the same data.
  [[nodiscard]] std::string fingerprint() const;

 private:
  using Item = std::variant<DatasetEntry, DrawnSample>;

  /// Sample i. Throws contract if there is none.
  [[nodiscard]] const Item& item(index_t i) const;

  /// Length of what all paths begin with, up to a '/': where the data lie, which may change.
  [[nodiscard]] std::size_t common_directory() const;

  static std::string description(const Item& item, std::size_t common);

  void add_class(const std::string& name);

  std::vector<Item> items_;
  std::vector<std::string> classes_;
};

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_DATA)

#include <algorithm>
#include <optional>

#include "../io/sha256.hpp"

namespace moeclip { inline namespace abi_v0_1 {

MOECLIP_FUNC void SampleSource::add(std::vector<DatasetEntry> entries) {
  for (const DatasetEntry& entry : entries) add_class(entry.class_name);
  for (DatasetEntry& entry : entries) items_.emplace_back(std::move(entry));
}

MOECLIP_FUNC void SampleSource::add(std::vector<DrawnSample> samples) {
  for (const DrawnSample& sample : samples) add_class(sample.class_name);
  for (DrawnSample& sample : samples) items_.emplace_back(std::move(sample));
}

MOECLIP_FUNC void SampleSource::add(SampleSource samples) {
  for (const std::string& name : samples.classes_) add_class(name);
  for (Item& item : samples.items_) items_.push_back(std::move(item));
}

MOECLIP_FUNC index_t SampleSource::class_index(std::string_view name) const {
  const auto found = lists::find(classes_, name);
  MOECLIP_EXPECT(found != classes_.end(), "there is no class '", name, "' in this data set");
  return found - classes_.begin();
}

MOECLIP_FUNC const SampleSource::Item& SampleSource::item(index_t i) const {
  MOECLIP_EXPECT(i >= 0 && i < size(), "sample ", i, " of ", size(), " was asked for");
  return items_[static_cast<std::size_t>(i)];
}

MOECLIP_FUNC const DatasetEntry* SampleSource::entry(index_t i) const { return std::get_if<DatasetEntry>(&item(i)); }

MOECLIP_FUNC const std::string& SampleSource::file(index_t i) const {
  const DatasetEntry* const found = entry(i);
  return found != nullptr ? found->image_path : std::get<DrawnSample>(item(i)).file;
}

MOECLIP_FUNC const std::string& SampleSource::class_name(index_t i) const {
  return std::visit([](const auto& sample) -> const std::string& { return sample.class_name; }, item(i));
}

MOECLIP_FUNC SampleSource SampleSource::part(std::span<const index_t> numbers) const {
  SampleSource chosen;
  for (const index_t i : numbers) {
    chosen.items_.push_back(item(i));
    chosen.add_class(class_name(i));
  }
  return chosen;
}

MOECLIP_FUNC Sample SampleSource::load(index_t i, const ImageOptions& images, index_t epoch) const {
  if (const DatasetEntry* const found = entry(i)) return load_sample(*found, images);
  const auto& drawn = std::get<DrawnSample>(item(i));
  return drawn.draw(drawn.order.get(), {epoch, images});
}

MOECLIP_FUNC std::string SampleSource::fingerprint() const {
  const std::size_t common = common_directory();
  std::string text;
  for (const Item& item : items_) text += description(item, common) + "\n";
  return sha256_hex(as_bytes(text));
}

MOECLIP_FUNC std::size_t SampleSource::common_directory() const {
  std::optional<std::string_view> common;
  for (index_t i = 0; i < size(); ++i) {
    const DatasetEntry* const found = entry(i);
    const std::string_view mask = found != nullptr ? std::string_view(found->mask_path) : std::string_view();
    for (const std::string_view path : {std::string_view(file(i)), mask}) {
      if (path.empty()) continue;
      if (!common) common = path;
      const auto [end, other] = std::mismatch(common->begin(), common->end(), path.begin(), path.end());
      common = common->substr(0, static_cast<std::size_t>(end - common->begin()));
    }
  }
  return common ? common->rfind('/') + 1 : 0;  // npos + 1 is 0
}

MOECLIP_FUNC std::string SampleSource::description(const Item& item, std::size_t common) {
  if (const auto* e = std::get_if<DatasetEntry>(&item))
    return concat(e->image_path.substr(common), " ", e->label, " ", e->class_name, " ",
                  e->mask_path.empty() ? "" : e->mask_path.substr(common),
                  e->marked_from == 1 ? "" : concat(" ", e->marked_from));
  const auto& drawn = std::get<DrawnSample>(item);
  return drawn.file.empty() ? drawn.description : concat(drawn.description, " ", drawn.file.substr(common));
}

MOECLIP_FUNC void SampleSource::add_class(const std::string& name) {
  if (lists::find(classes_, name) == classes_.end()) classes_.push_back(name);
}

}}  // namespace moeclip::abi_v0_1

#endif
