// SPDX-License-Identifier: MIT
#pragma once
// Pictures that follow each other in one stream of bytes, as `ffmpeg -f image2pipe` and `cat *.png` write them. Where a
// picture ends is read from its own structure: PNG chunks up to IEND, JPEG segments and scans up to EOI, GIF blocks
// up to the trailer, the sizes in the headers of bitmaps, WebP and Netpbm files. No byte of the next picture is waited
// for, so a live picture is handed on as soon as its last byte is there; only a TIFF, which may hold what its
// directories do not speak of, ends where the next picture begins or the stream ends. Between pictures there may be
// white space and zeros.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "../base/function_ref.hpp"
#include "../base/types.hpp"
#include "../io/bytes.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// Cuts a stream into pictures, which it does not decode.
class ImageStream {
 public:
  /// Fills the start of what it is given, waiting for at least one byte; returns how many, 0 at the end.
  using Source = function_ref<std::size_t(std::span<std::byte>)>;

  /// `source` must outlive this; `name` is what messages call it.
  ImageStream(Source source, std::string name) : source_(source), name_(std::move(name)) {}

  /// The bytes of the next picture, valid until the next call; empty at the end. One that the stream ends in is handed
  /// on as far as it goes: decoding it tells what is missing. Throws as fail_image_format where no picture begins,
  /// format for a structure that cannot be followed, limit for a picture of more than 1 GiB; the stream is over then.
  Bytes next();

  /// The next `size` bytes, at least one: a picture without any structure, such as a raw frame. Less at the end.
  Bytes next(std::uint64_t size);

  /// Pictures so far, so also the number of the last one, from 1.
  [[nodiscard]] index_t number() const { return number_; }
  /// What messages call the last picture: the stream's name, from the second on with its number.
  [[nodiscard]] std::string picture_name() const;
  /// False if the stream ended inside the last picture.
  [[nodiscard]] bool is_whole() const { return is_whole_; }

 private:
  class Reader;

  void begin();
  bool have(std::uint64_t count);
  std::uint64_t cut_off();
  std::uint64_t end_of_picture();
  std::uint64_t end_of_png();
  std::uint64_t end_of_jpeg();
  std::uint64_t end_of_bmp();
  std::uint64_t end_of_pnm();
  std::uint64_t end_of_gif();
  std::uint64_t end_of_webp();
  std::uint64_t end_of_tiff();
  std::uint64_t end_of_tiff_page(std::uint64_t& page);

  [[nodiscard]] std::uint64_t available() const { return filled_ - begin_; }
  [[nodiscard]] const std::byte* at(std::uint64_t place) const { return buffer_.data() + begin_ + place; }
  [[nodiscard]] Bytes seen() const { return {at(0), static_cast<std::size_t>(available())}; }

  Source source_;
  std::string name_;
  std::vector<std::byte> buffer_;
  std::size_t begin_ = 0, filled_ = 0;  // the picture begins and the buffer ends here
  std::uint64_t length_ = 0;            // of the last picture
  index_t number_ = 0;
  bool is_at_end_ = false;  // the source has no more
  bool is_over_ = false;    // the structure is lost
  bool is_whole_ = true;
};

/// Whether `bytes` hold a picture of a format that is read to its last byte, judged by its structure alone. Throws as
/// ImageStream::next.
bool is_whole_picture(Bytes bytes);

}}  // namespace moeclip::abi_v0_1

#if MOECLIP_DEFINES(MOECLIP_IMAGE)

#include <algorithm>
#include <cstring>

#include "bmp.hpp"
#include "image_format.hpp"
#include "pnm.hpp"

namespace moeclip { inline namespace abi_v0_1 {

/// A cursor that waits for the bytes it reads, for the grammar of Netpbm headers.
class ImageStream::Reader {
 public:
  explicit Reader(ImageStream& stream) : stream_(stream), source_(stream.picture_name()) {}

  std::uint8_t u8() {
    if (!stream_.have(offset_ + 1))
      fail(ErrorCode::format, concat(source_, ": truncated: 1 bytes wanted at offset ", offset_, ", 0 left"));
    return std::to_integer<std::uint8_t>(*stream_.at(offset_++));
  }
  void skip(std::uint64_t count) { offset_ += count; }
  [[nodiscard]] std::uint64_t left() { return stream_.have(offset_ + 1) ? stream_.available() - offset_ : 0; }
  [[nodiscard]] std::uint64_t offset() const { return offset_; }
  [[nodiscard]] const std::string& source() const { return source_; }

