// SPDX-License-Identifier: MIT
#include <moeclip/data/check_dataset.hpp>

#include <doctest/doctest.h>

#include "exif_picture.hpp"
#include "expect_error.hpp"
#include "tree_fixture.hpp"

using namespace moeclip;

namespace {

using Lines = std::vector<std::string>;

/// "kind path" of each finding, without the tree's own path.
Lines found(const Tree& tree, const std::vector<DatasetFinding>& findings) {
  Lines lines;
  for (const DatasetFinding& finding : findings) {
    const bool is_below = finding.path.starts_with(tree.path() + "/");
    lines.push_back(concat(finding.kind, " ", is_below ? finding.path.substr(tree.path().size() + 1) : finding.path));
  }
  return lines;
}

ClassCounts counts(std::string_view set, const std::string& name, index_t train, index_t good, index_t defective) {
  return {.name = name, .set = find_known_set(set), .train = train, .good = good, .defective = defective};
}

}  // namespace

TEST_CASE("a whole data set has nothing to be told of") {
  const Tree tree("check_good");
  tree.picture("good/0.png"), tree.picture("bad/1.png"), tree.picture("bad/2.bmp");
  tree.mask("masks/1.png"), tree.mask("masks/2.png", 3);  // small numbers are kinds of defects
  const DatasetListing listing = scan_dataset(tree.path());
  Context context({.threads = 1}), two({.threads = 2});
  Lines seen;
  const auto on_picture = [&](const std::string& path) { seen.push_back(file_name(path)); };
  CHECK(found(tree, check_dataset(context, listing.entries, true, on_picture)).empty());
  CHECK(seen == Lines{"1.png", "2.bmp", "0.png"});
  CHECK(found(tree, check_dataset(two, listing.entries, false)).empty());
}

TEST_CASE("everything that can be wrong is named") {
  const Tree tree("check_bad");
  for (const char* name : {"0", "empty", "gone", "large", "odd", "soft", "torn", "unmarked", "unread"})
    tree.picture(concat("p/", name, ".png"));
  tree.picture("p/cut.jpg");
  const auto bytes = read_file(tree / "p/cut.jpg", 1 << 20);
  tree.text("p/cut.jpg", as_text(bytes).substr(0, bytes.size() / 2));
  tree.text("p/unread.png", "II*");
  tree.mask("m/unread.png"), tree.mask("m/empty.png", 0), tree.mask("m/soft.png", 255, true);
  Image large(40, 30, 1);
  std::fill_n(large.data(), large.size(), std::uint8_t{255});
  tree.image("m/large.png", large);
  tree.text("m/torn.png", "no picture");
  std::vector<DatasetEntry> entries{
      {tree / "p/0.png", 0, "x", ""}, {tree / "p/none.png", 0, "x", ""}, {tree / "p/cut.jpg", 0, "x", ""}};
  for (const char* name : {"empty", "gone", "large", "soft", "torn", "unread"})
    entries.push_back({tree / concat("p/", name, ".png"), 1, "x", tree / concat("m/", name, ".png")});
  entries.push_back({tree / "p/unmarked.png", 1, "x", ""});
  entries.push_back({tree / "p/odd.png", 1, "y", ""});
  entries.push_back({tree / "p/0.png", 0, "x", ""});
  entries.push_back({tree / "p/\xFF.png", 0, "x", ""});
  Context context({.threads = 2});
  const Lines header_only{"missing_image p/none.png", "missing_image p/\xFF.png",   "unreadable_image p/unread.png",
                          "missing_mask m/gone.png",  "unreadable_mask m/torn.png", "no_mask p/unmarked.png",
                          "empty_mask m/empty.png",   "size m/large.png",           "listed_twice p/0.png",
                          "file_name p/\xFF.png",     "soft_mask m/soft.png",       "wide_mask m/large.png",
                          "class_without_masks y"};
  Lines decoded = header_only;
  decoded.insert(decoded.begin() + 2, "unreadable_image p/cut.jpg");
  CHECK(found(tree, check_dataset(context, entries, false)) == header_only);
  const std::vector<DatasetFinding> findings = check_dataset(context, entries, true);
  CHECK(found(tree, findings) == decoded);
  for (const DatasetFinding& finding : findings) {
    if (finding.kind == "size") CHECK(finding.what == "40 x 30, the picture is 12 x 12");
    if (finding.kind == "unreadable_mask") CHECK(finding.what.find(tree.path()) == std::string::npos);
    if (finding.kind == "soft_mask") CHECK(finding.what.starts_with("2 levels, 2 gray pixels; 8 pixels count, 6 are"));
  }
}

