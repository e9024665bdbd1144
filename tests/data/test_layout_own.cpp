// SPDX-License-Identifier: MIT
// Folders of one's own, and folders that are odd.
#include <doctest/doctest.h>

#include <chrono>

#include <moeclip/data/layout/recognise.hpp>
#include <moeclip/io/file/system.hpp>
#include "expect_error.hpp"
#include "tree_fixture.hpp"

using namespace moeclip;

namespace {

using Lines = std::vector<std::string>;

bool has_note(const DatasetListing& listing, std::string_view part) {
  return std::ranges::any_of(listing.notes,
                             [&](const std::string& note) { return note.find(part) != std::string::npos; });
}

}  // namespace

TEST_CASE("good and bad in folders, with masks in one folder or one for each kind") {
  const Tree tree("own_good_bad");
  tree.picture("bolts/Good/a.JPG");
  tree.picture("bolts/Bad/b.JPG");
  CHECK(tree.scan("bolts") == Lines{"bolts/Bad/b.JPG 1 bolts", "bolts/Good/a.JPG 0 bolts"});
  tree.mask("bolts/masks/b.png");
  tree.mask("bolts/masks/gone.png");
  const DatasetListing flat = scan_dataset(tree / "bolts");
  CHECK(flat.layout == "good_bad");
  CHECK(tree.lines(flat) == Lines{"bolts/Bad/b.JPG 1 bolts bolts/masks/b.png", "bolts/Good/a.JPG 0 bolts"});
  CHECK(flat.spare_masks == Lines{tree / "bolts/masks/gone.png"});

  tree.picture("parts/gear/normal/0.png");
  tree.picture("parts/gear/scratch/0.png");
  tree.picture("parts/gear/dent/0.png");
  tree.mask("parts/gear/ground_truth/scratch/0.png");
  tree.mask("parts/gear/ground_truth/dent/0_mask.png");
  tree.picture("parts/bolt/OK/1.png");
  tree.picture("parts/bolt/NG/2.png");
  CHECK(tree.scan("parts") == Lines{"parts/bolt/NG/2.png 1 bolt", "parts/bolt/OK/1.png 0 bolt",
                                    "parts/gear/dent/0.png 1 gear parts/gear/ground_truth/dent/0_mask.png",
                                    "parts/gear/normal/0.png 0 gear",
                                    "parts/gear/scratch/0.png 1 gear parts/gear/ground_truth/scratch/0.png"});
  CHECK(tree.scan("parts/bolt", {.class_name = "steel bolt"}) ==
        Lines{"parts/bolt/NG/2.png 1 steel bolt", "parts/bolt/OK/1.png 0 steel bolt"});

  tree.picture("blades/images/normal/0.png");
  tree.picture("blades/images/nick/0.png");
  tree.mask("blades/masks/nick/0.png");
  CHECK(tree.scan("blades") ==
        Lines{"blades/images/nick/0.png 1 blades blades/masks/nick/0.png", "blades/images/normal/0.png 0 blades"});
  CHECK(tree.scan("blades/images") ==
        Lines{"blades/images/nick/0.png 1 blades", "blades/images/normal/0.png 0 blades"});
}

TEST_CASE("train and test with good and bad in them") {
  const Tree tree("own_split");
  tree.picture("set/training/ok/0.png");
  tree.picture("set/testing/ok/1.png");
  tree.picture("set/testing/not ok/2.png");
  CHECK(tree.scan("set") == Lines{"set/testing/not ok/2.png 1 set", "set/testing/ok/1.png 0 set"});
  CHECK(tree.scan("set", {.split = Split::train}) == Lines{"set/training/ok/0.png 0 set"});
}

