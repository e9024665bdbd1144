// SPDX-License-Identifier: MIT
// JPEG against Pillow with libjpeg-turbo 2.1.5 (tests/golden/jpeg/make_fixtures.py), and what is refused.

#include <doctest/doctest.h>

#include <moeclip/image/image_format.hpp>
#include <moeclip/image/jpeg.hpp>
#include <moeclip/image/jpeg/decode.hpp>
#include "image_test.hpp"

namespace {

using namespace image_test;

using File = std::vector<std::byte>;

File read_jpeg(const std::string& name) { return read_golden("jpeg/" + name); }

std::string error_of_jpeg(const File& file) {
  return error_of([&] { decode_jpeg(file, "x.jpg"); });
}

void append(File& file, std::initializer_list<int> bytes) {
  for (const int byte : bytes) file.push_back(static_cast<std::byte>(byte));
}

/// Offset of the first marker FF `code`.
std::size_t find_marker(const File& file, int code, std::size_t from = 0) {
  for (std::size_t i = from; i + 1 < file.size(); ++i)
    if (file[i] == std::byte{0xFF} && file[i + 1] == static_cast<std::byte>(code)) return i;
  return file.size();
}

/// A gray progressive file of 2048x2048 pixels, all zero, with `scans` AC scans of a few bytes each. `band` terms each.
File make_scan_flood(int scans) {
  File file;
  append(file, {0xFF, 0xD8, 0xFF, 0xDB, 0, 67, 0});
  file.resize(file.size() + 64, std::byte{1});
  append(file, {0xFF, 0xC2, 0, 11, 8, 8, 0, 8, 0, 1, 1, 0x11, 0});
  append(file, {0xFF, 0xC4, 0, 20, 0x00, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0});
  append(file, {0xFF, 0xC4, 0, 20, 0x10, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xE0});
  append(file, {0xFF, 0xDA, 0, 8, 1, 1, 0, 0, 0, 0});
  file.resize(file.size() + 256 * 256 / 8);  // a bit for each block: DC difference 0
  for (int i = 0; i < scans; ++i) {
    const int term = 1 + i / 10, step = i % 10;  // each term from bit 9 down to bit 0
    append(file, {0xFF, 0xDA, 0, 8, 1, 1, 0, term, term, step == 0 ? 9 : (10 - step) << 4 | (9 - step)});
    file.resize(file.size() + 8);  // four runs of 2^14 empty blocks
  }
  append(file, {0xFF, 0xD9});
  return file;
}

}  // namespace

TEST_CASE("jpeg: zeros up to the end of the file are told, where they were taken for data") {
  std::string remark;
  const auto remark_of = [&](File file, std::size_t kept, std::size_t zeros) {
    remark.clear();
    file.resize(kept);
    file.resize(kept + zeros);
    decode_jpeg(file, "x.jpg", &remark);
    return remark;
  };
  const File file = read_jpeg("quality95.jpg"), progressive = read_jpeg("s2x2_progressive.jpg");
  for (const double part : {0.6, 0.9}) {
    const auto kept = static_cast<std::size_t>(part * static_cast<double>(file.size()));
    const std::string said = remark_of(file, kept, 20000);
    CHECK(said.find("its last 2000") == 0);
    CHECK(said.find("its pixels from row ") != said.npos);
    CHECK(error_of_jpeg(File(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(kept))).find("cut off") !=
          said.npos);
  }
  CHECK(remark_of(file, file.size(), 0).empty());
  CHECK(remark_of(file, file.size(), 20000).empty());      // a block of a card behind the end
  CHECK(remark_of(file, file.size() - 2, 20000).empty());  // no marker, but all data
  CHECK(remark_of(progressive, progressive.size() - 40, 20000).find("from row") != remark.npos);
}

