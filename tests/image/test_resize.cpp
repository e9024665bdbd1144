// SPDX-License-Identifier: MIT
#include <algorithm>

#include <moeclip/image/resize.hpp>
#include <moeclip/kernels/dispatch.hpp>
#include "image_test.hpp"

using namespace moeclip;

namespace {

/// The picture of a golden case: 8 x 8 cells of one colour plus noise.
Image synthetic_rgb(const std::string& name, index_t width, index_t height) {
  const Rng cells(1, name + ".cells"), noise(1, name + ".noise");
  const index_t across = (width + 7) / 8;
  Image image(width, height, 3);
  for (index_t y = 0; y < height; ++y)
    for (index_t x = 0; x < width; ++x)
      for (index_t c = 0; c < 3; ++c)
        image.row(y)[3 * x + c] = static_cast<std::uint8_t>(cells.integer((y / 8 * across + x / 8) * 3 + c, 32, 200) +
                                                            noise.integer((y * width + x) * 3 + c, 0, 56));
  return image;
}

/// FNV-1a over little-endian words of eight bytes, the last one padded with zeros.
std::uint64_t word_hash(const Image& image) {
  std::uint64_t hash = 0xCBF29CE484222325u;
  for (index_t i = 0; i < image.size(); i += 8) {
    std::uint64_t word = 0;
    for (index_t k = 0; k < 8 && i + k < image.size(); ++k) word |= std::uint64_t{image.data()[i + k]} << (8 * k);
    hash = (hash ^ word) * 0x100000001B3u;
  }
  return hash;
}

Image resized(int threads, const Image& in, index_t width, index_t height) {
  Context context({.threads = threads});
  Image out(width, height, in.channels());
  resize_bicubic(context, in.view(), width, height, out.data());
  return out;
}

struct Case {
  index_t height, width, size;
  std::uint64_t in_hash, out_hash;
};

// components/pil_resize of the golden data
const Case kCases[] = {
    {37, 53, 70, 0x516550acc310e8dd, 0x2aae2b2dfa7316e0},      {91, 113, 70, 0x3d806e6d9385c809, 0xc0c53c6b9da241e1},
    {70, 70, 70, 0x5ad2c47d8e520b30, 0x5ad2c47d8e520b30},      {1, 1, 14, 0x4eb9514d94c0225b, 0x0cc9b21d0bd4ae08},
    {2, 3, 28, 0x2e7342bf086c456b, 0x432b88992785bf26},        {3, 301, 56, 0x9488f925e4cbca7e, 0xb24d1abcca8ada0a},
    {257, 5, 42, 0x6715615a4c77043f, 0x3692903454797495},      {224, 224, 518, 0x6f990bb0f942c4ef, 0x0f485db1b2b184bf},
    {517, 519, 518, 0xae5f7da43032846a, 0xc825ae18c3ef5047},   {700, 900, 518, 0x9df9a2e77d85586f, 0x23eb0dbdb1d177f6},
    {1024, 1024, 518, 0xba48650c97a39a3f, 0x72ff34bbc59ea7c4}, {333, 222, 336, 0x90fd8b3bffa70b02, 0x67cd48a44b7a4815},
    {1000, 417, 336, 0xacc437728a1d4777, 0xee764a92ac7737d7},  {64, 64, 224, 0xc7f807dac372c137, 0x41ffecc6993389b8},
    {480, 640, 224, 0x0c457ccc1ca754af, 0x7eb3a6a8f470a694},   {518, 518, 518, 0x95232cccfe11422a, 0x95232cccfe11422a},
    {1562, 960, 518, 0x0fd9eada7ee84f43, 0xa065728a33aa5625}};

}  // namespace

TEST_CASE("bicubic resizing equals Pillow's, bit for bit") {
  const image_test::Golden golden("pil_resize");
  for (const auto& [height, width, size, in_hash, out_hash] : kCases) {
    const std::string name = concat("rgb_", height, "x", width, "_to_", size);
    CAPTURE(name);
    const Image in = synthetic_rgb(name, width, height);
    REQUIRE(word_hash(in) == in_hash);
    const Image out = resized(1, in, size, size);
    CHECK(word_hash(out) == out_hash);
    if (!golden.has(name + "/out")) continue;
    const auto expected = golden.get<std::uint8_t>(name + "/out");
    CHECK(std::equal(expected.begin(), expected.end(), out.data()));
  }
}

TEST_CASE("any number of threads gives the same bits, and gray is a channel of its own") {
  const Image in = synthetic_rgb("threads", 203, 151);
  Image red(203, 151, 1);
  for (index_t i = 0; i < red.size(); ++i) red.data()[i] = in.data()[3 * i];
  for (const auto& [width, height] : {std::pair<index_t, index_t>{70, 97}, {400, 1}, {1, 300}, {203, 80}, {90, 151}}) {
    const Image one = resized(1, in, width, height);
    for (const int threads : {2, 3}) CHECK(word_hash(resized(threads, in, width, height)) == word_hash(one));
    const Image gray = resized(2, red, width, height);
    bool is_same = true;
    for (index_t i = 0; i < gray.size(); ++i) is_same = is_same && gray.data()[i] == one.data()[3 * i];
    CHECK(is_same);
  }
}

