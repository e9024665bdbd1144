// SPDX-License-Identifier: MIT
// Folders of one's own, and folders that are odd.
#include <doctest/doctest.h>

#include <chrono>

#include <moeclip/data/layout/recognise.hpp>
#include <moeclip/data/source.hpp>
#include <moeclip/io/file/system.hpp>
#include "expect_error.hpp"
#include "tree_fixture.hpp"

using namespace moeclip;

namespace {

using Lines = std::vector<std::string>;

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
  const Lines labelled{"tiles/img/a.png 1 tiles tiles/mask/a_mask.png",
                       "tiles/img/b.png 0 tiles tiles/mask/b_mask.png"};
  const DatasetListing listing = scan_dataset(tree / "tiles");
  CHECK(tree.lines(listing) == labelled);  // nobody has said what c is
  CHECK(listing.classes[0].unlabelled == 1);
  CHECK(listing.classes[0].good == 1);
  CHECK(has_note(listing, "1 picture has no mask"));
  CHECK(tree.scan("tiles", {.unmasked_is_good = true})[2] == "tiles/img/c.png 0 tiles");
  CHECK(tree.scan("tiles", {.trusts_masks = true})[1] == "tiles/img/b.png 1 tiles tiles/mask/b_mask.png");
  tree.text("tiles/mask/c.png", "not a picture");  // told by the check, and no reason to stop
  CHECK(tree.scan("tiles")[2] == "tiles/img/c.png 1 tiles tiles/mask/c.png");

  tree.picture("parted/images/train/1.png"), tree.mask("parted/annotations/train/1.png");
  CHECK(tree.scan("parted", {.split = Split::train}) ==
        Lines{"parted/images/train/1.png 1 parted parted/annotations/train/1.png"});
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
  CHECK(scan_dataset(tree / "s").classes[0].unlabelled == 2);
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
  tree.text("s/labels.csv", "image,label\nimages/1.png,1\nimages/2.png,1\n");  // says more than the masks do
  CHECK(tree.scan("s")[1] == "s/images/2.png 1 s");
  tree.text("s/labels.csv", "image,label\nimages/1.png,0\nimages/2.png,1\n");
  expect_error(ErrorCode::mismatch,
               {"--layout", "csv (2 pictures, 1 defective)", "image_mask (2 pictures, 1 defective)"},
               [&] { scan_dataset(tree / "s"); });
  CHECK(tree.scan("s", {.layout = "csv"})[0] == "s/images/1.png 0 s");
  CHECK(tree.scan("s", {.layout = "image_mask"})[0] == "s/images/1.png 1 s s/masks/1.png");
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
  expect_error(ErrorCode::format, {"1.png", "a single picture"},
               [&] { open_dataset(tree / "photos of things/1.png"); });
  tree.text("photos of things/labels.csv", "image,label\n");
  expect_error(ErrorCode::format, {"labels.csv", "give the folder"},
               [&] { open_dataset(tree / "photos of things/labels.csv"); });
  expect_error(ErrorCode::io, {"nowhere", "no such folder"}, [&] { scan_dataset(tree / "nowhere"); });
  expect_error(ErrorCode::io, {"readme.txt", "a file"}, [&] { scan_dataset(tree / "docs/readme.txt"); });
}

TEST_CASE("what is in no layout is described, with the layout that comes closest") {
  const Tree tree("own_closest");
  const auto expect_closest = [&](const std::string& below, std::initializer_list<std::string_view> parts) {
    expect_error(ErrorCode::missing, parts, [&] { scan_dataset(tree / below); });
  };
  tree.picture("a/images/1.png"), tree.picture("a/images/2.png"), tree.text("a/read.txt", "me");
  expect_closest("a",
                 {"2 .png in images/", "1 .txt in the folder itself", "Closest is image_mask", "no folder of masks"});
  tree.mask("b/masks/1.png"), tree.picture("b/scans/1.png");
  expect_closest("b", {"Closest is image_mask", "masks/ is there", "no folder of pictures"});
  tree.picture("c/test/1.png");
  expect_closest("c", {"Closest is mvtec", "test/ is there", "test/good/"});
  tree.picture("d/1.png"), tree.text("d/labels.csv", "image,colour\n1.png,red\n");
  expect_closest("d", {"Closest is csv", "image, colour", "label"});
  tree.picture("e/1.png"), tree.text("e/truth.csv", "image,label\n1.png,1\n");
  expect_closest("e", {"Closest is csv", "truth.csv", "labels.csv"});
  tree.picture("g/images/1.png"), tree.text("g/labels.csv", "image,colour\n1.png,red\n");
  expect_closest("g", {"Closest is csv", "image, colour", "none of them is called label"});
  tree.picture("h/test/gear/kind/1.png");
  expect_closest("h", {"Closest is mvtec", "the pictures of test/gear/ lie in folders further below"});
  tree.picture("i/images/deep/1.png"), tree.mask("i/masks/1.png");
  expect_closest("i", {"Closest is image_mask", "images/ and masks/ are there"});
  tree.picture("f/1.png");
  expect_closest("f", {"1 .png in the folder itself", "Closest is good_bad", "good/"});
}