TEST_CASE("jpeg: every kind of file decodes to Pillow's bytes") {
  const auto lines = read_lines("jpeg/expected.txt");
  CHECK(lines.size() >= 60);
  for (const auto& line : lines) {
    CAPTURE(line[0]);
    const File file = read_jpeg(line[0]);
    const Image rgb = decode_jpeg(file, line[0]);
    CHECK(rgb.channels() == 3);
    CHECK(std::to_string(rgb.width()) == line[1]);
    CHECK(std::to_string(rgb.height()) == line[2]);
    CHECK(hash(rgb) == line[3]);
    const Image gray = decode_jpeg_gray(file, line[0]);
    CHECK(gray.channels() == 1);
    CHECK(hash(gray) == line[4]);
  }
}

TEST_CASE("jpeg: the header describes the file") {
  const auto info_of = [](const char* name) { return read_jpeg_info(read_jpeg(name), name); };
  const JpegInfo base = info_of("s2x2.jpg");
  CHECK(base.width == 45);
  CHECK(base.height == 37);
  CHECK(base.components == 3);
  CHECK(base.precision == 8);
  CHECK(base.coding == "baseline");
  CHECK(base.sampling == "4:2:0");
  CHECK(base.color == JpegColor::ycbcr);
  CHECK(base.is_supported);
  CHECK(base.exif.empty());
  CHECK(info_of("s1x1_progressive.jpg").is_progressive);
  CHECK(info_of("s1x1_progressive.jpg").sampling == "4:4:4");
  CHECK(info_of("s2x1_1x2_1x1.jpg").sampling == "2x1,1x2,1x1");
  CHECK(info_of("quality1.jpg").coding == "extended sequential");
  CHECK(info_of("gray.jpg").color == JpegColor::gray);
  CHECK(info_of("rgb.jpg").color == JpegColor::rgb);
  CHECK(info_of("rgb_by_ids.jpg").color == JpegColor::rgb);
  CHECK(info_of("ycc_without_jfif.jpg").color == JpegColor::ycbcr);
  CHECK(info_of("cmyk_plain.jpg").color == JpegColor::cmyk);
  CHECK(info_of("ycck_adobe.jpg").color == JpegColor::ycck);
  const File with_exif = read_jpeg("exif.jpg");
  const Bytes exif = read_jpeg_info(with_exif, "exif.jpg").exif;
  CHECK(as_text(exif).substr(0, 2) == "II");
  CHECK(exif.data() > with_exif.data());
  CHECK(exif.data() + exif.size() < with_exif.data() + with_exif.size());
}

TEST_CASE("jpeg: a file cut anywhere is an error, or every pixel was there") {
  for (const char* name : {"s2x2.jpg", "s2x1_progressive.jpg", "restart_blocks.jpg", "three_scans.jpg",
                           "cmyk_adobe.jpg", "gray_progressive.jpg", "unfinished_some_ac.jpg", "size1x1.jpg"}) {
    const File file = read_jpeg(name);
    const std::string whole = hash(decode_jpeg(file, name));
    std::size_t accepted = 0;
    for (std::size_t size = 0; size < file.size(); ++size) {
      const File cut(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(size));
      std::string found;
      const std::string error = error_of([&] { found = hash(decode_jpeg(cut, name)); });
      if (error.empty()) {
        CHECK(found == whole);
        ++accepted;
      } else {
        CHECK((error.starts_with("format: ") || error.starts_with("limit: ")));
        CHECK(error.find(name) != std::string::npos);
      }
    }
    CAPTURE(name);
    // Only the end-of-image marker, and bits that pad the last byte, can be missed.
    CHECK(accepted <= (std::string_view(name) == "unfinished_some_ac.jpg" ? 0 : 3));
  }
}

TEST_CASE("jpeg: a missing end marker and stray bytes cost no pixel") {
  for (const char* name : {"s2x2.jpg", "s2x2_progressive.jpg", "two_scans.jpg"}) {
    File file = read_jpeg(name);
    const std::string whole = hash(decode_jpeg(file, name));
    file.resize(file.size() - 2);
    CHECK(hash(decode_jpeg(file, name)) == whole);
    append(file, {0x12, 0x34, 0xFF, 0xFF, 0xFF});
    CHECK(hash(decode_jpeg(file, name)) == whole);
  }
}