TEST_CASE("every instruction set gives the same bits, up to the last pixel of a row") {
  const kernels::Isa before = kernels::active_isa();
  for (const index_t width : {1, 2, 3, 4, 5, 7, 8, 50, 333}) {
    const Image in = synthetic_rgb("isa", width, 9);
    for (const index_t out_width : {1, 3, 14, 70, 400}) {
      kernels::select(kernels::Isa::scalar);
      const std::uint64_t expected = word_hash(resized(1, in, out_width, 5));
      for (const kernels::Isa isa : kernels::compiled()) {
        if (!kernels::supported(isa)) continue;
        kernels::select(isa);
        CHECK(word_hash(resized(1, in, out_width, 5)) == expected);
      }
    }
  }
  kernels::select(before);
}

TEST_CASE("a view may be a part of a picture, and the second resize takes no memory") {
  const Image whole = synthetic_rgb("part", 90, 60);
  Image part(40, 30, 3);
  for (index_t y = 0; y < 30; ++y) std::copy_n(whole.row(y + 7) + 3 * 11, 120, part.row(y));
  const ImageView view{whole.row(7) + 3 * 11, 40, 30, 3, whole.row_stride()};
  Context context({.threads = 2});
  Image a(25, 25, 3), b(25, 25, 3);
  resize_bicubic(context, view, 25, 25, a.data());
  const index_t held = context.arena().capacity();
  resize_bicubic(context, part.view(), 25, 25, b.data());
  CHECK(word_hash(a) == word_hash(b));
  CHECK(context.arena().capacity() == held);
}

TEST_CASE("a very wide picture is resized in strips with the same result") {
  const index_t width = 3'000'000;  // more weights than one strip holds
  Image wide(width, 2, 1);
  for (index_t i = 0; i < wide.size(); ++i) wide.data()[i] = static_cast<std::uint8_t>(i * 7 / 1000);
  const Image out = resized(2, wide, 40, 3);
  Image flipped(2, width, 1);
  for (index_t i = 0; i < width; ++i)
    for (index_t k = 0; k < 2; ++k) flipped.row(i)[k] = wide.row(k)[i];
  const Image down = resized(1, flipped, 2, 40);  // one pass each, so the order of the passes does not matter
  const Image across = resized(1, wide, 40, 2);
  bool is_same = true;
  for (index_t i = 0; i < 40; ++i)
    for (index_t k = 0; k < 2; ++k) is_same = is_same && across.row(k)[i] == down.row(i)[k];
  CHECK(is_same);
  CHECK(out.row(1)[20] > 0);
}

TEST_CASE("nearest resizing equals Pillow's") {
  const image_test::Golden golden("mask_nearest");
  const index_t ins[] = {1, 7, 100, 223, 224, 256, 700, 900, 1000, 1024}, outs[] = {14, 70, 224, 336, 518};
  int compared = 0;
  for (const index_t in : ins)
    for (const index_t out : outs) {
      const std::string name = concat("index/", in, "_to_", out);
      if (!golden.has(name)) continue;
      const auto expected = golden.get<std::int16_t>(name);
      Image low(in, 1, 1), high(in, 1, 1);  // the source column in two bytes
      for (index_t i = 0; i < in; ++i) {
        low.data()[i] = static_cast<std::uint8_t>(i % 256);
        high.data()[i] = static_cast<std::uint8_t>(i / 256);
      }
      const Image l = resize_nearest(low.view(), out, 1), h = resize_nearest(high.view(), out, 1);
      bool is_same = true;
      for (index_t i = 0; i < out; ++i)
        is_same = is_same && h.data()[i] * 256 + l.data()[i] == expected[static_cast<std::size_t>(i)];
      CHECK_MESSAGE(is_same, name);
      ++compared;
    }
  CHECK(compared >= 40);
  for (const std::string name : {"mask_0", "mask_1"}) {
    const auto pixels = golden.get<std::uint8_t>(name + "/in"), expected = golden.get<std::uint8_t>(name + "/out");
    const ImageView in{pixels.data(), golden.extent(name + "/in", 1), golden.extent(name + "/in", 0), 1,
                       golden.extent(name + "/in", 1)};
    const Image out = resize_nearest(in, golden.extent(name + "/out", 1), golden.extent(name + "/out", 0));
    bool is_same = true;
    for (index_t i = 0; i < out.size(); ++i)
      is_same = is_same && (out.data()[i] != 0) == (expected[static_cast<std::size_t>(i)] != 0);
    CHECK_MESSAGE(is_same, name);
  }
}

TEST_CASE("resizing nothing, or to nothing, breaks the contract") {
  const Image in(4, 4, 3);
  CHECK_THROWS_AS(resize_bicubic(in.view(), 0, 4), Error);
  CHECK_THROWS_AS(resize_bicubic(Image().view(), 4, 4), Error);
  CHECK_THROWS_AS(resize_nearest(in.view(), 4, -1), Error);
}
