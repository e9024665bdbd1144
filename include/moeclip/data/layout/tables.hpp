// SPDX-License-Identifier: MIT
#pragma once
// Recognises layouts that a table describes, at least in part:
//     visa   <class>/Data/Images/{Normal,Anomaly}/000.JPG   <class>/Data/Masks/Anomaly/000.png   split_csv/1cls.csv
//     csv    label.csv with a column for the picture and one for the label, and the pictures anywhere below
// The table of VisA (object,split,label,image,mask) divides it into train and test; without it everything is for
// testing.

#include "../../base/lists.hpp"
#include "../../io/text_file.hpp"
#include "csv.hpp"
#include "listing.hpp"

namespace moeclip { inline namespace abi_v0_1 { namespace detail {

/// A table of the tree, with its columns by name.
class LabelTable {
 public:
  LabelTable(const FolderTree& tree, const std::string& path) : path_(join_path(tree.root, path)) {
    constexpr std::uint64_t kMostBytes = std::uint64_t{1} << 28;
    rows_ = parse_csv(read_text_file(path_, kMostBytes), path_);
  }

  [[nodiscard]] std::size_t size() const { return rows_.empty() ? 0 : rows_.size() - 1; }

  /// The names of the columns, for people: "name, kind".
  [[nodiscard]] std::string columns() const {
    std::string names;
    if (!rows_.empty())
      for (const std::string& name : rows_[0]) names += concat(names.empty() ? "" : ", ", name);
    return names;
  }

  /// The first column with one of the names, -1 if there is none.
  [[nodiscard]] index_t column(NameList names) const {
    if (rows_.empty()) return -1;
    for (const std::string_view name : names)
      for (std::size_t i = 0; i < rows_[0].size(); ++i)
        if (plain_name(rows_[0][i]) == name) return static_cast<index_t>(i);
    return -1;
  }

  /// Cell of row `row` (0: the one below the names); empty if the column or the cell is not there.
  [[nodiscard]] std::string_view cell(std::size_t row, index_t column) const {
    const auto at = static_cast<std::size_t>(column);
    return column < 0 || at >= rows_[row + 1].size() ? std::string_view() : rows_[row + 1][at];
  }

  [[noreturn]] void fail_row(std::size_t row, std::string_view what) const {
    fail(ErrorCode::format, concat(path_, ": row ", row + 2, ": ", what));
  }

  /// The cell for people and lists. Throws format if it is no text in UTF-8.
  [[nodiscard]] std::string_view text(std::size_t row, index_t column) const {
    const std::string_view found = cell(row, column);
    if (!is_utf8(found))
      fail_row(row, "is not in UTF-8, so its letters cannot be told; save the table anew as \"CSV UTF-8\"");
    return found;
  }

  [[nodiscard]] int label(std::size_t row, index_t column) const {
    const auto label = label_of_word(text(row, column));
    if (!label)
      fail_row(row, concat("the label is \"", cell(row, column),
                           "\"; 0 or good, 1 or defective was wanted, or a like word"));
    return *label;
  }

