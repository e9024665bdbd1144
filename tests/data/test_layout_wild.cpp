// SPDX-License-Identifier: MIT
// Folders as they are met in the wild: names that say more than good and defective, several masks of a picture, files
// of which nothing says whether they are pictures or masks.
#include <doctest/doctest.h>

#include <moeclip/data/layout/recognise.hpp>
#include <moeclip/data/picture_files.hpp>
#include "expect_error.hpp"
#include "tree_fixture.hpp"

using namespace moeclip;

namespace {

using Lines = std::vector<std::string>;

}  // namespace

TEST_CASE("what is said to be good, but lies where a data set keeps something else") {
  const auto other = [](const Lines& paths) { return first_not_good(paths); };
  CHECK(other({"a.png", "day 1/b.png", "defect.png"}).empty());
  CHECK(other({"train/good/a.png", "test/Good/b.png"}).empty());
  CHECK(other({"good/a.png", "hole/b.png"}) == "hole/b.png");
  CHECK(other({"a.png", "good/b.png"}) == "a.png");
  CHECK(other({"a.png", "NG/b.png"}) == "NG/b.png");
  CHECK(other({"train/a.png", "ground_truth/hole/b.png"}) == "ground_truth/hole/b.png");
  CHECK(other({}).empty());
  CHECK(other({"ok_front/a.png", "def_front/b.png"}) == "def_front/b.png");
  CHECK(other({"gut/a.png", "schlecht/b.png"}) == "schlecht/b.png");
  CHECK(other({"good_1/a.png", "good_2/b.png"}).empty());
  CHECK(other({"ok_1.png", "ng_2.png"}) == "ng_2.png");
  CHECK(other({"a.jpg", "a.png", "b.jpg"}) == "a.png");
  CHECK(other({"a/x", "a/x_mask", "b/x-2"}) == "a/x_mask");  // also without extensions
  CHECK(other({"Part1_label.bmp", "Part1.jpg"}) == "Part1_label.bmp");
  CHECK(other({"a/x_GT.png", "b/x.png"}).empty());
  CHECK(other({"JPEGImages/1.jpg", "SegmentationClass/1.png"}) == "SegmentationClass/1.png");
  CHECK(other({"0/a.png", "1/b.png"}) == "1/b.png");
  CHECK(other({"0/a.png", "1/b.png", "2/c.png"}).empty());
}

TEST_CASE("what names of folders say, by their first words") {
  using detail::label_of_folder;
  for (const char* name :
       {"good", "OK", "ok_front", "good_rotated", "good2", "NormalLight", "defect free 3", "gut", "IO"}) {
    CAPTURE(name);
    CHECK(label_of_folder(name) == 0);
  }
  for (const char* name :
       {"def_front", "NG", "bad-2", "not_good_2", "good_bad", "ok_scratch", "good cracked", "nio", "schlecht"}) {
    CAPTURE(name);
    CHECK(label_of_folder(name) == 1);
  }
  for (const char* name : {"scratch", "no_1", "goodness", "kratzer", ""}) {
    CAPTURE(name);
    CHECK_FALSE(label_of_folder(name).has_value());
  }
}

TEST_CASE("good kinds with longer names, in other languages, and none") {
  const Tree tree("own_kinds");
  for (const char* part : {"train", "test"})
    for (const char* kind : {"ok_front", "def_front"}) tree.picture(concat("casting/", part, "/", kind, "/1.png"));
  const DatasetListing casting = scan_dataset(tree / "casting");
  CHECK(tree.lines(casting) ==
        Lines{"casting/test/def_front/1.png 1 casting", "casting/test/ok_front/1.png 0 casting"});
  REQUIRE(casting.kinds.size() == 2);
  CHECK(casting.kinds[0].name == "ok_front");
  CHECK(casting.kinds[0].label == 0);
  CHECK(casting.kinds[0].pictures == 2);
  CHECK_FALSE(has_note(casting, "no folder"));
  tree.picture("gear/test/gut/1.png"), tree.picture("gear/test/kratzer/2.png");
  CHECK(tree.scan("gear")[0] == "gear/test/gut/1.png 0 gear");
  tree.picture("loose/good_2/1.png"), tree.picture("loose/scratch/2.png");
  CHECK(tree.scan("loose") == Lines{"loose/good_2/1.png 0 loose", "loose/scratch/2.png 1 loose"});
  tree.picture("none/test/hole/1.png"), tree.picture("none/test/prima/2.png");
  CHECK(has_note(scan_dataset(tree / "none"), "no folder of pictures for testing is good by its name"));
}