TEST_CASE("jpeg: damaged data is an error, never a patched picture") {
  File file = read_jpeg("restart_blocks.jpg");
  const std::size_t restart = find_marker(file, 0xD0);
  file[restart + 1] = std::byte{0xD3};
  CHECK(error_of_jpeg(file).find("format: x.jpg: damaged JPEG, scan 1, row 1 of 3: a restart marker is missing") == 0);

  file = read_jpeg("restart_blocks.jpg");
  file.erase(file.begin() + static_cast<std::ptrdiff_t>(restart) - 4,
             file.begin() + static_cast<std::ptrdiff_t>(restart));
  CHECK(error_of_jpeg(file).find("the data ends early") != std::string::npos);

  file = read_jpeg("no_codes.jpg");  // the standard codes serve; with 13 ones there is no such code
  const std::size_t scan = find_marker(file, 0xDA);
  for (std::size_t i = scan + 14; i < scan + 34; i += 2) {
    file[i] = std::byte{0xFF};
    file[i + 1] = std::byte{0};
  }
  CHECK(error_of_jpeg(file).find("a code that does not exist") != std::string::npos);

  file = read_jpeg("three_scans.jpg");  // the third scan repeats the second component
  const std::size_t third = find_marker(file, 0xDA, find_marker(file, 0xDA, find_marker(file, 0xDA) + 2) + 2);
  file[third + 5] = std::byte{2};
  CHECK(error_of_jpeg(file).find("bits of component 2 that do not follow") != std::string::npos);

  file = read_jpeg("three_scans.jpg");
  file.resize(third);
  CHECK(error_of_jpeg(file).find("the file ends before the last scan") != std::string::npos);
  append(file, {0xFF, 0xD9});
  CHECK(error_of_jpeg(file).find("component 3 of 3 is not in any scan") != std::string::npos);
}

TEST_CASE("jpeg: kinds that are not supported are named") {
  const File good = read_jpeg("s2x2.jpg");
  const std::size_t frame = find_marker(good, 0xC0);
  const auto error_with = [&](std::size_t at, int byte) {
    File file = good;
    file[frame + at] = static_cast<std::byte>(byte);
    return error_of_jpeg(file);
  };
  const auto names = [](const std::string& error, const char* what) {
    return error.starts_with("unsupported: x.jpg: ") && error.find(what) != std::string::npos;
  };
  CHECK(names(error_with(1, 0xC3), "lossless"));
  CHECK(names(error_with(1, 0xC5), "hierarchical"));
  CHECK(names(error_with(1, 0xC9), "arithmetic"));
  CHECK(names(error_with(1, 0xCA), "arithmetic-coded progressive"));
  CHECK(names(error_with(1, 0xF7), "JPEG-LS"));
  CHECK(names(error_with(1, 0xDE), "hierarchical"));
  CHECK(names(error_with(4, 12), "12 bits per sample"));
  CHECK(names(error_with(11, 0x33), "sampl") == false);  // 3x3 beside 1x1 is a whole ratio ...
  CHECK(names(error_with(14, 0x21), "sampl") == false);
  File file = good;
  file[frame + 11] = std::byte{0x32};
  file[frame + 14] = std::byte{0x21};
  CHECK(names(error_of_jpeg(file), "subsampled by a fraction (3x2,2x1,1x1)"));  // ... 3 beside 2 is not
  file = good;
  file[frame + 5] = file[frame + 6] = std::byte{0};
  CHECK(names(error_of_jpeg(file), "DNL"));
  CHECK_FALSE(read_jpeg_info(file, "x.jpg").is_supported);
}

