// SPDX-License-Identifier: MIT
// moeclip dataset: which pictures, labels and masks a folder holds, as a list; and whether they are all there and fit.

#include <algorithm>
#include <moeclip/base/lists.hpp>
#include <moeclip/data/check_dataset.hpp>
#include <moeclip/data/scan_dataset.hpp>
#include <moeclip/io/json_writer.hpp>

#include "commands.hpp"
#include "layout_options.hpp"

namespace cli {
namespace {

using moeclip::concat;
using moeclip::index_t;
using moeclip::Json;

struct DatasetSettings {
  std::string path, out, split, class_name, root;
  LayoutChoice choice;
  moeclip::LayoutOptions layout;  // all of it in one; finish_settings makes it
  std::int64_t threads = 0;
  moeclip::ImageOptions images;
  bool trusts_masks = false, is_quick = false, shows_all = false, is_json = false, is_forced = false;
};

/// What both verbs take.
void declare_layout(Options& options, DatasetSettings& s) {
  s.choice.declare(options);
  options.value("class", s.class_name, "NAME", "what the class is called, if the folder is one class");
  options.flag("trust-masks", s.trusts_masks, "image_mask: do not look whether a mask marks anything");
  options.value("threads", s.threads, "N", "default: one per core");
  options.flag("json", s.is_json, "one JSON object");
  for (const moeclip::DatasetLayout& layout : moeclip::dataset_layouts())
    options.note(concat(layout.name, ": ", layout.looks));
  std::string known = "Sets:";
  for (const moeclip::KnownSet& set : moeclip::kKnownSets) known += concat(known.ends_with(':') ? " " : ", ", set.name);
  options.note(known + ".");
}

void finish_settings(DatasetSettings& s) {
  if (s.threads < 0 || s.threads > 4096) throw UsageError("--threads is a count");
  s.choice.check();
  s.layout = s.choice.of_split(moeclip::split_of_name(s.split), s.threads);  // "all": none
  s.layout.class_name = s.class_name;
  s.layout.root = s.root;
  s.layout.trusts_masks = s.trusts_masks;
}

/// Names of the known sets that the classes belong to.
std::vector<std::string> sets_of(const moeclip::DatasetListing& listing) {
  std::vector<std::string> sets;
  for (const moeclip::ClassCounts& count : listing.classes)
    if (count.set != nullptr && std::ranges::find(sets, count.set->name) == sets.end())
      sets.emplace_back(count.set->name);
  return sets;
}

std::string title(const std::string& path, const moeclip::DatasetListing& listing) {
  std::string sets;
  for (const std::string& set : sets_of(listing)) sets += concat(sets.empty() ? "" : ", ", set);
  const std::string how = listing.layout == "list" ? "a list" : concat("layout ", listing.layout);
  const std::size_t classes = listing.classes.size();
  return concat(printable(path), ": ", sets.empty() ? "" : sets + ", ", how, ", ",
                moeclip::counted(listing.entries.size(), "picture"), ", ", moeclip::counted(classes, "class"), "\n");
}

std::string padded(std::string text, std::size_t width, bool is_right) {
  std::size_t letters = 0;  // characters of UTF-8, not bytes
  for (const char c : text) letters += (c & 0xC0) != 0x80 ? 1 : 0;
  const std::string blanks(letters < width ? width - letters : 0, ' ');
  return is_right ? blanks + text : text + blanks;
}

/// One row per class: how many pictures of which kind.
std::string count_table(const moeclip::DatasetListing& listing) {
  std::vector<std::vector<std::string>> rows{{"class", "train", "valid", "good", "defective", "masks"}};
  const bool has_unlabelled =
      std::ranges::any_of(listing.classes, [](const auto& count) { return count.unlabelled > 0; });
  if (has_unlabelled) rows[0].emplace_back("unlabelled");
  for (const moeclip::ClassCounts& count : listing.classes) {
    rows.push_back({printable(count.name)});
    for (const index_t number : {count.train, count.valid, count.good, count.defective, count.masks})
      rows.back().push_back(concat(number));
    if (has_unlabelled) rows.back().push_back(concat(count.unlabelled));
  }
  std::vector<std::size_t> widths(rows[0].size());
  for (const auto& row : rows)
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  std::string text;
  for (const auto& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) text += concat("  ", padded(row[i], widths[i], i > 0));
    text += "\n";
  }
  return text;
}

/// Which names of folders are taken for good, and which for defective: "good: ok_front (3 pictures)".
std::string kinds_text(const moeclip::DatasetListing& listing) {
  constexpr std::size_t kShown = 20;
  std::string text;
  for (const int label : {0, 1}) {
    std::string names;
    std::size_t count = 0;
    for (const moeclip::ListedKind& kind : listing.kinds)
      if (kind.label == label && ++count <= kShown)
        names += concat(names.empty() ? "" : ", ", printable(kind.name), " (", kind.pictures, ")");
    if (count > kShown) names += concat(" and ", count - kShown, " more");
    if (count > 0) text += concat(label == 0 ? "  good by folder: " : "  defective by folder: ", names, "\n");
  }
  return text;
}

Json count_json(const moeclip::ClassCounts& count) {
  return Json::object()
      .set("name", count.name)
      .set("set", count.set == nullptr ? Json() : Json(count.set->name))
      .set("train", count.train)
      .set("valid", count.valid)
      .set("good", count.good)
      .set("defective", count.defective)
      .set("masks", count.masks)
      .set("unlabelled", count.unlabelled);
}

/// What a listing is, in JSON; the object stays open.
void describe_json(const std::string& path, const moeclip::DatasetListing& listing, JsonLine& json) {
  json.member("path", path);
  json.member("layout", listing.layout);
  json.begin_array("sets");
  for (const std::string& set : sets_of(listing)) json.item(set);
  json.end();
  json.member("pictures", static_cast<index_t>(listing.entries.size()));
  json.begin_array("classes");
  for (const moeclip::ClassCounts& count : listing.classes) json.item(count_json(count));
  json.end();
  json.begin_array("kinds");
  for (const moeclip::ListedKind& kind : listing.kinds)
    json.item(Json::object().set("name", kind.name).set("label", kind.label).set("pictures", kind.pictures));
  json.end();
  json.begin_array("notes");
  for (const std::string& note : listing.notes) json.item(note);
  json.end();
}

std::string notes_text(const moeclip::DatasetListing& listing) {
  std::string text;
  for (const std::string& note : listing.notes) text += concat("note: ", printable(note), "\n");
  return text;
}

/// A path for people, whatever bytes it is made of.
std::string shown_path(const std::string& path) {
  return moeclip::is_utf8(path) ? printable(path) : moeclip::dump_json(path);
}

/// Takes out entries whose names a list cannot hold; returns how many.
std::size_t drop_unwritable(std::vector<moeclip::DatasetEntry>& entries) {
  return std::erase_if(entries, [](const moeclip::DatasetEntry& entry) {
    const bool is_good = moeclip::is_utf8(entry.image_path) && moeclip::is_utf8(entry.mask_path);
    if (!is_good) say(concat(shown_path(entry.image_path), ": left out of the list, which holds names in UTF-8 only"));
    return !is_good;
  });
}

int run_scan(Words words) {
  DatasetSettings s;
  s.split = "test";
  Options options("dataset scan",
                  "Find out how the pictures in a folder are organised, what shows a defect and where the masks are, "
                  "and write that as a list in JSON lines (image_path, label, class_name, mask_path).");
  options.positional("DIR", s.path, "folder of a data set as it was downloaded, or of one's own");
  options.value("out", s.out, "FILE", "list to write, - for standard output; without it, only numbers are shown");
  options.choice("split", s.split, {"test", "train", "valid", "all"}, "which pictures are listed");
  options.flag("force", s.is_forced, "replace FILE");
  declare_layout(options, s);
  if (!options.parse(words)) return kOk;
  finish_settings(s);
  const bool is_piped = s.out == "-";
  if (!s.out.empty() && !is_piped) expect_writable(s.out, s.is_forced);

  moeclip::DatasetListing listing = moeclip::scan_dataset(s.path, s.layout);
  const std::size_t dropped = s.out.empty() ? 0 : drop_unwritable(listing.entries);
  if (!s.out.empty()) {
    const std::string folder = is_piped ? "." : moeclip::parent_directory(s.out);
    const auto entries = moeclip::entries_for_list(listing.entries, s.path, folder);
    if (is_piped)
      for (const moeclip::DatasetEntry& entry : entries) print(moeclip::dataset_line(entry));
    else
      moeclip::write_dataset(s.out, entries);
  }
  if (listing.entries.empty() && !s.out.empty())
    inform(concat(s.path, ": there are no pictures of the part ", s.split, ", so the list is empty; see --split"));
  if (is_piped) {
    for (const std::string& note : listing.notes) inform(note);
    return dropped == 0 ? kOk : kInputFailed;
  }
  JsonLine json(s.is_json);
  describe_json(s.path, listing, json);
  json.member("spare_masks", static_cast<index_t>(listing.spare_masks.size()));
  json.member("out", s.out.empty() ? Json() : Json(s.out));
  json.finish();
  if (!s.is_json) {
    print(title(s.path, listing) + count_table(listing) + kinds_text(listing) + notes_text(listing));
    if (!listing.spare_masks.empty())
      print(concat("note: ", moeclip::counted(listing.spare_masks.size(), "mask"),
                   listing.spare_masks.size() == 1 ? " has" : " have", " no picture\n"));
    if (!s.out.empty()) print(printable(s.out) + "\n");
  }
  return dropped == 0 ? kOk : kInputFailed;
}

/// All that is wrong with a listing, what the folders tell and what the pictures do.
std::vector<moeclip::DatasetFinding> find_all(const DatasetSettings& s, const moeclip::DatasetListing& listing) {
  std::vector<moeclip::DatasetFinding> findings;
  const auto differences =
      moeclip::compare_with_published(listing.classes, listing.layout, listing.is_parted, !listing.is_one_class);
  for (const std::string& difference : differences) findings.push_back({"published", difference, ""});
  if (!differences.empty())
    for (const std::string& gap : moeclip::numbering_gaps(listing.entries))
      if (!moeclip::file_exists(gap)) findings.push_back({"missing_image", gap, "by the numbers of those beside it"});
  moeclip::Context context({.threads = static_cast<int>(s.threads)});
  Progress progress("check", listing.entries.size());
  const auto on_picture = [&](const std::string& path) { progress.step(path); };
  auto of_pictures = moeclip::check_dataset(context, listing.entries, !s.is_quick, on_picture, s.images);
  findings.insert(findings.end(), of_pictures.begin(), of_pictures.end());
  for (const std::string& mask : listing.spare_masks) findings.push_back({"spare_mask", mask, ""});
  moeclip::lists::stable_sort_by(findings, [](const auto& finding) { return &moeclip::finding_kind(finding.kind); });
  return findings;
}

/// The findings of a kind, the first few of them unless all are wanted.
void print_findings(const moeclip::FindingKind& kind, std::span<const moeclip::DatasetFinding> findings,
                    bool shows_all) {
  constexpr std::size_t kShown = 5;
  if (findings.empty()) return;
  print(concat(kind.is_problem ? "problem: " : "note: ", kind.title, ": ", findings.size(), "\n"));
  const std::size_t shown = shows_all ? findings.size() : std::min(kShown, findings.size());
  for (const moeclip::DatasetFinding& finding : findings.first(shown))
    print(concat("  ", shown_path(finding.path), finding.what.empty() ? "" : ": ", printable(finding.what), "\n"));
  if (shown < findings.size()) print(concat("  and ", findings.size() - shown, " more (--all shows them)\n"));
}

void report_findings(const std::vector<moeclip::DatasetFinding>& findings, const DatasetSettings& s, JsonLine& json) {
  json.begin_array("findings");
  for (const moeclip::DatasetFinding& finding : findings)
    json.item(Json::object()
                  .set("kind", finding.kind)
                  .set("is_problem", moeclip::finding_kind(finding.kind).is_problem)
                  .set("path", finding.path)
                  .set("what", finding.what));
  json.end();
  if (s.is_json) return;
  for (const moeclip::FindingKind& kind : moeclip::kDatasetFindings) {  // in the order of which they are sorted
    const auto is_of_kind = [&](const moeclip::DatasetFinding& finding) { return finding.kind == kind.name; };
    const auto first = std::ranges::find_if(findings, is_of_kind);
    print_findings(kind, {first, std::find_if_not(first, findings.end(), is_of_kind)}, s.shows_all);
  }
}

int run_check(Words words) {
  DatasetSettings s;
  s.split = "all";
  Options options("dataset check",
                  "Look at every picture and mask of a data set: what is missing against what is published, cannot be "
                  "read, or does not fit together. The exit code is 1 if there are problems.");
  options.positional("DIR|FILE.jsonl", s.path, "folder of a data set, or a list");
  options.value("root", s.root, "DIR", "folder that the paths of a list are relative to; default: the list's own");
  options.choice("split", s.split, {"test", "train", "valid", "all"}, "of a folder, which pictures are looked at");
  options.flag("quick", s.is_quick, "read only the headers of pictures; damage further on stays hidden");
  options.flag("exif", s.images.apply_exif_orientation,
               "for training with --exif: a mask may lie as its picture is stored, or as it is upright");
  options.flag("all", s.shows_all, "name everything, not only the first five of a kind");
  declare_layout(options, s);
  options.progress();
  if (!options.parse(words)) return kOk;
  finish_settings(s);

  const moeclip::DatasetListing listing = moeclip::open_dataset(s.path, s.layout);
  JsonLine json(s.is_json);
  describe_json(s.path, listing, json);
  if (!s.is_json) print(title(s.path, listing) + count_table(listing) + kinds_text(listing) + notes_text(listing));
  const std::vector<moeclip::DatasetFinding> findings = find_all(s, listing);
  report_findings(findings, s, json);
  const auto is_problem = [](const auto& finding) { return moeclip::finding_kind(finding.kind).is_problem; };
  const auto problems = listing.unread + std::ranges::count_if(findings, is_problem);
  json.member("problems", problems);
  json.finish();
  if (problems == 0 && !s.is_json) print("no problems were found\n");
  if (problems > 0) say(concat(s.path, ": ", problems, problems == 1 ? " problem was found" : " problems were found"));
  return problems == 0 ? kOk : kInputFailed;
}

constexpr const char* kHelp =
    "usage: moeclip dataset VERB [OPTION]... PATH\n\n"
    "  scan DIR              list the pictures, labels and masks in a folder\n"
    "  check DIR|FILE.jsonl  say what is missing, unreadable or does not fit together\n\n"
    "`moeclip dataset VERB --help` explains a verb.\n";

}  // namespace

int run_dataset(Words words) {
  if (words.empty()) throw UsageError("scan or check is missing");
  if (words[0] == "scan") return run_scan(words.subspan(1));
  if (words[0] == "check") return run_check(words.subspan(1));
  if (words[0] != "--help" && words[0] != "-h") {
    const std::vector<std::string> verbs{"scan", "check"};
    const std::string meant = nearest(words[0], verbs);
    throw UsageError(concat("there is no verb '", words[0], "'; ",
                            meant.empty() ? "scan and check are known" : concat("did you mean '", meant, "'?")));
  }
  print(kHelp);
  return kOk;
}

}  // namespace cli
