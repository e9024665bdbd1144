// SPDX-License-Identifier: MIT
#include <moeclip/image/image_stream.hpp>

#include <moeclip/image/jpeg.hpp>
#include <moeclip/image/png.hpp>
#include <moeclip/image/pnm.hpp>
#include <moeclip/image/read_image.hpp>
#include "expect_error.hpp"
#include "image_test.hpp"

using namespace moeclip;

namespace {

/// Gives bytes in pieces of `step`.
class Drip {
 public:
  Drip(std::vector<std::byte> bytes, std::size_t step) : bytes_(std::move(bytes)), step_(step) {}
  std::size_t operator()(std::span<std::byte> to) {
    const std::size_t count = std::min({to.size(), step_, bytes_.size() - given_});
    std::copy_n(bytes_.begin() + static_cast<std::ptrdiff_t>(given_), count, to.begin());
    given_ += count;
    return count;
  }
  [[nodiscard]] std::size_t given() const { return given_; }

 private:
  std::vector<std::byte> bytes_;
  std::size_t step_, given_ = 0;
};

/// A Netpbm file of numbers, whose end may have white space behind it.
bool is_text(Bytes file) { return file[0] == std::byte{'P'} && file[1] <= std::byte{'3'}; }

/// Pictures of the golden folders of each format, not too large, without bytes behind their ends.
std::vector<std::vector<std::byte>> whole_pictures() {
  std::vector<std::vector<std::byte>> files;
  for (const auto& line : image_test::read_lines("image/index.txt")) {
    auto file = image_test::read_golden("image/" + line[0]);
    if (file.size() >= 20000 || !is_whole_picture(file)) continue;
    if (is_text(file)) file.push_back(std::byte{'\n'});  // a number ends with what is no digit
    files.push_back(std::move(file));
  }
  for (const char* name : {"plain.gif", "animated.gif", "interlaced.gif", "flat_0.webp", "animated.webp"})
    files.push_back(image_test::read_golden(std::string("pictures/") + name));
  Image image(17, 9, 3);
  std::fill_n(image.data(), image.size(), std::uint8_t{200});
  files.push_back(encode_jpeg(image.view(), 90));
  files.push_back(encode_pnm(image.view()));
  files.push_back(encode_png(image.view()));
  return files;
}

std::vector<std::byte> joined(const std::vector<std::vector<std::byte>>& files, std::string_view between = "") {
  std::vector<std::byte> all;
  for (const auto& file : files) {
    all.insert(all.end(), file.begin(), file.end());
    const Bytes gap = as_bytes(between);
    all.insert(all.end(), gap.begin(), gap.end());
  }
  return all;
}

std::vector<std::byte> stream_of(std::string_view text) {
  const Bytes bytes = as_bytes(text);
  return {bytes.begin(), bytes.end()};
}

}  // namespace

TEST_CASE("pictures in a stream are found by their own structure, whatever the pieces they come in") {
  using namespace std::string_view_literals;
  const auto files = whole_pictures();
  REQUIRE(files.size() > 30);
  for (const std::size_t step : {std::size_t{1}, std::size_t{7}, std::size_t{4096}, std::size_t{1} << 20})
    for (const std::string_view between : {""sv, "\n"sv, "\0\0\0"sv}) {
      CAPTURE(step);
      Drip drip(joined(files, between), step);
      ImageStream stream(drip, "pipe");
      for (std::size_t i = 0; i < files.size(); ++i) {
        CAPTURE(i);
        const Bytes found = stream.next();
        std::string_view text = as_text(found), wanted = as_text(files[i]);
        if (is_text(files[i])) wanted = wanted.substr(0, text.size());
        CHECK(text == wanted);
        CHECK(stream.is_whole());
        CHECK(stream.number() == static_cast<index_t>(i + 1));
        CHECK(image_test::hash(decode_image(found, "found")) == image_test::hash(decode_image(files[i], "file")));
      }
      CHECK(stream.next().empty());
      CHECK(stream.next().empty());
    }
}

TEST_CASE("a live picture is handed on with its last byte") {
  const auto files = whole_pictures();
  Drip drip(joined(files), 1);
  ImageStream stream(drip, "camera");
  std::size_t sent = 0;
  for (const auto& file : files) {
    static_cast<void>(stream.next());
    sent += file.size();
    CHECK(drip.given() <= sent);
  }
}

TEST_CASE("the stream may end anywhere: the picture is handed on as far as it goes, or its header is truncated") {
  for (const auto& file : whole_pictures()) {
    const std::size_t stride = std::max<std::size_t>(1, file.size() / 97);
    for (std::size_t size = 1; size + (is_text(file) ? 4 : 0) < file.size(); size += stride) {
      CAPTURE(size);
      Drip drip({file.begin(), file.begin() + static_cast<std::ptrdiff_t>(size)}, 5);
      ImageStream stream(drip, "pipe");
      try {
        const Bytes found = stream.next();
        CHECK(found.size() == size);
        CHECK(!stream.is_whole());
      } catch (const Error& error) {
        CHECK(std::string_view(error.what()).starts_with("pipe: "));
      }
      CHECK(stream.next().empty());
    }
  }
}

