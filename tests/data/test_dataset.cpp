// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include <moeclip/data/dataset.hpp>
#include <moeclip/image/write_image.hpp>

#include "exif_picture.hpp"
#include "expect_error.hpp"
#include "temporary_folder.hpp"

using namespace moeclip;  // NOLINT

TEST_CASE("a list is read line by line, with paths relative to it") {
  const TemporaryFolder folder("dataset");
  const std::string list =
      folder.write("list.jsonl",
                   "{\"image_path\": \"a/good.png\", \"label\": 0, \"class_name\": \"gear\"}\r\n"
                   "\n"
                   "{\"class_name\": \"metal nut\", \"label\": 1.0, \"extra\": [1], \"image_path\": "
                   "\"/far/bad.png\", \"mask_path\": \"m/bad.png\"}\n"
                   "{\"image_path\": \"c.png\", \"label\": 1, \"class_name\": \"x\", \"mask_path\": null}");
  const auto entries = read_dataset(list);
  REQUIRE(entries.size() == 3);
  CHECK(entries[0].image_path == join_path(folder.path(), "a/good.png"));
  CHECK(entries[0].label == 0);
  CHECK(entries[0].class_name == "gear");
  CHECK(entries[0].mask_path.empty());
  CHECK(entries[1].image_path == "/far/bad.png");
  CHECK(entries[1].label == 1);
  CHECK(entries[1].class_name == "metal nut");
  CHECK(entries[1].mask_path == join_path(folder.path(), "m/bad.png"));
  CHECK(entries[2].mask_path.empty());
}

TEST_CASE("a written list is the same when it is read") {
  const TemporaryFolder folder("dataset_write");
  const std::string list = join_path(folder.path(), "list.jsonl");
  write_dataset(list, {{"/p/\"1\".png", 0, "gear", ""}, {"/p/2.png", 1, "gr\xC3\xBCn", "/p/m.png"}});
  const auto entries = read_dataset(list);
  REQUIRE(entries.size() == 2);
  CHECK(entries[0].image_path == "/p/\"1\".png");
  CHECK(entries[1].class_name == "gr\xC3\xBCn");
  CHECK(entries[1].label == 1);
  CHECK(entries[1].mask_path == "/p/m.png");
}

TEST_CASE("what is wrong with a list is told with its line") {
  const TemporaryFolder folder("dataset_errors");
  const std::string good = "{\"image_path\": \"a.png\", \"label\": 0, \"class_name\": \"gear\"}\n";
  const auto refuse = [&](const std::string& line, ErrorCode code, std::initializer_list<std::string_view> facts) {
    CAPTURE(line);
    const std::string list = folder.write("bad.jsonl", good + line + "\n");
    expect_error(code, facts, [&] { read_dataset(list); });
    expect_error(code, {"bad.jsonl", "line 2"}, [&] { read_dataset(list); });
  };
  refuse("{\"label\": 0, \"class_name\": \"gear\"}", ErrorCode::missing, {"image_path"});
  refuse("{\"image_path\": \"\", \"label\": 0, \"class_name\": \"gear\"}", ErrorCode::missing, {"image_path"});
  refuse("{\"image_path\": 3, \"label\": 0, \"class_name\": \"gear\"}", ErrorCode::format, {"image_path", "a number"});
  refuse("{\"image_path\": \"a\", \"label\": 0}", ErrorCode::missing, {"class_name"});
  refuse("{\"image_path\": \"a\", \"class_name\": \"gear\"}", ErrorCode::missing, {"label"});
  refuse("{\"image_path\": \"a\", \"label\": 2, \"class_name\": \"gear\"}", ErrorCode::format, {"label", "2"});
  refuse("{\"image_path\": \"a\", \"label\": 0.5, \"class_name\": \"gear\"}", ErrorCode::format, {"0.5"});
  refuse("{\"image_path\": \"a\", \"label\": \"1\", \"class_name\": \"gear\"}", ErrorCode::format, {"label"});
  refuse("[1]", ErrorCode::format, {"an array"});
  refuse("{\"image_path\": ", ErrorCode::format, {"JSON"});
  refuse(concat("{\"image_path\": \"", std::string(1 << 20, 'a'), "\"}"), ErrorCode::limit, {"longer"});
  expect_error(ErrorCode::missing, {"empty.jsonl", "no entries"},
               [&] { read_dataset(folder.write("empty.jsonl", "\n \n")); });
  expect_error(ErrorCode::io, {"nowhere.jsonl"}, [&] { read_dataset(join_path(folder.path(), "nowhere.jsonl")); });
}

