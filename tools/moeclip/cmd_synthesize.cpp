// SPDX-License-Identifier: MIT
#include <moeclip/io/file.hpp>
#include <moeclip/synthetic/write.hpp>

#include "commands.hpp"

namespace cli {

namespace {

/// "weave,circuit board" as a list; names may have spaces or underscores between words.
std::vector<std::string> named_list(const std::string& text) {
  std::vector<std::string> names;
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = std::min(text.find(',', begin), text.size());
    std::string name = text.substr(begin, end - begin);
    std::ranges::replace(name, '_', ' ');
    if (!name.empty()) names.push_back(std::move(name));
    begin = end + 1;
  }
  return names;
}

void expect_known(const std::vector<std::string>& names, std::span<const std::string_view> known, const char* what) {
  const std::vector<std::string> candidates(known.begin(), known.end());
  for (const std::string& name : names) {
    if (std::ranges::find(known, name) != known.end()) continue;
    const std::string meant = nearest(name, candidates);
    throw UsageError(moeclip::concat("there is no ", what, " '", name, "'",
                                     meant.empty() ? "" : moeclip::concat("; did you mean '", meant, "'?")));
  }
}

std::string listed(std::string_view title, std::span<const std::string_view> names) {
  std::string text(title);
  for (std::size_t i = 0; i < names.size(); ++i) text += moeclip::concat(i == 0 ? " " : ", ", names[i]);
  return text + ".";
}

void expect_range(std::string_view option, double value, double low, double high) {
  if (!(value >= low && value <= high))
    throw UsageError(moeclip::concat("--", option, " is from ", low, " to ", high, ", not ", value));
}

}  // namespace

int run_synthesize(Words words) {
  std::string out, categories, defects, world = "parts", camera = "fixed";
  std::int64_t size = 256, count = 10, seed = 0, threads = 0;
  moeclip::SyntheticFiles files;
  bool force = false;
  Options options("synthesize",
                  "Draw pictures of materials and parts, good and with defects, in the folders of MVTec AD with exact "
                  "masks, and the lists train.jsonl and test.jsonl.");
  options.value("out", out, "DIR", "folder to write to");
  options.value("size", size, "PIXELS", "side of the pictures");
  options.choice("world", world, {"parts", "regions", "homogeneous"},
                 "parts of an inspection line, or panels on which a mark is a defect by the region that it lies in, or "
                 "by its kind alone; default parts");
  options.choice("camera", camera, {"fixed", "handheld"},
                 "fixed straight above, or in the hand: tilted, in uneven light, noisier, a JPEG; default fixed");
  options.value("categories", categories, "NAME,...", "what to draw; default: everything");
  options.value("defects", defects, "NAME,...", "kinds of defects; default: all that a category can have");
  options.value("count", count, "N", "pictures in every folder");
  options.value("seed", seed, "N", "another seed gives other pictures");
  options.value("lowest-severity", files.lowest_severity, "X", "of the defects; 0 is barely visible");
  options.value("highest-severity", files.highest_severity, "X", "1 is plain");
  options.value("threads", threads, "N", "threads; 0: one per core");
  options.flag("force", force, "overwrite a data set in DIR");
  options.note(listed("Categories:", moeclip::synthetic_categories()));
  options.note(listed("Defects:", moeclip::synthetic_defects()));
  options.note(listed("Panels:", moeclip::synthetic_categories(moeclip::SyntheticWorld::regions)));
  options.note(listed("Their marks:", moeclip::synthetic_defects(moeclip::SyntheticWorld::regions)));
  options.progress();
  if (!options.parse(words)) return kOk;

  if (out.empty()) throw UsageError("--out is missing: the folder to write to");
  expect_range("size", static_cast<double>(size), moeclip::kSmallestSynthetic, moeclip::kLargestSynthetic);
  expect_range("count", static_cast<double>(count), 1, 1e6);
  expect_range("threads", static_cast<double>(threads), 0, 4096);
  expect_range("lowest-severity", files.lowest_severity, 0, 1);
  expect_range("highest-severity", files.highest_severity, files.lowest_severity, 1);
  files.world = *moeclip::find_synthetic_world(world);
  files.camera = *moeclip::find_synthetic_camera(camera);
  files.categories = named_list(categories);
  files.defects = named_list(defects);
  expect_known(files.categories, moeclip::synthetic_categories(files.world), "category");
  expect_known(files.defects, moeclip::synthetic_defects(files.world), "defect");
  files.size = size, files.count = count, files.seed = static_cast<std::uint64_t>(seed);
  for (const char* list : {"train.jsonl", "test.jsonl"}) expect_free_name(moeclip::join_path(out, list), force);
  for (const moeclip::SyntheticFolder& folder : moeclip::synthetic_folders(files))
    for (moeclip::index_t i = 0; i < count; ++i)
      expect_free_name(moeclip::join_path(out, moeclip::detail::picture_path(folder, i)), force);
  prepare_folder(out);

  moeclip::Context context({.threads = static_cast<int>(threads)});
  Progress progress("draw", moeclip::synthetic_folders(files).size());
  UnfinishedFolder unfinished(out);
  moeclip::write_synthetic_dataset(context, unfinished.path(), files, [&](const moeclip::SyntheticFolder& folder) {
    progress.step(folder.defect.empty() ? folder.category : moeclip::concat(folder.category, " with ", folder.defect));
  });
  unfinished.finish();
  print(printable(moeclip::join_path(out, "test.jsonl")) + "\n");
  return kOk;
}

}  // namespace cli