TEST_CASE("pictures and masks: what a mask leaves black is good") {
  const Tree tree("own_image_mask");
  for (const char* name : {"a", "b", "c"}) tree.picture(concat("tiles/img/", name, ".png"));
  tree.mask("tiles/mask/a_mask.png");
  tree.mask("tiles/mask/b_mask.png", 0);
  CHECK(tree.scan("tiles") == Lines{"tiles/img/a.png 1 tiles tiles/mask/a_mask.png",
                                    "tiles/img/b.png 0 tiles tiles/mask/b_mask.png", "tiles/img/c.png 0 tiles"});
  CHECK(tree.scan("tiles", {.trusts_masks = true})[1] == "tiles/img/b.png 1 tiles tiles/mask/b_mask.png");
  tree.text("tiles/mask/c.png", "not a picture");  // told by the check, and no reason to stop
  CHECK(tree.scan("tiles")[2] == "tiles/img/c.png 1 tiles tiles/mask/c.png");

  tree.picture("split/train/images/1.png"), tree.mask("split/train/masks/1.png");
  tree.picture("split/test/images/2.png"), tree.mask("split/test/masks/2.png");
  CHECK(tree.scan("split") == Lines{"split/test/images/2.png 1 split split/test/masks/2.png"});
}

TEST_CASE("masks are found by name, else by number") {
  using detail::mask_stem;
  CHECK(mask_stem("000_mask") == "000");
  CHECK(mask_stem("IMG-7 GT") == "img-7");
  CHECK(mask_stem("mask_000") == "000");
  CHECK(mask_stem("unmask") == "unmask");
  CHECK(mask_stem("mask") == "mask");
  CHECK(mask_stem("_mask") == "_mask");
  CHECK(detail::numbers_of("part007_02") == "7.2");
  CHECK(detail::numbers_of("000") == "0");
  CHECK(detail::numbers_of("none") == "");
  const Tree tree("own_numbers");
  for (int i : {1, 2, 10}) tree.picture(concat("s/images/photo_", i, ".png"));
  for (const char* name : {"defects_001", "defects_002", "defects_010"}) tree.mask(concat("s/masks/", name, ".png"));
  const DatasetListing listing = scan_dataset(tree / "s");
  CHECK(tree.lines(listing)[1] == "s/images/photo_10.png 1 s s/masks/defects_010.png");
  CHECK(has_note(listing, "3 masks were found by the numbers"));
  tree.mask("s/masks/photo_1.png");  // as soon as one name fits, numbers do not count
  CHECK(tree.lines(scan_dataset(tree / "s"))[1] == "s/images/photo_10.png 0 s");
}

TEST_CASE("a table: labels in words or numbers, classes, masks, parts; names as people write them") {
  const Tree tree("own_csv");
  for (const char* name : {"t/a.png", "t/sub/b.jpg", "t/sub/c.png"}) tree.picture(name);
  tree.mask("t/masks/b_mask.png");
  tree.text("t/label.csv",
            "\xEF\xBB\xBF"
            "Image;Label;Class Name;Split\r\na.png;good;gear;test\r\n\r\n.\\sub\\b.jpg;defect;\"bolt; long\";test\r\n"
            "\"c\";1.0;gear;train\r\n");
  CHECK(tree.scan("t") == Lines{"t/a.png 0 gear", "t/sub/b.jpg 1 bolt; long t/masks/b_mask.png"});
  CHECK(tree.scan("t", {.split = Split::train}) == Lines{"t/sub/c.png 1 gear"});
  tree.text("t/label.csv", "filename,label,mask\na.png,0,\nb.jpg,1,b_mask.png\nmissing.png,1,no.png\n");
  CHECK(tree.scan("t") == Lines{"t/a.png 0 t", "t/missing.png 1 t t/no.png", "t/sub/b.jpg 1 t t/masks/b_mask.png"});
  tree.text("t/label.csv", "filename,label\na.png,maybe\n");
  expect_error(ErrorCode::format, {"label.csv", "row 2", "maybe"}, [&] { scan_dataset(tree / "t"); });
  tree.text("t/label.csv", "filename,label\n,1\n");
  expect_error(ErrorCode::format, {"label.csv", "row 2", "no picture"}, [&] { scan_dataset(tree / "t"); });
  tree.text("t/label.csv", "filename,label\n\"a.png,1\n");
  expect_error(ErrorCode::format, {"label.csv", "quote"}, [&] { scan_dataset(tree / "t"); });
}