 private:
  std::string path_;
  CsvRows rows_;
};

/// `path` with '/' between names, whatever a table on another system was written with.
inline std::string forward_slashes(std::string_view path) {
  std::string text(path);
  lists::replace(text, '\\', '/');
  while (text.starts_with("./")) text.erase(0, 2);
  return text;
}

/// Whether `path`, with '/' between names, begins at the top of a file system: "/data/1.png", "C:/data/1.png".
inline bool is_whole_path(std::string_view path) {
  return path.starts_with('/') || (path.size() > 2 && path[1] == ':' && path[2] == '/');
}

/// `path`, which is below `folder`, as it is below the top.
inline std::string below(const FolderNode& folder, const std::string& path) {
  return path.empty() || is_whole_path(path) ? path : folder.file_path(path);
}

// VisA.

inline void list_visa_class(const FolderNode& folder, const std::string& class_name, Listing& out) {
  const FolderNode& data = *find_folder(folder, "data");
  const FolderNode* masks = find_folder(data, "masks");
  for (const FolderNode& kind : find_folder(data, "images")->folders) {
    const int label = is_good_name(kind.name) ? 0 : 1;
    const FolderNode* own = masks != nullptr && label == 1 ? find_folder(*masks, kind.name) : nullptr;
    list_pictures({&kind, own, class_name, label, Split::test}, out);
  }
  out.classes.push_back({class_name, folder.path});
}

inline bool is_visa_class(const FolderNode& folder) {
  const FolderNode* data = find_folder(folder, "data");
  const FolderNode* images = data == nullptr ? nullptr : find_folder(*data, "images");
  return images != nullptr && lists::any_of(images->folders, has_pictures);
}

/// Path of split_csv/1cls.csv, below the top; "" if it is not there.
inline std::string visa_table(const FolderNode& folder) {
  const FolderNode* tables = find_folder(folder, "split_csv");
  if (tables == nullptr || lists::find(tables->files, "1cls.csv") == tables->files.end()) return "";
  return tables->file_path("1cls.csv");
}

inline void list_visa_table(const FolderTree& tree, const FolderNode& folder, const std::string& path, Listing& out) {
  constexpr std::string_view kObject[] = {"object"}, kSplit[] = {"split"}, kLabel[] = {"label"}, kImage[] = {"image"},
                             kMask[] = {"mask"};
  const LabelTable table(tree, path);
  const index_t object = table.column(kObject), split = table.column(kSplit), label = table.column(kLabel),
                image = table.column(kImage), mask = table.column(kMask);
  if (object < 0 || split < 0 || label < 0 || image < 0)
    fail(ErrorCode::format,
         concat(join_path(tree.root, path), ": the columns object, split, label and image were wanted"));
  for (std::size_t row = 0; row < table.size(); ++row) {
    const auto part = split_of_name(table.cell(row, split));
    if (!part) table.fail_row(row, concat("the split is \"", table.cell(row, split), "\"; train or test was wanted"));
    ListedPicture picture{below(folder, forward_slashes(table.cell(row, image))), table.label(row, label),
                          std::string(table.cell(row, object)), "", *part};
    if (picture.label == 1) picture.mask = below(folder, forward_slashes(table.cell(row, mask)));
    out.pictures.push_back(std::move(picture));
  }
}

inline bool list_visa(const FolderTree& tree, const FolderNode& folder, const std::string& class_name, Listing& out) {
  if (is_visa_class(folder)) {
    list_visa_class(folder, class_name, out);
  } else {
    for (const FolderNode& inner : folder.folders)
      if (is_visa_class(inner)) list_visa_class(inner, inner.name, out);
    if (out.classes.empty()) return false;
    if (const std::string path = visa_table(folder); !path.empty()) {
      out.pictures.clear();
      list_visa_table(tree, folder, path, out);
      return true;
    }
  }
  out.is_parted = false;
  out.notes.emplace_back("there is no split_csv/1cls.csv here: all pictures are listed for testing");
  return true;
}

// label.csv

inline constexpr std::array<std::string_view, 9> kTableNames{"label.csv",       "labels.csv",   "annotation.csv",
                                                             "annotations.csv", "metadata.csv", "meta.csv",
                                                             "dataset.csv",     "label.tsv",    "labels.tsv"};
inline constexpr std::array<std::string_view, 16> kImageColumns{
    "imagepath", "image", "imagename", "imagefile", "imageid", "path",    "file", "filename",
    "filepath",  "img",   "imgpath",   "imgname",   "imgid",   "picture", "name", "id"};
inline constexpr std::array<std::string_view, 17> kLabelColumns{
    "label",     "labels", "anomaly",    "isanomaly", "isanomalous", "abnormal", "isabnormal", "defect", "isdefective",
    "defective", "target", "hemorrhage", "result",    "verdict",     "status",   "y",          "class"};
inline constexpr std::array<std::string_view, 4> kMaskColumns{"maskpath", "mask", "groundtruth", "maskfile"};
inline constexpr std::array<std::string_view, 5> kClassColumns{"classname", "object", "category", "clsname", "product"};
inline constexpr std::array<std::string_view, 3> kSplitColumns{"split", "set", "phase"};

/// All pictures below a folder, to be found by path, by name, without extension, or as the number that the name is.
class PictureIndex {
 public:
  PictureIndex() = default;
  explicit PictureIndex(const FolderNode& folder) {
    add(folder, folder.path.empty() ? 0 : folder.path.size() + 1);
    lists::sort(keys_);
  }

  /// Path below the top, or "": nothing or more than one thing is called so. Of a whole path that is not there, since
  /// the table was made on another computer, the end counts, as long as it can be.
  [[nodiscard]] std::string find(std::string_view name) const {
    const std::string path = forward_slashes(name);
    std::string found = find_key({path, "/" + path, number_key(path)});
    if (!found.empty() || !is_whole_path(path) || file_exists(path)) return found;
    for (std::size_t slash = path.find('/'); found.empty() && slash != std::string::npos;
         slash = path.find('/', slash + 1))
      found = find_key({path.substr(slash + 1)});
    return found.empty() ? find_key({path.substr(path.rfind('/'))}) : found;
  }

 private:
  using Key = std::pair<std::string, std::string>;  // a name, and the path below the top

  /// Path of the one file that the first of the keys fits which fits only one.
  [[nodiscard]] std::string find_key(std::initializer_list<std::string> keys) const {
    for (const std::string& key : keys) {
      const auto [first, last] = with_key(keys_, key);
      if (last - first == 1) return first->second;
    }
    return "";
  }