TEST_CASE("a sample is a picture and what of its mask is not zero") {
  const TemporaryFolder folder("sample");
  Image picture(4, 3, 3), mask(2, 2, 3);
  picture.fill(90);
  mask.fill(0);
  mask.row(1)[3] = 9;  // (1, 1): a red of 9 is a gray of 3
  const std::string picture_path = join_path(folder.path(), "p.png"), mask_path = join_path(folder.path(), "m.png");
  write_png(picture_path, picture);
  write_png(mask_path, mask);

  const Sample bad = load_sample({picture_path, 1, "gear", mask_path});
  CHECK(bad.picture.width() == 4);
  CHECK(bad.picture.channels() == 3);
  CHECK(bad.mask.channels() == 1);
  CHECK(bad.mask.width() == 2);
  CHECK(std::vector<std::uint8_t>(bad.mask.data(), bad.mask.data() + 4) == std::vector<std::uint8_t>{0, 0, 0, 255});
  CHECK(bad.has_mask());
  CHECK(bad.label == 1);
  CHECK(bad.class_name == "gear");
  CHECK(bad.path == picture_path);

  const Sample good = load_sample({picture_path, 0, "gear", mask_path});  // the mask of a good one is not looked at
  CHECK(good.mask.empty());
  CHECK(good.has_mask());
  const Sample unmarked = load_sample({picture_path, 1, "gear", ""});
  CHECK(unmarked.mask.empty());
  CHECK_FALSE(unmarked.has_mask());
  expect_error(ErrorCode::io, {"gone.png"}, [&] {
    load_sample({join_path(folder.path(), "gone.png"), 0, "gear", ""});
  });
}

TEST_CASE("a mask of 16-bit gray loses no mark, however pictures are read") {
  const TemporaryFolder folder("deep_mask");
  const std::string path = join_path(folder.path(), "m.png");
  const std::vector<std::uint16_t> values{0, 1, 2, 65535};
  write_file(path, encode_png16(values, 4, 1));
  for (const DeepGray deep_gray : {DeepGray::scaled, DeepGray::clipped}) {
    const Sample sample = load_sample({path, 1, "gear", path}, {.deep_gray = deep_gray});
    CHECK(std::vector<int>(sample.mask.data(), sample.mask.data() + 4) == std::vector<int>{0, 255, 255, 255});
    CHECK(sample.picture.data()[3] == (deep_gray == DeepGray::scaled ? 0 : 1));
    CHECK(sample.picture.channels() == 3);
  }
  CHECK(load_sample({path, 0, "gear", ""}, {.gray = true}).picture.channels() == 3);  // always in colour
}

namespace {

bool same_pixels(const Image& a, const Image& b) {
  return a.width() == b.width() && a.height() == b.height() && a.channels() == b.channels() &&
         std::equal(a.data(), a.data() + a.size(), b.data());
}

/// Marks one corner and part of an edge, so that every turn and mirroring differs.
Image corner_image(index_t width, index_t height, index_t channels) {
  Image image(width, height, channels);
  image.fill(0);
  for (index_t i = 0; i < 2 * channels; ++i) image.data()[i] = 255;
  return image;
}

}  // namespace

TEST_CASE("a mask is turned with its picture, unless it was drawn on the upright one") {
  const TemporaryFolder folder("exif_mask");
  const std::string picture_path = join_path(folder.path(), "p.png"), mask_path = join_path(folder.path(), "m.png");
  const DatasetEntry entry{picture_path, 1, "gear", mask_path};
  const ImageOptions upright{.apply_exif_orientation = true};
  const auto stored = [](const Image& image, int orientation) {
    return apply_orientation(Image(image), inverse_orientation(orientation));
  };
  for (int orientation = 1; orientation <= 8; ++orientation) {
    CAPTURE(orientation);
    const Image picture = corner_image(6, 4, 3), mask = corner_image(6, 4, 1), half = corner_image(3, 2, 1);
    write_oriented_png(picture_path, stored(picture, orientation), orientation);
    for (const Image* drawn : {&mask, &half}) {           // of the picture's size, and of a smaller one
      write_png(mask_path, stored(*drawn, orientation));  // as the picture lies
      CHECK(same_pixels(load_sample(entry, upright).picture, picture));
      CHECK(same_pixels(load_sample(entry, upright).mask, *drawn));
      CHECK(same_pixels(load_sample(entry).mask, stored(*drawn, orientation)));  // nothing is turned
      if (orientation < 5) continue;
      write_png(mask_path, *drawn);  // on the upright picture, whose shape differs
      CHECK(same_pixels(load_sample(entry, upright).mask, *drawn));
    }
    const Image square = corner_image(5, 5, 3), square_mask = corner_image(5, 5, 1);
    write_oriented_png(picture_path, stored(square, orientation), orientation);
    write_png(mask_path, stored(square_mask, orientation));  // a square mask belongs to the stored pixels
    CHECK(same_pixels(load_sample(entry, upright).mask, square_mask));
    write_oriented_png(mask_path, stored(square_mask, 3), 3);  // one with an orientation of its own obeys that
    CHECK(same_pixels(load_sample(entry, upright).mask, orientation == 1 ? stored(square_mask, 3) : square_mask));
  }
}