TEST_CASE("what fits several layouts is an error that says how to choose, unless they agree") {
  const Tree tree("own_ambiguous");
  tree.picture("s/images/1.png"), tree.picture("s/images/2.png"), tree.mask("s/masks/1.png");
  tree.text("s/labels.csv", "image,label\nimages/1.png,1\nimages/2.png,0\n");
  CHECK(tree.scan("s") == Lines{"s/images/1.png 1 s s/masks/1.png", "s/images/2.png 0 s"});
  tree.text("s/labels.csv", "image,label\nimages/1.png,1\nimages/2.png,1\n");
  expect_error(ErrorCode::mismatch,
               {"--layout", "csv (2 pictures, 2 defective)", "image_mask (2 pictures, 1 defective)"},
               [&] { scan_dataset(tree / "s"); });
  CHECK(tree.scan("s", {.layout = "csv"})[1] == "s/images/2.png 1 s");
  CHECK(tree.scan("s", {.layout = "image_mask"})[1] == "s/images/2.png 0 s");
  expect_error(ErrorCode::missing, {"bmad", "in no layout"}, [&] { scan_dataset(tree / "s", {.layout = "bmad"}); });
  expect_error(ErrorCode::missing, {"\"mvtc\"", "mvtec", "Colon_Kvasir"},
               [&] { scan_dataset(tree / "s", {.layout = "mvtc"}); });

  tree.picture("all/gears/test/good/0.png"), tree.picture("all/gears/test/bad/0.png");
  tree.picture("all/deep/x/images/0.png"), tree.mask("all/deep/x/masks/0.png");
  expect_error(ErrorCode::mismatch, {"more than one data set", "all", "deep"}, [&] { scan_dataset(tree / "all"); });
}

TEST_CASE("folders without pictures, without order, and that are none") {
  const Tree tree("own_empty");
  expect_error(ErrorCode::missing, {tree.path(), "no pictures"}, [&] { scan_dataset(tree.path()); });
  tree.text("docs/readme.txt", "text");
  expect_error(ErrorCode::missing, {"no pictures"}, [&] { scan_dataset(tree.path()); });
  tree.picture("photos of things/1.png");
  expect_error(ErrorCode::missing, {"no layout", "good_bad", "mvtec", "image_path"},
               [&] { scan_dataset(tree.path()); });
  expect_error(ErrorCode::io, {"nowhere", "no such folder"}, [&] { scan_dataset(tree / "nowhere"); });
  expect_error(ErrorCode::io, {"readme.txt", "a file"}, [&] { scan_dataset(tree / "docs/readme.txt"); });
}

TEST_CASE("names beyond ASCII, things that systems leave behind, pictures that no layout takes") {
  const Tree tree("own_names");
  const std::string bolt = "Schl\xC3\xBCssel \xE6\x97\xA5";
  tree.picture(bolt + "/good/gr\xC3\xBCn.png");
  tree.picture(bolt + "/bad/\xC3\xA4.png");
  tree.text(bolt + "/good/._gr\xC3\xBCn.png", "resource fork");
  tree.text(bolt + "/good/.DS_Store", "");
  tree.text("__MACOSX/" + bolt + "/good/x.png", "");
  tree.picture(bolt + "/originals/1.png");
  const DatasetListing listing = scan_dataset(tree / bolt);
  CHECK(tree.lines(listing) == Lines{bolt + "/bad/\xC3\xA4.png 1 " + bolt, bolt + "/good/gr\xC3\xBCn.png 0 " + bolt});
  CHECK(has_note(listing, "1 picture is not part of the layout"));
  const auto entries = entries_for_list(listing.entries, tree / bolt, tree.path());
  CHECK(entries[0].image_path.starts_with(bolt + "/"));
  CHECK(entries_for_list(listing.entries, tree / bolt, tree / bolt)[0].image_path.starts_with("bad/"));
  CHECK(entries_for_list(listing.entries, tree / bolt, tree / "__MACOSX")[0].image_path ==
        canonical_path(tree / bolt) + "/bad/\xC3\xA4.png");
}