TEST_CASE("good pictures alone are a data set") {
  const Tree tree("own_good_only");
  tree.picture("a/good/1.png"), tree.picture("b/bolt/train/good/1.png");
  CHECK(tree.scan("a") == Lines{"a/good/1.png 0 a"});
  CHECK(tree.scan("b", {.split = Split::train}) == Lines{"b/bolt/train/good/1.png 0 bolt"});
  CHECK(tree.scan("b").empty());
}

TEST_CASE("pictures beside their masks: by the same name, or by what names of masks have more") {
  const Tree tree("own_beside");
  tree.picture("tiles/MT_Free/Imgs/1.jpg"), tree.mask("tiles/MT_Free/Imgs/1.png", 0);
  tree.picture("tiles/MT_Crack/Imgs/2.jpg"), tree.mask("tiles/MT_Crack/Imgs/2.png");
  CHECK(tree.scan("tiles") == Lines{"tiles/MT_Crack/Imgs/2.jpg 1 tiles tiles/MT_Crack/Imgs/2.png",
                                    "tiles/MT_Free/Imgs/1.jpg 0 tiles tiles/MT_Free/Imgs/1.png"});
  CHECK(scan_dataset(tree / "tiles").layout == "beside");

  tree.picture("kolektor/kos01/Part0.jpg"), tree.mask("kolektor/kos01/Part0_label.bmp");
  tree.picture("kolektor/kos02/Part0.jpg"), tree.mask("kolektor/kos02/Part0_label.bmp");
  tree.picture("kolektor/kos02/Part1.jpg"), tree.mask("kolektor/kos02/Part2_label.bmp");
  const DatasetListing kolektor = scan_dataset(tree / "kolektor");
  CHECK(tree.lines(kolektor) == Lines{"kolektor/kos01/Part0.jpg 1 kolektor kolektor/kos01/Part0_label.bmp",
                                      "kolektor/kos02/Part0.jpg 1 kolektor kolektor/kos02/Part0_label.bmp"});
  CHECK(kolektor.classes[0].unlabelled == 1);
  CHECK(kolektor.spare_masks == Lines{tree / "kolektor/kos02/Part2_label.bmp"});

  tree.picture("ksdd2/train/1.png"), tree.mask("ksdd2/train/1_GT.png", 0);
  tree.picture("ksdd2/test/2.png"), tree.mask("ksdd2/test/2_GT.png");
  CHECK(tree.scan("ksdd2") == Lines{"ksdd2/test/2.png 1 ksdd2 ksdd2/test/2_GT.png"});
  CHECK(tree.scan("ksdd2", {.split = Split::train}) == Lines{"ksdd2/train/1.png 0 ksdd2 ksdd2/train/1_GT.png"});

  tree.picture("dagm/Class1/Test/1.png"), tree.picture("dagm/Class1/Test/2.png");
  tree.mask("dagm/Class1/Test/Label/2_label.png");
  CHECK(tree.scan("dagm", {.unmasked_is_good = true}) ==
        Lines{"dagm/Class1/Test/1.png 0 Class1", "dagm/Class1/Test/2.png 1 Class1 dagm/Class1/Test/Label/2_label.png"});

  tree.picture("twice/good/1.png"), tree.picture("twice/good/1.jpg"), tree.picture("twice/bad/2.png");
  CHECK(scan_dataset(tree / "twice").layout == "good_bad");
  tree.picture("kinds/good/1.png"), tree.picture("kinds/bad/2.jpg"), tree.mask("kinds/bad/2_mask.png");
  CHECK(tree.scan("kinds") == Lines{"kinds/bad/2.jpg 1 kinds kinds/bad/2_mask.png", "kinds/good/1.png 0 kinds"});
}

