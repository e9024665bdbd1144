// SPDX-License-Identifier: MIT
// No reader of pictures takes more than 64 MiB + 4 x the file + 4 x the picture as RGB, whatever a file promises: each
// decodes in a process that cannot have more.
#include <moeclip/image/read_image.hpp>

#if defined(__linux__)  // which says what addresses a process has
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <moeclip/image/png/encode.hpp>
#include <moeclip/io/deflate.hpp>
#include "decoder_test.hpp"

// Sanitizers take terabytes of addresses themselves. GCC and clang say in different ways that there is one.
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define HAS_SANITIZER 1
#endif
#endif
#if !defined(HAS_SANITIZER) && (defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__))
#define HAS_SANITIZER 1
#endif
#if !defined(HAS_SANITIZER)
#define HAS_SANITIZER 0
#endif

using namespace moeclip;

namespace test_reader_memory {
using image_test::File;

namespace {

constexpr index_t kWidth = 4000, kHeight = 3000;

/// Addresses that this process has, in bytes.
std::uint64_t address_space() {
  unsigned long pages = 0;
  if (std::FILE* const file = std::fopen("/proc/self/statm", "r")) {
    if (std::fscanf(file, "%lu", &pages) != 1) pages = 0;
    std::fclose(file);
  }
  return std::uint64_t{pages} * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

enum Outcome { kDecoded = 10, kRefused = 11, kOutOfMemory = 12 };

/// Decodes `file` in a process of its own, which may grow by what a picture of `pixels` warrants.
int decode_in_limits(const File& file, index_t pixels, bool is_gray = false) {
  const std::uint64_t most =
      address_space() + (std::uint64_t{64} << 20) + 4 * file.size() + 4 * 3 * static_cast<std::uint64_t>(pixels);
  const pid_t child = ::fork();
  if (child == 0) {
    const rlimit limit{most, most};
    ::setrlimit(RLIMIT_AS, &limit);
    int outcome = kDecoded;
    try {
      decode_image(file, "x", {.gray = is_gray});
    } catch (const Error&) {
      outcome = kRefused;
    } catch (const std::bad_alloc&) {
      outcome = kOutOfMemory;
    }
    ::_exit(outcome);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

std::string little(std::uint64_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i, value >>= 8) text.push_back(static_cast<char>(value));
  return text;
}

File to_file(const std::string& text) {
  const Bytes bytes = as_bytes(text);
  return {bytes.begin(), bytes.end()};
}

/// Four samples of 16 bits: 8 bytes of each pixel become 3.
File deep_png(index_t width, index_t height) {
  const std::vector<std::byte> rows(static_cast<std::size_t>(width * height * 8));
  return detail::encode_png_rows({width, height, 16, PngColor::rgb_alpha, false}, rows);
}

/// The same in one strip of a TIFF.
File deep_tiff(index_t width, index_t height) {
  const std::vector<std::byte> rows(static_cast<std::size_t>(width * height * 8));
  const std::string packed(as_text(deflate_zlib(rows)));
  std::string fields;
  const auto field = [&](unsigned tag, unsigned type, std::uint64_t count, std::uint64_t value) {
    fields += little(tag, 2) + little(type, 2) + little(count, 4) + little(value, 4);
  };
  const std::uint64_t data = 8 + 2 + 9 * 12 + 4, bits = data + packed.size();
  field(256, 4, 1, static_cast<std::uint64_t>(width));
  field(257, 4, 1, static_cast<std::uint64_t>(height));
  field(258, 3, 4, bits);
  field(259, 3, 1, 8);
  field(262, 3, 1, 2);
  field(273, 4, 1, data);
  field(277, 3, 1, 4);
  field(278, 4, 1, static_cast<std::uint64_t>(height));
  field(279, 4, 1, packed.size());
  std::string depths;
  for (int i = 0; i < 4; ++i) depths += little(16, 2);
  return to_file("II*" + std::string(1, '\0') + little(8, 4) + little(9, 2) + fields + little(0, 4) + packed + depths);
}

/// A lossless WebP whose codes have one symbol each, so that its pixels take no bits.
File flat_webp(index_t width, index_t height) {
  std::uint64_t bits = 0;
  int count = 0;
  const auto put = [&](std::uint64_t value, int width_of) { bits |= value << count, count += width_of; };
  put(0, 1);                                            // no transform
  put(0, 1);                                            // no cache of colours
  put(0, 1);                                            // one group of codes
  for (int code = 0; code < 5; ++code) put(0b0001, 4);  // simple, one symbol, of one bit: 0
  const std::uint64_t sides = static_cast<std::uint64_t>(width - 1) | static_cast<std::uint64_t>(height - 1) << 14;
  std::string data = "\x2F" + little(sides, 4) + little(bits, 4) + little(0, 5);
  return to_file("RIFF" + little(12 + data.size(), 4) + "WEBPVP8L" + little(data.size(), 4) + data);
}

/// A bitmap of runs.
File run_bitmap(index_t width, index_t height) {
  std::string codes;
  for (index_t y = 0; y < height; ++y) {
    for (index_t x = 0; x < width; x += 250) codes += "\xFA" + std::string(1, '\1');
    codes += std::string(2, '\0');
  }
  codes += std::string(1, '\0') + "\1";
  const std::uint64_t offset = 14 + 40 + 8;
  return to_file("BM" + little(offset + codes.size(), 4) + little(0, 4) + little(offset, 4) + little(40, 4) +
                 little(static_cast<std::uint64_t>(width), 4) + little(static_cast<std::uint64_t>(height), 4) +
                 little(1, 2) + little(8, 2) + little(1, 4) + little(codes.size(), 4) + little(0, 8) + little(2, 4) +
                 little(0, 4) + little(0, 4) + little(0xC8C8C8, 4) + codes);
}

/// A GIF of one colour: each code is one pixel longer than the one before, as long as there are codes.
File flat_gif(index_t width, index_t height) {
  std::string codes;
  std::uint64_t bits = 0;
  int held = 0, code_bits = 3;
  const auto put = [&](std::uint64_t code) {
    bits |= code << held, held += code_bits;
    for (; held >= 8; held -= 8, bits >>= 8) codes.push_back(static_cast<char>(bits));
  };
  put(4);  // clear
  put(0);
  std::uint64_t next = 6;
  for (index_t left = width * height - 1, length = 2; left > 0; left -= length, length += next < 4095 ? 1 : 0) {
    length = (std::min)(length, left);
    put(static_cast<std::uint64_t>(length) + 4);  // code 6 is two pixels
    if (next < 4095) ++next;
    if (next == (std::uint64_t{1} << code_bits) && code_bits < 12) ++code_bits;
  }
  put(5);  // end
  codes += little(bits, 2);
  std::string blocks;
  for (std::size_t at = 0; at < codes.size(); at += 255) {
    const std::string block = codes.substr(at, 255);
    blocks += little(block.size(), 1) + block;
  }
  const std::string sides =
      little(static_cast<std::uint64_t>(width), 2) + little(static_cast<std::uint64_t>(height), 2);
  return to_file("GIF89a" + sides + "\x81" + little(0, 2) + std::string(12, '\x40') + "," + little(0, 4) + sides +
                 little(0, 1) + "\2" + blocks + little(0, 1) + ";");
}

std::string jpeg_segment(unsigned marker, const std::string& data) {
  const std::uint64_t size = data.size() + 2;
  return "\xFF" + little(marker, 1) + little(size >> 8, 1) + little(size, 1) + data;
}

/// A JPEG file whose codes are all zeros: no difference, and the end of the block.
File flat_jpeg(index_t width, index_t height, unsigned components, bool is_progressive) {
  const auto big = [](std::uint64_t value) { return little(value >> 8, 1) + little(value, 1); };
  std::string frame =
      "\x08" + big(static_cast<std::uint64_t>(height)) + big(static_cast<std::uint64_t>(width)) + little(components, 1);
  std::string every;
  for (unsigned c = 1; c <= components; ++c)
    frame += little(c, 1) + "\x11" + little(0, 1), every += little(c, 1) + little(0, 1);
  const std::string one_code = "\1" + little(0, 15) + little(0, 1);  // of one bit, for the symbol 0
  const auto blocks = static_cast<std::size_t>((width + 7) / 8 * ((height + 7) / 8));
  const auto scan = [&](const std::string& of, unsigned first, unsigned last, std::size_t bits) {
    return jpeg_segment(0xDA, little(of.size() / 2, 1) + of + little(first, 1) + little(last, 1) + little(0, 1)) +
           std::string((bits + 7) / 8, '\0');
  };
  std::string file = "\xFF\xD8" + jpeg_segment(0xDB, little(0, 1) + std::string(64, '\1')) +
                     jpeg_segment(is_progressive ? 0xC2 : 0xC0, frame) +
                     jpeg_segment(0xC4, little(0, 1) + one_code + "\x10" + one_code);
  file += scan(every, 0, is_progressive ? 0 : 63, components * blocks * (is_progressive ? 1 : 2));
  for (unsigned c = 1; is_progressive && c <= components; ++c) file += scan(little(c, 1) + little(0, 1), 1, 63, blocks);
  return to_file(file + "\xFF\xD9");
}

/// A lossy WebP whose bits are all zeros: every block is predicted, and nothing is added.
File flat_lossy_webp(index_t width, index_t height) {
  constexpr std::uint64_t kModes = 60000, kBlocks = 120000;  // bytes; a picture of 12 million pixels takes less
  const std::uint64_t head = kModes << 5 | 0x10;             // a key frame that is shown
  const std::string data = little(head, 3) + "\x9D\x01\x2A" + little(static_cast<std::uint64_t>(width), 2) +
                           little(static_cast<std::uint64_t>(height), 2) +
                           std::string(static_cast<std::size_t>(kModes + kBlocks), '\0');
  return to_file("RIFF" + little(12 + data.size(), 4) + "WEBPVP8 " + little(data.size(), 4) + data);
}

}  // namespace

TEST_CASE("large pictures are decoded in the memory that they warrant" * doctest::skip(HAS_SANITIZER != 0)) {
  CHECK(decode_in_limits(deep_png(kWidth, kHeight), kWidth * kHeight) == kDecoded);
  CHECK(decode_in_limits(deep_png(kWidth, kHeight), kWidth * kHeight, true) == kDecoded);
  CHECK(decode_in_limits(deep_tiff(kWidth, kHeight), kWidth * kHeight) == kDecoded);
  CHECK(decode_in_limits(flat_webp(kWidth, kHeight), kWidth * kHeight) == kDecoded);
  CHECK(decode_in_limits(run_bitmap(kWidth, kHeight), kWidth * kHeight) == kDecoded);
  CHECK(decode_in_limits(flat_gif(kWidth, kHeight), kWidth * kHeight) == kDecoded);
  CHECK(decode_in_limits(flat_lossy_webp(kWidth, kHeight), kWidth * kHeight) == kDecoded);
  for (const unsigned components : {1u, 3u, 4u})
    for (const bool is_progressive : {false, true}) {
      CAPTURE(components);
      CAPTURE(is_progressive);
      CHECK(decode_in_limits(flat_jpeg(kWidth, kHeight, components, is_progressive), kWidth * kHeight) == kDecoded);
    }
}

TEST_CASE("what a picture promises and does not hold is refused in the memory of its file" *
          doctest::skip(HAS_SANITIZER != 0)) {
  const auto promise = [](File file, std::size_t at, std::initializer_list<int> size) {
    return image_test::with_bytes(std::move(file), at, size);
  };
  CHECK(decode_in_limits(promise(deep_png(8, 8), 16, {0, 0, 0x40, 0, 0, 0, 0x40, 0}), 1) == kRefused);
  CHECK(decode_in_limits(promise(deep_tiff(8, 8), 10 + 8, {0, 0x40}), 1) == kRefused);
  CHECK(decode_in_limits(promise(run_bitmap(8, 8), 18, {0, 0x40, 0, 0, 0, 0x40, 0, 0}), 1) == kRefused);
  for (const char* name : {"pictures/plain.gif", "pictures/rgb.tif", "pictures/tiff_lzw.tif", "pictures/lossy40.webp",
                           "jpeg/s2x2.jpg", "jpeg/s2x2_progressive.jpg", "image/c2d8.png", "image/v3_24.bmp"}) {
    CAPTURE(name);
    const File good = image_test::read_golden(name);
    for (std::size_t at = 4; at + 8 < (std::min<std::size_t>)(good.size(), 200); ++at) {
      const int outcome = decode_in_limits(promise(good, at, {0x3F, 0xFF, 0x3F, 0xFF}), 64 * 64);
      CHECK_MESSAGE((outcome == kRefused || outcome == kDecoded), at);
    }
  }
}

}  // namespace test_reader_memory

#endif