TEST_CASE("kinds whose pictures lie in folders further below") {
  const Tree tree("own_deep");
  for (const char* kind : {"good", "hole"}) tree.picture(concat("bagel/test/", kind, "/rgb/0.png"));
  tree.mask("bagel/test/hole/gt/0.png");
  CHECK(tree.scan("bagel") ==
        Lines{"bagel/test/good/rgb/0.png 0 bagel", "bagel/test/hole/rgb/0.png 1 bagel bagel/test/hole/gt/0.png"});
  tree.picture("AeBAD/test/good/view/0.png"), tree.picture("AeBAD/test/ablation/view/0.png");
  tree.mask("AeBAD/ground_truth/ablation/view/0.png");
  CHECK(tree.scan("AeBAD") == Lines{"AeBAD/test/ablation/view/0.png 1 AeBAD AeBAD/ground_truth/ablation/view/0.png",
                                    "AeBAD/test/good/view/0.png 0 AeBAD"});
  tree.picture("iad/jack/OK/S1/a.jpg"), tree.picture("iad/jack/NG/AK/S2/b.jpg"), tree.mask("iad/jack/NG/AK/S2/b.png");
  CHECK(tree.scan("iad") ==
        Lines{"iad/jack/NG/AK/S2/b.jpg 1 jack iad/jack/NG/AK/S2/b.png", "iad/jack/OK/S1/a.jpg 0 jack"});
}

TEST_CASE("several masks of one picture are one, in a folder of its name") {
  const Tree tree("own_loco");
  tree.picture("box/test/good/000.png"), tree.picture("box/test/logical_anomalies/000.png");
  const std::string folder = "box/ground_truth/logical_anomalies/000";
  tree.mask(folder + "/000.png", 254);
  Image other(12, 12, 1);
  std::fill_n(other.data(), other.size(), std::uint8_t{0});
  other.data()[0] = 255;
  tree.image(folder + "/001.png", other);
  const DatasetListing listing = scan_dataset(tree / "box");
  CHECK(tree.lines(listing)[1] == "box/test/logical_anomalies/000.png 1 box " + folder);
  CHECK(listing.notes.empty());
  CHECK(listing.spare_masks.empty());
  for (const DatasetEntry& entry : listing.entries)
    if (entry.label == 1) {
      const Image mask = load_sample(entry).mask;
      CHECK(std::count(mask.data(), mask.data() + mask.size(), 255) == 9);
    }
}

TEST_CASE("of two files of one name, the one with few colours is the mask") {
  const Tree tree("own_pairs");
  Image photo(16, 16, 3);
  for (index_t i = 0; i < photo.size(); ++i) photo.data()[i] = static_cast<std::uint8_t>(i * 7);
  for (const char* name : {"s/1.png", "s/2.png"}) tree.image(name, photo);
  std::string spot = "P2 16 16 255\n255";
  for (int i = 1; i < 16 * 16; ++i) spot += " 0";
  const auto mask = [&](const std::string& below) { tree.text(below, spot); };  // PGM, whatever it is called
  mask("s/1.pgm"), mask("s/2.pgm");
  CHECK(tree.scan("s") == Lines{"s/1.png 1 s s/1.pgm", "s/2.png 1 s s/2.pgm"});
  tree.text("t/1.bmp", "P2 16 16 255\n"), mask("t/2.bmp"), tree.image("t/2.ppm", photo), tree.image("t/1.ppm", photo);
  CHECK(tree.scan("t")[1] == "t/2.ppm 1 t t/2.bmp");  // by content, whatever the extension; one cannot be read
  tree.image("u/1.png", photo), tree.image("u/1.tif", photo);
  expect_error(ErrorCode::mismatch, {"u/1.png", "u/1.tif", "cannot be told", "NAME_mask"},
               [&] { scan_dataset(tree / "u"); });
}
