// SPDX-License-Identifier: MIT
#pragma once
// What the tests of image/ share: golden tensors, hashes of pixels, expected failures.

#include <doctest/doctest.h>

#include <cstring>
#include <span>
#include <string>
#include <vector>

#include <moeclip/base/rng.hpp>
#include <moeclip/image/image.hpp>
#include <moeclip/io/file.hpp>
#include <moeclip/io/json.hpp>
#include <moeclip/io/little_endian.hpp>
#include "golden.hpp"

namespace image_test {

using namespace moeclip;

/// A safetensors file of golden data; small enough to be read whole.
class Golden {
 public:
  explicit Golden(const std::string& name)
      : bytes_(read_file(golden_path("components/" + name + ".safetensors"), 1 << 20)) {
    ByteReader reader(bytes_, name);
    const std::uint64_t size = reader.u64le();
    header_ = parse_json(as_text(reader.take(size)), name);
    data_ = Bytes(bytes_).subspan(8 + static_cast<std::size_t>(size));
  }

  [[nodiscard]] bool has(const std::string& name) const { return header_.find(name) != nullptr; }
  [[nodiscard]] index_t extent(const std::string& name, std::size_t axis) const {
    return header_.at(name).at("shape").at(axis).as_int64();
  }
  template <class T>
  [[nodiscard]] std::vector<T> get(const std::string& name) const {
    const Json& range = header_.at(name).at("data_offsets");
    const auto begin = static_cast<std::size_t>(range.at(0).as_uint64());
    const auto end = static_cast<std::size_t>(range.at(1).as_uint64());
    std::vector<T> values((end - begin) / sizeof(T));
    std::memcpy(values.data(), data_.data() + begin, end - begin);
    const auto swapped_back =
        little_endian_bytes(std::span<const T>(values));  // for the way is the same in both directions
    std::memcpy(values.data(), swapped_back.data(), swapped_back.size());
    return values;
  }

 private:
  std::vector<std::byte> bytes_;
  Json header_;
  Bytes data_;
};

inline std::string hash(const Image& image) {
  const std::string_view pixels(reinterpret_cast<const char*>(image.data()), static_cast<std::size_t>(image.size()));
  const std::uint64_t value = fnv1a64(pixels);
  std::string text;
  for (int shift = 60; shift >= 0; shift -= 4) text += "0123456789abcdef"[value >> shift & 15];
  return text;
}

inline std::vector<std::byte> read_golden(const std::string& name) { return read_file(golden_path(name), 1 << 20); }

/// The words of a text file, line by line.
inline std::vector<std::vector<std::string>> read_lines(const std::string& name) {
  const auto bytes = read_golden(name);
  std::vector<std::vector<std::string>> lines(1, std::vector<std::string>(1));
  for (const char letter : as_text(bytes)) {
    if (letter == '\n')
      lines.emplace_back(1);
    else if (letter == ' ')
      lines.back().emplace_back();
    else
      lines.back().back() += letter;
  }
  lines.pop_back();
  return lines;
}

/// The message of the Error that `call` throws, with its code in front; "" if it throws none.
template <class Call>
std::string error_of(const Call& call) {
  try {
    call();
  } catch (const Error& error) {
    return concat(to_string(error.code()), ": ", error.what());
  }
  return "";
}

/// Random pixels.
inline Image noise(index_t width, index_t height, index_t channels, std::string_view name) {
  Image image(width, height, channels);
  const Rng rng(3, name);
  for (index_t i = 0; i < image.size(); ++i) image.data()[i] = static_cast<std::uint8_t>(rng.integer(i, 0, 256));
  return image;
}

}  // namespace image_test