TEST_CASE("what is published") {
  const auto differences = [](std::vector<ClassCounts> all, std::string_view layout = "mvtec", bool is_parted = true,
                              bool is_whole = false) {
    return compare_with_published(all, layout, is_parted, is_whole);
  };
  CHECK(differences({counts("MVTec", "bottle", 209, 20, 63)}).empty());
  CHECK(differences({counts("MVTec", "bottle", 0, 20, 63)}).empty());  // for testing only
  CHECK(differences({counts("MVTec", "bottle", 208, 19, 63)}) ==
        Lines{"MVTec, bottle: 19 of 20 good test pictures", "MVTec, bottle: 208 of 209 training pictures"});
  CHECK(differences({counts("VisA", "pcb3", 0, 1006, 100)}, "visa", false).empty());
  CHECK(differences({counts("VisA", "pcb3", 0, 1006, 99)}, "visa", false) ==
        Lines{"VisA, pcb3: 99 of 100 defective test pictures"});
  const Lines missing =
      differences({counts("BTAD", "01", 400, 21, 49), counts("BTAD", "03", 1000, 400, 41)}, "mvtec", true, true);
  CHECK(missing == Lines{"BTAD, 02: the class is not there"});
  CHECK(
      differences({counts("Brain", "Brain", 0, 98, 155)}, "good_bad", true, true).empty());  // another set of that name
  CHECK(differences({counts("Brain", "Brain", 0, 98, 155)}, "bmad", true, true).size() == 2);
  CHECK(differences({counts("RSDD", "RSDD", 0, 0, 195)}, "image_mask", true, true).empty());
  CHECK(differences({counts("RSDD", "RSDD", 0, 0, 194)}, "image_mask", true, true).size() == 1);
  CHECK(differences({counts("RSDD", "RSDD", 0, 300, 300)}, "mvtec", true, true).empty());  // made of it by others
  std::vector<ClassCounts> dtd;
  for (const KnownClass& known : known_classes("DTD-Synthetic"))
    dtd.push_back(counts("DTD-Synthetic", std::string(known.name), 0, 30, 79));
  CHECK(differences(dtd, "mvtec", true, true) ==
        Lines{"DTD-Synthetic: 360 of 357 good and 948 of 947 defective test pictures"});
  dtd[0].good = 27, dtd[0].defective = 78;
  CHECK(differences(dtd, "mvtec", true, true).empty());
}

TEST_CASE("the table of what is published adds up") {
  for (const KnownSet& set : kKnownSets) {
    CAPTURE(set.name);
    index_t good = 0, defective = 0, train = 0;
    for (const KnownClass& known : known_classes(set.name)) {
      CHECK(find_known_class(known.name)->set == set.name);
      good += known.good, defective += known.defective, train += known.train;
    }
    if (known_classes(set.name)[0].good < 0) continue;
    CHECK(good == set.good);
    CHECK(defective == set.defective);
    if (set.name == "MVTec") CHECK(train == 3629);
    if (set.name == "VisA") CHECK(train == 8659);
    if (set.name == "BTAD") CHECK(train == 1799);
  }
}

TEST_CASE("gaps in numbers") {
  const auto gaps = [](std::initializer_list<const char*> names) {
    std::vector<DatasetEntry> entries;
    for (const char* name : names) entries.push_back({name, 0, "x", ""});
    return numbering_gaps(entries);
  };
  CHECK(gaps({"a/000.png", "a/003.png", "a/001.png", "b/7.png"}) == Lines{"a/002.png"});
  CHECK(gaps({"a/9.png", "a/11.png", "a/12.png"}) == Lines{"a/10.png"});
  CHECK(gaps({"a/18446744073709551615.png", "a/18446744073709551615.jpg"}).empty());
  CHECK(gaps({"a/1.png", "a/100000.png"}).empty());  // these are no numbers of a row
  CHECK(gaps({"a/1.png", "a/1.jpg", "a/x.png"}).empty());
  CHECK(gaps({}).empty());
}

TEST_CASE("the mask of a picture that will be turned may lie either way") {
  const Tree tree("check_exif");
  Image picture(8, 6, 3), stored(8, 6, 1), upright(6, 8, 1);
  for (Image* image : {&picture, &stored, &upright}) image->fill(0), image->row(1)[1] = 255;
  tree.image("m/stored.png", stored), tree.image("m/upright.png", upright);
  std::vector<DatasetEntry> entries;
  for (const char* name : {"stored", "upright"}) {
    entries.push_back({tree / concat(name, ".png"), 1, "x", tree / concat("m/", name, ".png")});
    write_oriented_png(entries.back().image_path, picture, 6);
  }
  Context context({.threads = 1});
  const auto quiet = [](const std::string&) {};
  for (const bool decodes : {false, true}) {
    CHECK(found(tree, check_dataset(context, entries, decodes)) == Lines{"size m/upright.png"});
    CHECK(found(tree, check_dataset(context, entries, decodes, quiet, {.apply_exif_orientation = true})).empty());
  }
  write_oriented_png(entries[1].image_path, picture, 3);  // by half a turn: the shape stays
  CHECK(found(tree, check_dataset(context, entries, true, quiet, {.apply_exif_orientation = true})) ==
        Lines{"size m/upright.png"});
}