TEST_CASE("templates beside the parts that are tested against them") {
  const Tree tree("own_templates");
  for (const char* group : {"group1/1", "group2/2"})
    for (const char* name : {"_test.jpg", "_temp.jpg"}) tree.picture(concat("pcb/", group, "/0001", name));
  tree.text("pcb/group1/1_not/0001.txt", "1 2 3 4 5");
  CHECK(tree.scan("pcb") == Lines{"pcb/group1/1/0001_temp.jpg 0 pcb", "pcb/group1/1/0001_test.jpg 1 pcb",
                                  "pcb/group2/2/0001_temp.jpg 0 pcb", "pcb/group2/2/0001_test.jpg 1 pcb"});
}

TEST_CASE("from which gray level a mask marks a defect can be said") {
  const Tree tree("own_levels");
  tree.picture("s/images/1.png"), tree.mask("s/masks/1.png", 255, true);
  tree.picture("s/images/2.png"), tree.mask("s/masks/2.png", 100);
  const auto marked = [&](int level) {
    const DatasetListing listing = scan_dataset(tree / "s", {.marked_from = level});
    const Image mask = load_sample(listing.entries[0]).mask;
    return std::pair(std::count(mask.data(), mask.data() + mask.size(), 255), listing.classes[0].defective);
  };
  CHECK(marked(1) == std::pair<std::ptrdiff_t, index_t>(8, 2));
  CHECK(marked(128) == std::pair<std::ptrdiff_t, index_t>(6, 1));
  SampleSource soft(scan_dataset(tree / "s").entries), hard(scan_dataset(tree / "s", {.marked_from = 128}).entries);
  CHECK(soft.fingerprint() != hard.fingerprint());
}

TEST_CASE("tables and lists as editors and spreadsheets write them") {
  const Tree tree("own_text");
  tree.picture("t/sub/a.png"), tree.picture("t/sub/b.png");
  const std::string plain = "image;label\r\nsub\\a.png;good\r\nb.png;defect\r\n";
  std::string wide = "\xFF\xFE";
  for (const char letter : plain) wide += {letter, '\0'};
  const Lines wanted{"t/sub/a.png 0 t", "t/sub/b.png 1 t"};
  for (const std::string& text : {plain, wide, wide.substr(2)}) {
    tree.text("t/labels.csv", text);
    CHECK(tree.scan("t") == wanted);
  }
  tree.text("t/labels.csv", "image,label\nb.png,1\nsub/a.png,0\nb.png,1\n");  // twice the same
  CHECK(tree.scan("t") == wanted);
  tree.text("t/labels.csv", "image,label\nb.png,1\nsub/a.png,0\nb.png,0\n");
  expect_error(ErrorCode::format, {"labels.csv", "row 4", "sub/b.png is in row 2 too"},
               [&] { scan_dataset(tree / "t"); });
  tree.text("t/labels.csv", "\"Image_Name\";\"is_defective\"\nsub\\a.png;0\nb.png;1\n");
  CHECK(tree.scan("t") == wanted);
  tree.text("t/labels.csv", "image;label\nC:\\data\\sub\\a.png;gut\nD:\\x\\b.png;NIO\n");
  CHECK(tree.scan("t") == wanted);
  tree.text("t/labels.csv", "image,label,remark\nsub/a.png,0,gr\xFCn\nb.png,1,\n");  // what is not used may be anything
  CHECK(tree.scan("t") == wanted);
  tree.text("t/labels.csv", "image,label\ngr\xFCn.png,1\nsub/a.png,0\n");
  expect_error(ErrorCode::format, {"labels.csv", "row 2", "not in UTF-8"}, [&] { scan_dataset(tree / "t"); });
  tree.text("list.jsonl", "{\"image_path\": \"a.png\", \"label\": 0, \"label\": 1, \"class_name\": \"t\"}\n");
  expect_error(ErrorCode::format, {"line 1", "twice"}, [&] { open_dataset(tree / "list.jsonl"); });
  tree.text("list.jsonl", "\xEF\xBB\xBF{\"image_path\": \"t\\\\sub\\\\a.png\", \"label\": 0, \"class_name\": \"t\"}\r");
  CHECK(tree.lines(open_dataset(tree / "list.jsonl")) == Lines{wanted[0]});
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
      detail::open_stream((tree / concat("images/", i, ".png")).c_str(), "wb");
      detail::open_stream((tree / concat("masks/", i, "_mask.png")).c_str(), "wb");
    }
    const auto start = Clock::now();
    CHECK(scan_dataset(tree.path(), {.trusts_masks = true}).entries.size() == static_cast<std::size_t>(count));
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  const double few = measure(1000), many = measure(10000);
  CHECK(many < 60 * few + 0.5);  // ten times as many; a square would be a hundred times
}