TEST_CASE("a TIFF ends behind all that its directories speak of, where another picture begins") {
  Image image(5, 4, 3);
  std::fill_n(image.data(), image.size(), std::uint8_t{7});
  const auto next = encode_png(image.view());
  for (const char* const name : {"rgb.tif", "all.tif", "pages.tif", "packbits_strips.tif", "tiles.tif", "big.tif",
                                 "tiff_lzw_strips.tif", "planes.tif", "palette.tif"}) {
    CAPTURE(name);
    const auto file = image_test::read_golden(concat("pictures/", name));
    const auto hash = image_test::hash(decode_image(file, "file"));
    for (const std::size_t step : {std::size_t{1}, std::size_t{4096}}) {
      Drip drip(joined({file, file, next}), step);
      ImageStream stream(drip, "pipe");
      for (int i = 0; i < 2; ++i) CHECK(image_test::hash(decode_image(stream.next(), "found")) == hash);
      CHECK(stream.next().size() == next.size());
      CHECK(stream.next().empty());
    }
    Drip behind(joined({file}, "what nobody speaks of"), 7);
    ImageStream stream(behind, "pipe");
    CHECK(image_test::hash(decode_image(stream.next(), "found")) == hash);
    CHECK(stream.next().empty());
    for (std::size_t size = 8; size < file.size(); size += std::max<std::size_t>(1, file.size() / 97)) {
      CAPTURE(size);
      Drip cut({file.begin(), file.begin() + static_cast<std::ptrdiff_t>(size)}, 5);
      ImageStream part(cut, "pipe");
      CHECK(part.next().size() == size);
      CHECK(part.next().empty());
    }
  }
}

TEST_CASE("a JPEG that its writer cut off ends where the next begins") {
  Image image(40, 40, 3);
  for (index_t i = 0; i < image.size(); ++i) image.data()[i] = static_cast<std::uint8_t>(i * i % 251);
  const auto file = encode_jpeg(image.view(), 80);
  auto cut = file;
  cut.resize(cut.size() - 100);  // inside its scan
  Drip drip(joined({cut, file}), 64);
  ImageStream stream(drip, "pipe");
  CHECK(stream.next().size() == cut.size());
  CHECK(stream.next().size() == file.size());
}

TEST_CASE("what cannot be followed is an error once, and the end") {
  const auto fails = [](std::string_view bytes, ErrorCode code, std::initializer_list<std::string_view> parts) {
    Drip drip(stream_of(bytes), 3);
    ImageStream stream(drip, "pipe");
    expect_error(code, parts, [&] {
      while (!stream.next().empty()) {
      }
    });
    CHECK(stream.next().empty());
  };
  using namespace std::string_view_literals;
  fails("no picture at all", ErrorCode::format, {"pipe: not a picture"});
  fails("P5 1 1 255 x qoif........"sv, ErrorCode::unsupported, {"pipe, picture 2", "QOI"});
  fails("\x89PNG\r\n\x1a\n\0\0\0\0....\0\0\0\0"sv, ErrorCode::format, {"no chunk begins at offset 8"});
  fails("\x89PNG\r\n\x1a\n\xff\xff\xff\xffIDAT.........."sv, ErrorCode::limit, {"1 GiB"});
  fails("\xff\xd8\xff\xe0\0\1......"sv, ErrorCode::format, {"a segment of length 1"});
  fails("P5 0 5 255 xxxx"sv, ErrorCode::format, {"no pixels"});
  fails("P2 2 2 9 1 2 z 3"sv, ErrorCode::format, {"no valid number"});
  fails("P6 100000 100000 255 xxxx"sv, ErrorCode::limit, {"100000x100000"});
}

TEST_CASE("numbers are not believed before they have ended") {
  using namespace std::string_view_literals;
  Drip drip(
      stream_of(
          "P5 03 02 0255 abcdefP5\n2 1 255\nxyP4 9 2 abcdP7\nWIDTH 2\nHEIGHT 1\nDEPTH 1\nMAXVAL 255\nENDHDR\nab"sv),
      1);
  ImageStream stream(drip, "pipe");
  for (const char* last : {"abcdef", "xy", "abcd", "ab"}) {
    const std::string_view found = as_text(stream.next());
    CHECK(found.ends_with(last));
  }
  CHECK(stream.next().empty());
}

TEST_CASE("raw frames are cut by their size") {
  Drip drip(stream_of("aaabbbcc"), 2);
  ImageStream stream(drip, "pipe");
  CHECK(as_text(stream.next(3)) == "aaa");
  CHECK(as_text(stream.next(3)) == "bbb");
  CHECK(as_text(stream.next(3)) == "cc");
  CHECK(!stream.is_whole());
  CHECK(stream.next(3).empty());
}

TEST_CASE("a bitmap whose size field is wrong ends behind its pixels") {
  auto file = image_test::read_golden("image/v3_24.bmp");
  const auto set_size = [&](std::uint32_t size) {
    for (std::size_t i = 0; i < 4; ++i) file[2 + i] = static_cast<std::byte>(size >> (8 * i));
  };
  for (const std::uint32_t size : {0u, 7u, 0xFFFFFFFFu}) {
    set_size(size);
    Drip drip(joined({file, file}), 11);
    ImageStream stream(drip, "pipe");
    CHECK(stream.next().size() == file.size());
    CHECK(stream.next().size() == file.size());
    CHECK(stream.next().empty());
  }
}