TEST_CASE("jpeg: kinds that are not supported are named wherever else the file is damaged or cut") {
  for (const char* name : {"s2x2.jpg", "s2x2_progressive.jpg", "gray.jpg", "restart_blocks.jpg"}) {
    CAPTURE(name);
    const File good = read_jpeg(name);
    const std::size_t frame = std::min(find_marker(good, 0xC0), find_marker(good, 0xC2));
    const auto expect_named = [&](const File& file, std::string_view what) {
      const std::string error = error_of_jpeg(file);
      CHECK_MESSAGE((error.starts_with("unsupported: x.jpg: ") && error.find(what) != std::string::npos), error);
    };
    for (const auto& [marker, what] : {std::pair{0xC3, "lossless"},
                                       {0xC5, "hierarchical"},
                                       {0xC6, "hierarchical"},
                                       {0xC7, "hierarchical"},
                                       {0xC8, "T.84"},
                                       {0xC9, "arithmetic"},
                                       {0xCA, "arithmetic"},
                                       {0xCB, "arithmetic"},
                                       {0xCC, "arithmetic"},
                                       {0xCD, "arithmetic"},
                                       {0xCE, "arithmetic"},
                                       {0xCF, "arithmetic"},
                                       {0xDE, "hierarchical"},
                                       {0xF7, "JPEG-LS"}}) {
      File file = good;
      file[frame + 1] = static_cast<std::byte>(marker);
      for (std::size_t size = frame + 2; size <= file.size(); size += 1 + size / 9)  // cut behind the marker
        expect_named(File(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(size)), what);
      for (std::size_t at = frame + 2; at < frame + 17; ++at) {  // and damaged there
        File damaged = file;
        damaged[at] ^= std::byte{0xFF};
        expect_named(damaged, what);
      }
    }
    for (const int precision : {2, 12, 16}) {
      File file = good;
      file[frame + 4] = static_cast<std::byte>(precision);
      for (std::size_t size = frame + 5; size <= file.size(); size += 1 + size / 9)
        expect_named(File(file.begin(), file.begin() + static_cast<std::ptrdiff_t>(size)), "bits per sample");
    }
  }
}

TEST_CASE("jpeg: a third byte that begins no segment is damage") {
  for (int byte = 0; byte < 255; ++byte) {
    File file = read_jpeg("gray.jpg");
    file[2] = static_cast<std::byte>(byte);
    CHECK(image_format(file) == ImageFormat::jpeg);
    CHECK(error_of_jpeg(file).starts_with("format: x.jpg: damaged JPEG: the third byte is "));
  }
}

TEST_CASE("jpeg: what is no JPEG, or promises too much, is refused before memory is taken") {
  CHECK(error_of_jpeg({}).find("not a JPEG file") != std::string::npos);
  CHECK(error_of_jpeg(File(100)).find("not a JPEG file") != std::string::npos);
  File file;
  append(file, {0xFF, 0xD8, 0xFF, 0xD9});
  CHECK(error_of_jpeg(file).find("it holds no picture") != std::string::npos);
  for (const char* name : {"s2x2.jpg", "s2x2_progressive.jpg", "gray.jpg"}) {
    file = read_jpeg(name);
    const std::size_t frame = std::min(find_marker(file, 0xC0), find_marker(file, 0xC2));
    file[frame + 5] = file[frame + 7] = std::byte{0x20};  // 8192 and more
    CHECK(error_of_jpeg(file).starts_with("limit: x.jpg: an image of 82"));
    file[frame + 5] = file[frame + 7] = std::byte{0xFF};
    CHECK(error_of_jpeg(file).find("larger than the 268435456 pixels") != std::string::npos);
  }
}

TEST_CASE("jpeg: a flood of tiny scans is refused, a long but honest list is not") {
  const Image image = decode_jpeg(make_scan_flood(25), "x.jpg");
  CHECK(image.width() == 2048);
  CHECK(image.row(2047)[6143] == 128);
  CHECK(error_of_jpeg(make_scan_flood(630)).starts_with("limit: x.jpg: this JPEG file has far more scans"));
}