TEST_CASE("a list of a scan is read back as the same entries") {
  const Tree tree("own_list");
  tree.picture("d/good/a.png"), tree.picture("d/bad/b.png"), tree.mask("d/masks/b.png");
  const DatasetListing listing = scan_dataset(tree / "d");
  write_dataset(tree / "list.jsonl", entries_for_list(listing.entries, tree / "d", tree.path()));
  const DatasetListing list = open_dataset(tree / "list.jsonl");
  CHECK(tree.lines(list) == tree.lines(listing));
  CHECK(list.layout == "list");
  CHECK(list.classes[0].masks == 1);
}

TEST_CASE("lists made for the official code are read as they are, from anywhere") {
  const Tree tree("own_official");
  tree.text("metadata/Brain/full-shot.jsonl",
            "{\"image_path\": \"test/Ungood/img/0.png\", \"label\": 1.0, \"class_name\": \"Brain\", "
            "\"mask_path\": \"test/Ungood/label/0.png\"}\n"
            "{\"image_path\": \"test/good/img/1.png\", \"label\": 0.0, \"class_name\": \"Brain\"}");
  const DatasetListing list = open_dataset(tree / "metadata/Brain/full-shot.jsonl", {.root = tree / "Brain_AD"});
  CHECK(tree.lines(list) == Lines{"Brain_AD/test/Ungood/img/0.png 1 Brain Brain_AD/test/Ungood/label/0.png",
                                  "Brain_AD/test/good/img/1.png 0 Brain"});
  REQUIRE(list.classes[0].set != nullptr);
  CHECK(list.classes[0].set->name == "Brain");
  std::string dtd;
  for (const char* name : {"Blotchy", "Fibrous", "Marbled", "Matted", "Mesh", "Perforated", "Stratified", "Woven"})
    dtd +=
        concat("{\"image_path\": \"", name, "_001/test/good/0.png\", \"label\": 0, \"class_name\": \"", name, "\"}\n");
  tree.text("dtd.jsonl", dtd);
  for (const ClassCounts& count : open_dataset(tree / "dtd.jsonl").classes) {
    REQUIRE(count.set != nullptr);
    CHECK(count.set->name == "DTD-Synthetic");
  }
}

TEST_CASE("classes that are called like those of a known set do not make it that set") {
  const Tree tree("own_alike");
  for (const KnownClass& known : known_classes("MVTec").first(8))
    tree.picture(concat("mine/", known.name, "/test/good/0.png"));
  CHECK(scan_dataset(tree / "mine").classes[0].set == find_known_set("MVTec"));
  for (int i = 0; i < 9; ++i) tree.picture(concat("mine/part", i, "/test/good/0.png"));
  CHECK(scan_dataset(tree / "mine").classes[0].set == nullptr);
}

TEST_CASE("many files take time in proportion") {
  using Clock = std::chrono::steady_clock;
  const auto measure = [](int count) {
    const Tree tree(concat("own_many_", count));
    create_directories(tree / "images"), create_directories(tree / "masks");
    for (int i = 0; i < count; ++i) {
      detail::open_stream(detail::native_path(tree / concat("images/", i, ".png")), "wb");
      detail::open_stream(detail::native_path(tree / concat("masks/", i, "_mask.png")), "wb");
    }
    const auto start = Clock::now();
    CHECK(scan_dataset(tree.path(), {.trusts_masks = true}).entries.size() == static_cast<std::size_t>(count));
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  const double few = measure(1000), many = measure(10000);
  CHECK(many < 60 * few + 0.5);  // ten times as many; a square would be a hundred times
}