 private:
  ImageStream& stream_;
  std::string source_;
  std::uint64_t offset_ = 0;
};

/// Waits until `count` bytes of the picture are there; false if the stream ends before.
MOECLIP_FUNC bool ImageStream::have(std::uint64_t count) {
  constexpr std::uint64_t kMost = std::uint64_t{1} << 30;
  constexpr std::size_t kStep = std::size_t{1} << 16;
  if (count > kMost) fail(ErrorCode::limit, concat(picture_name(), ": a picture of more than 1 GiB"));
  while (available() < count && !is_at_end_) {
    if (begin_ > 0 && begin_ >= filled_ - begin_) {  // moves no more than it frees
      std::copy(buffer_.begin() + static_cast<std::ptrdiff_t>(begin_),
                buffer_.begin() + static_cast<std::ptrdiff_t>(filled_), buffer_.begin());
      filled_ -= begin_;
      begin_ = 0;
    }
    if (buffer_.size() - filled_ < kStep) buffer_.resize(filled_ + (std::max)(kStep, filled_ / 2));
    const std::size_t read = source_(std::span(buffer_).subspan(filled_));
    is_at_end_ = read == 0;
    filled_ += read;
  }
  return available() >= count;
}

/// The end of a picture that the stream ends in.
MOECLIP_FUNC std::uint64_t ImageStream::cut_off() {
  is_whole_ = false;
  return available();
}

/// Leaves the last picture behind.
MOECLIP_FUNC void ImageStream::begin() {
  begin_ += static_cast<std::size_t>(length_);
  length_ = 0;
  is_whole_ = true;
}

MOECLIP_FUNC std::string ImageStream::picture_name() const {
  return number_ > 1 ? concat(name_, ", picture ", number_) : name_;
}

MOECLIP_FUNC Bytes ImageStream::next() {
  begin();
  if (is_over_) return {};
  const auto is_between = [](std::byte byte) {
    return byte == std::byte{0} || detail::is_pnm_space(std::to_integer<unsigned>(byte));
  };
  while (have(1) && is_between(*at(0))) ++begin_;
  if (available() == 0) return {};
  ++number_;
  is_over_ = true;  // unless the end is found
  length_ = end_of_picture();
  is_over_ = false;
  return seen().first(static_cast<std::size_t>(length_));
}

MOECLIP_FUNC Bytes ImageStream::next(std::uint64_t size) {
  begin();
  if (!have(1)) return {};
  ++number_;
  length_ = have(size) ? size : cut_off();
  return seen().first(static_cast<std::size_t>(length_));
}

MOECLIP_FUNC std::uint64_t ImageStream::end_of_picture() {
  constexpr std::uint64_t kShortest = 8;  // "P1 1 1 0"
  have(kShortest);
  if (as_text(seen()).starts_with("RIFF")) have(12);  // which kind of RIFF comes behind its length
  switch (image_format(seen())) {
    case ImageFormat::png: return end_of_png();
    case ImageFormat::jpeg: return end_of_jpeg();
    case ImageFormat::bmp: return end_of_bmp();
    case ImageFormat::pnm: return end_of_pnm();
    case ImageFormat::gif: return end_of_gif();
    case ImageFormat::webp: return end_of_webp();
    case ImageFormat::tiff: return end_of_tiff();
    case ImageFormat::unknown: break;
  }
  fail_image_format(seen(), picture_name());
}

MOECLIP_FUNC std::uint64_t ImageStream::end_of_png() {
  std::uint64_t place = 8;  // behind the signature
  while (have(place + 8)) {
    const std::string_view type = as_text(seen().subspan(static_cast<std::size_t>(place + 4), 4));
    const bool is_chunk = std::all_of(type.begin(), type.end(), [](char letter) {
      return (letter >= 'A' && letter <= 'Z') || (letter >= 'a' && letter <= 'z');
    });
    if (!is_chunk) fail(ErrorCode::format, concat(picture_name(), ": damaged PNG: no chunk begins at offset ", place));
    const bool is_last = type == "IEND";
    place += 12 + std::uint64_t{load_u32be(at(place))};  // length, type, data, checksum
    if (is_last) return have(place) ? place : cut_off();
  }
  return cut_off();
}

MOECLIP_FUNC std::uint64_t ImageStream::end_of_gif() {
  const auto byte = [&](std::uint64_t place) { return std::to_integer<unsigned>(*at(place)); };
  const auto colours = [](unsigned flags) { return (flags & 0x80) != 0 ? std::uint64_t{6} << (flags & 7) : 0; };
  if (!have(13)) return cut_off();
  std::uint64_t place = 13 + colours(byte(10));  // behind the screen and its colours
  while (have(place + 1)) {
    const unsigned introducer = byte(place);
    if (introducer == 0x3B) return place + 1;  // the trailer
    if (introducer != 0x21 && introducer != 0x2C)
      fail(ErrorCode::format, concat(picture_name(), ": damaged GIF: no block begins at offset ", place));
    if (introducer == 0x2C && !have(place + 11)) return cut_off();
    place += introducer == 0x21 ? 2 : 11 + colours(byte(place + 9));
    while (have(place + 1) && byte(place) != 0) place += 1 + byte(place);  // sub-blocks, up to an empty one
    ++place;
  }
  return cut_off();
}

MOECLIP_FUNC std::uint64_t ImageStream::end_of_webp() {
  if (!have(8)) return cut_off();
  const std::uint64_t size = load_u32le(at(4)), length = 8 + size + size % 2;
  return have(length) ? length : cut_off();
}

/// The last byte that the directory at `page` speaks of, which becomes the place of the next one; all that could be if
/// it is cut off.
MOECLIP_FUNC std::uint64_t ImageStream::end_of_tiff_page(std::uint64_t& page) {
  constexpr std::uint64_t kNothing = ~std::uint64_t{0};
  constexpr std::uint8_t kSizes[] = {0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4};  // of types
  const bool is_little = *at(0) == std::byte{'I'};
  const auto u16 = [&](std::uint64_t place) { return is_little ? load_u16le(at(place)) : load_u16be(at(place)); };
  const auto u32 = [&](std::uint64_t place) { return is_little ? load_u32le(at(place)) : load_u32be(at(place)); };
  constexpr std::uint64_t kMost = std::uint64_t{1} << 30;  // as have()
  if (page >= kMost / 2 || !have(page + 2) || !have(page + 6 + 12 * std::uint64_t{u16(page)})) return kNothing;
  const std::uint64_t fields = page + 2, next = fields + 12 * std::uint64_t{u16(page)};
  struct List {
    std::uint64_t place = 0, count = 0, size = 0;
  } starts, sizes;  // of strips or tiles
  std::uint64_t end = next + 4;
  for (std::uint64_t field = fields; field < next; field += 12) {
    const unsigned tag = u16(field), type = u16(field + 2);
    List list{field + 8, u32(field + 4), type < std::size(kSizes) ? kSizes[type] : std::uint64_t{0}};
    if (list.count * list.size > 4) list.place = u32(field + 8);
    end = (std::max)(end, list.place + list.count * list.size);
    if (list.size != 2 && list.size != 4) continue;
    if (tag == 273 || tag == 324) starts = list;
    if (tag == 279 || tag == 325) sizes = list;
  }
  if (end > kMost || !have(end)) return kNothing;
  const auto value = [&](const List& list, std::uint64_t i) -> std::uint64_t {
    return list.size == 2 ? u16(list.place + 2 * i) : u32(list.place + 4 * i);
  };
  constexpr std::uint64_t kMostStrips = 65536;  // more are not looked at, so that no file takes long
  for (std::uint64_t i = 0; i < (std::min)({starts.count, sizes.count, kMostStrips}); ++i)
    end = (std::max)(end, value(starts, i) + value(sizes, i));
  page = u32(next);
  return end <= kMost ? end : kNothing;
}

MOECLIP_FUNC std::uint64_t ImageStream::end_of_tiff() {
  constexpr int kMostPages = 1000;
  std::uint64_t end = 8;
  bool is_whole = have(end);
  std::uint64_t page = !is_whole ? 0 : *at(0) == std::byte{'I'} ? load_u32le(at(4)) : load_u32be(at(4));
  for (int number = 0; is_whole && page != 0 && number < kMostPages; ++number) {
    const std::uint64_t begin = page, last = end_of_tiff_page(page);
    if (page <= begin) page = 0;  // the last one, or a circle
    is_whole = last != ~std::uint64_t{0} && have(last);
    if (is_whole) end = (std::max)(end, last);
  }
  std::uint64_t behind = end;
  while (is_whole && have(behind + 1) && *at(behind) == std::byte{0}) ++behind;
  if (is_whole && have(behind + 1)) have(behind + 12);
  if (is_whole && image_format(seen().subspan(static_cast<std::size_t>(behind))) != ImageFormat::unknown) return end;
  while (have(available() + 1)) {
  }
  return is_whole ? available() : cut_off();
}

MOECLIP_FUNC std::uint64_t ImageStream::end_of_jpeg() {
  std::uint64_t place = 2;  // behind SOI
  while (have(place + 2)) {
    const void* const mark = std::memchr(at(place), 0xFF, static_cast<std::size_t>(available() - place));
    place = mark == nullptr ? available() : static_cast<std::uint64_t>(static_cast<const std::byte*>(mark) - at(0));
    if (mark == nullptr) continue;
    if (!have(place + 2)) break;
    const auto code = std::to_integer<unsigned>(*at(place + 1));
    if (code == 0xD9) return place + 2;  // EOI
    if (code == 0xD8) return place;      // the next picture: this one was cut off by who wrote it
    if (code == 0xFF) {                  // a fill byte
      place += 1;
    } else if (code <= 0x01 || (code >= 0xD0 && code <= 0xD7)) {  // a byte of a scan, TEM, RSTn
      place += 2;
    } else {
      if (!have(place + 4)) break;
      const unsigned length = load_u16be(at(place + 2));
      if (length < 2)
        fail(ErrorCode::format,
             concat(picture_name(), ": damaged JPEG: a segment of length ", length, " at offset ", place));
      place += 2 + length;
    }
  }
  return cut_off();
}

MOECLIP_FUNC std::uint64_t ImageStream::end_of_bmp() {
  if (!have(18)) return cut_off();
  const std::uint64_t header_size = load_u32le(at(14));
  std::uint64_t headers = 14 + (std::min)(header_size, std::uint64_t{124});
  if (!have(headers)) return cut_off();
  if (header_size == 40) {  // masks follow
    const std::uint32_t compression = load_u32le(at(30));
    headers += compression == 3 ? 12 : compression == 6 ? 16 : 0;
  }
  if (!have(headers)) return cut_off();
  const BmpHeader header = read_bmp_header(seen(), picture_name());
  const std::uint64_t claimed = load_u32le(at(2));
  std::uint64_t end = claimed;
  if (header.is_rle()) {
    if (claimed <= header.pixel_offset)
      fail(ErrorCode::format, concat(picture_name(), ": a bitmap of run lengths that says it has ",
                                     counted(claimed, "byte"), "; in a stream nothing else tells where it ends"));
  } else {
    end = header.pixel_offset + static_cast<std::uint64_t>(header.row_bytes() * header.height);
    constexpr std::uint64_t kMostBehind = std::uint64_t{1} << 22;  // a colour profile; more is no size but a mistake
    if (claimed > end && claimed - end <= kMostBehind) end = claimed;
  }
  return have(end) ? end : cut_off();
}

MOECLIP_FUNC std::uint64_t ImageStream::end_of_pnm() {
  Reader reader(*this);
  const PnmHeader header = detail::read_pnm_header_from(reader);
  const auto row_samples = static_cast<std::uint64_t>(header.width * header.depth);
  const auto rows = static_cast<std::uint64_t>(header.height);
  if (header.is_text()) {
    for (std::uint64_t i = 0; i < rows * row_samples; ++i)
      static_cast<void>(header.is_bitmap() ? detail::skip_pnm_space(reader) : detail::read_pnm_number(reader));
    return reader.offset();
  }
  const std::uint64_t row_bytes =
      header.is_bitmap() ? (row_samples + 7) / 8 : row_samples * (header.maxval > 255 ? 2 : 1);
  const std::uint64_t end = header.pixel_offset + rows * row_bytes;
  return have(end) ? end : cut_off();
}

MOECLIP_FUNC bool is_whole_picture(Bytes bytes) {
  const auto rest = [&](std::span<std::byte> to) {
    const std::size_t count = (std::min)(to.size(), bytes.size());
    std::copy_n(bytes.begin(), count, to.begin());
    bytes = bytes.subspan(count);
    return count;
  };
  ImageStream stream(rest, "picture");
  return !stream.next().empty() && stream.is_whole();
}

}}  // namespace moeclip::abi_v0_1

#endif