  /// "12" for "012" and "12": a table that was made of numbers has lost their leading zeros.
  static std::string number_key(const std::string& stem) {
    if (stem.empty() || stem.find_first_not_of("0123456789") != std::string::npos) return "#";
    return "#" + numbers_of(stem);
  }

  void add(const FolderNode& folder, std::size_t skipped) {
    for (const std::string& file : folder.files) {
      if (!is_picture(file)) continue;
      const std::string path = folder.file_path(file), stem(stem_of(file));
      keys_.emplace_back(path.substr(skipped), path);
      if (is_mask_name(folder.name)) continue;  // masks are named in full, or not at all
      keys_.emplace_back("/" + file, path);
      keys_.emplace_back("/" + stem, path);
      if (const std::string number = number_key(stem); number != "#") keys_.emplace_back(number, path);
    }
    for (const FolderNode& inner : folder.folders) add(inner, skipped);
  }

  std::vector<Key> keys_;
};

/// Path of the table that labels the pictures of a folder, below the top; "" if there is none.
inline std::string label_table(const FolderNode& folder) {
  for (const std::string_view name : kTableNames)
    for (const std::string& file : folder.files)
      if (plain_name(file) == plain_name(name)) return folder.file_path(file);
  return "";
}

/// The masks that go with a table: named in a column of it, or like the pictures in a folder of masks.
class TableMasks {
 public:
  TableMasks(const FolderNode& folder, bool are_named) : folder_(folder) {
    const FolderNode* masks = find_folder(folder, kMaskNames);
    if (masks == nullptr) return;
    if (are_named)
      named_ = PictureIndex(*masks);
    else
      alike_ = MaskIndex(*masks);
  }

  /// Of a picture, by what the table says (empty: nothing) or by the picture's path.
  std::string take(std::string_view named, std::string_view image, const PictureIndex& all) {
    if (named.empty()) return alike_.take(image.substr(image.rfind('/') + 1));  // npos + 1 is 0
    std::string path = named_.find(named);
    if (path.empty()) path = all.find(named);
    return path.empty() ? below(folder_, forward_slashes(named)) : path;  // what is missing is told later
  }

  void add_spare(std::vector<std::string>& paths) const { alike_.add_spare(paths); }

 private:
  const FolderNode& folder_;
  PictureIndex named_;
  MaskIndex alike_;
};

/// A picture that a table lists again counts once. Throws format if the rows do not say the same about it.
inline void drop_repeated(const LabelTable& table, std::vector<ListedPicture>& rows) {
  std::vector<std::pair<std::string_view, std::size_t>> names;
  for (std::size_t row = 0; row < rows.size(); ++row) names.emplace_back(rows[row].image, row);
  lists::sort(names);
  std::vector<bool> is_repeated(rows.size());
  for (std::size_t i = 1; i < names.size(); ++i) {
    if (names[i].first != names[i - 1].first) continue;
    const ListedPicture &one = rows[names[i - 1].second], &other = rows[names[i].second];
    if (!(one == other))
      table.fail_row(names[i].second, concat(one.image, " is in row ", names[i - 1].second + 2,
                                             " too, where the table says something else about it"));
    is_repeated[names[i].second] = true;
  }
  std::vector<ListedPicture> kept;
  for (std::size_t row = 0; row < rows.size(); ++row)
    if (!is_repeated[row]) kept.push_back(std::move(rows[row]));
  rows = std::move(kept);
}

inline bool list_csv(const FolderTree& tree, const FolderNode& folder, const std::string& class_name, Listing& out) {
  const std::string path = label_table(folder);
  if (path.empty()) return false;
  const LabelTable table(tree, path);
  const index_t image = table.column(kImageColumns), label = table.column(kLabelColumns);
  if (image < 0 || label < 0) return false;
  const index_t mask = table.column(kMaskColumns), kind = table.column(kClassColumns),
                part = table.column(kSplitColumns);
  const PictureIndex index(folder);
  TableMasks masks(folder, mask >= 0);
  std::vector<ListedPicture> rows;
  for (std::size_t row = 0; row < table.size(); ++row) {
    const std::string_view name = table.cell(row, image), own_class = table.text(row, kind);
    if (name.empty()) table.fail_row(row, "there is no picture");
    ListedPicture picture{index.find(name), table.label(row, label),
                          own_class.empty() ? class_name : std::string(own_class), "",
                          split_of_name(table.cell(row, part)).value_or(Split::test)};
    if (picture.image.empty()) picture.image = below(folder, forward_slashes(table.text(row, image)));
    if (picture.label == 1) picture.mask = masks.take(table.cell(row, mask), picture.image, index);
    rows.push_back(std::move(picture));
  }
  drop_repeated(table, rows);
  std::move(rows.begin(), rows.end(), std::back_inserter(out.pictures));
  masks.add_spare(out.spare_masks);
  out.classes.push_back({class_name, folder.path});
  return true;
}

}  // namespace detail

}}  // namespace moeclip::abi_v0_1
