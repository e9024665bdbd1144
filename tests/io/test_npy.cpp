// SPDX-License-Identifier: MIT
#include <moeclip/io/npy.hpp>

#include <doctest/doctest.h>

#include <array>

using namespace moeclip;

namespace {

std::string header_of(const std::vector<std::byte>& file) {
  ByteReader reader(file, "npy");
  CHECK(as_text(reader.take(8)) == std::string_view("\x93NUMPY\x01\x00", 8));
  const std::uint64_t length = reader.u16le();
  CHECK((10 + length) % 64 == 0);
  const std::string header(as_text(reader.take(length)));
  CHECK(header.back() == '\n');
  return header.substr(0, header.find_last_not_of(" \n") + 1);
}

}  // namespace

TEST_CASE("npy: header and data as NumPy writes them") {
  const std::array<float, 6> numbers = {0.0f, -1.0f, 2.5f, 3.0f, 4.0f, 1e30f};
  const auto file = encode_npy(numbers.data(), {2, 3});
  CHECK(header_of(file) == "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }");
  REQUIRE(file.size() == 128 + 24);
  ByteReader reader(file, "npy");
  reader.seek(128);
  for (const float number : numbers) CHECK(std::bit_cast<float>(reader.u32le()) == number);
}

TEST_CASE("npy: every type and rank") {
  const std::array<double, 2> real = {1.0, -2.0};
  CHECK(header_of(encode_npy(real.data(), {2})) == "{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }");
  CHECK(header_of(encode_npy(real.data(), Shape())) == "{'descr': '<f8', 'fortran_order': False, 'shape': (), }");
  CHECK(encode_npy(real.data(), Shape()).size() == 128 + 8);
  CHECK(encode_npy(real.data(), {0, 4}).size() == 128);
  const std::array<std::uint8_t, 4> bytes = {1, 2, 3, 255};
  CHECK(header_of(encode_npy(bytes.data(), {1, 4, 1})) ==
        "{'descr': '|u1', 'fortran_order': False, 'shape': (1, 4, 1), }");
  const std::array<std::int64_t, 1> integer = {-2};
  const auto file = encode_npy(integer.data(), {1});
  CHECK(header_of(file) == "{'descr': '<i8', 'fortran_order': False, 'shape': (1,), }");
  CHECK(file.back() == std::byte{0xFF});
  const bool truth[] = {true};
  CHECK(header_of(encode_npy(truth, {1})) == "{'descr': '|b1', 'fortran_order': False, 'shape': (1,), }");
}
