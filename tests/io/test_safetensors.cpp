// SPDX-License-Identifier: MIT
#include <moeclip/io/safetensors.hpp>

#include <doctest/doctest.h>

#include <cstdio>
#include <string>
#include <vector>

#include <moeclip/io/file.hpp>
#include <moeclip/io/safetensors_writer.hpp>
#include "expect_error.hpp"
#include "temporary_folder.hpp"
#include "weight_samples.hpp"

namespace {

using namespace moeclip;
using namespace samples;

const std::string kTwo =
    R"({"a":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},"b":{"dtype":"U8","shape":[3],"data_offsets":[8,11]}})";
const std::string kTwoData("\0\0\x80\x3f\0\0\0\x40\x07\x08\x09", 11);

/// A header with one tensor, `fields` being what stands in its braces.
std::string one(const std::string& fields, const std::string& data) {
  return make_safetensors("{\"a\":{" + fields + "}}", data);
}

}  // namespace

TEST_CASE("safetensors: a sound file") {
  const WeightFile file = samples::open(make_safetensors(kTwo, kTwoData));
  CHECK(file.kind() == WeightKind::safetensors);
  REQUIRE(file.entries().size() == 2);
  CHECK(file.entries()[0].shape == Shape{2, 1});
  const auto a = file.read<double>("a"), b = file.read<double>("b");
  CHECK(a[1] == 2.0);
  CHECK(b[2] == 9.0);
}

TEST_CASE("safetensors: what the format allows") {
  CHECK(failure(make_safetensors("{}")) == "");
  CHECK(failure(make_safetensors("{}      ")) == "");
  CHECK(failure(make_safetensors(R"({"__metadata__":{"k":"v"}})")) == "");
  CHECK(failure(one(R"("dtype":"F32","shape":[],"data_offsets":[0,4])", "1234")) == "");
  CHECK(failure(one(R"("dtype":"F32","shape":[0,5],"data_offsets":[0,0])", "")) == "");
  CHECK(failure(one(R"("shape":[4],"data_offsets":[0,4],"dtype":"BOOL","other":1)", "1234")) == "");
  CHECK(failure(make_safetensors(R"({"b":{"dtype":"I8","shape":[1],"data_offsets":[1,2]},)"
                                 R"("a":{"dtype":"I8","shape":[1],"data_offsets":[0,1]}})",
                                 "xy")) == "");
  const auto file = samples::open(
      make_safetensors(R"({"__metadata__":{"k":"v"},"a:\"b":{"dtype":"I8","shape":[1],"data_offsets":[0,1]}})", "x"));
  CHECK(file.metadata()[0].second == "v");
  CHECK(file.find("a:\"b") != nullptr);
}

TEST_CASE("safetensors: every truncation is an error") {
  const std::string whole = make_safetensors(kTwo, kTwoData);
  for (std::size_t size = 0; size < whole.size(); ++size)
    CHECK_THROWS_AS(read_safetensors(WeightBytes::keep(to_bytes(whole.substr(0, size)), "a")), Error);
  CHECK(failure(whole + "x").find("of no tensor") != std::string::npos);
}

TEST_CASE("safetensors: every rule of the format is enforced") {
  for (const std::string& bytes : {
           make_safetensors("{} x"),
           make_safetensors("{\"a\":1}"),
           make_safetensors("{\"a\":{}}"),
           make_safetensors("{\"a\""),
           make_safetensors("{\"__metadata__\":{\"k\":1}}"),
           make_safetensors("{\"__metadata__\":[]}"),
           make_safetensors("{\"\xff\":1}"),
           one(R"("dtype":"F32","shape":[1],"data_offsets":[0,8])", "12345678"),  // bytes do not fit the shape
           one(R"("dtype":"F32","shape":[1],"data_offsets":[4,8])", "12345678"),  // a hole before
           one(R"("dtype":"F32","shape":[1],"data_offsets":[4,0])", "1234"),      // begin after end
           one(R"("dtype":"F32","shape":[1],"data_offsets":[0,4,4])", "1234"),
           one(R"("dtype":"F32","shape":[1],"data_offsets":[0])", "1234"),
           one(R"("dtype":"F32","shape":[1],"data_offsets":[0,4.0])", "1234"),
           one(R"("dtype":"F32","shape":[-1],"data_offsets":[0,4])", "1234"),
           one(R"("dtype":"F32","shape":["1"],"data_offsets":[0,4])", "1234"),
           one(R"("dtype":"F32","shape":1,"data_offsets":[0,4])", "1234"),
           one(R"("dtype":"f32","shape":[1],"data_offsets":[0,4])", "1234"),
           one(R"("dtype":4,"shape":[1],"data_offsets":[0,4])", "1234"),
           one(R"("dtype":"F32","shape":[1],"data_offsets":[0,4])", "123"),  // beyond the end
           one(R"("dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4])", "1234"),
           one(R"("dtype":"F32","shape":[1],"data_offsets":[18446744073709551612,18446744073709551615])", "1234"),
           make_safetensors(R"({"a":{"dtype":"I8","shape":[2],"data_offsets":[0,2]},)"
                            R"("b":{"dtype":"I8","shape":[2],"data_offsets":[1,3]}})",
                            "123"),
           make_safetensors(R"({"a":{"dtype":"I8","shape":[1],"data_offsets":[0,1]},)"
                            R"("b":{"dtype":"I8","shape":[1],"data_offsets":[2,3]}})",
                            "123"),
           make_safetensors(R"({"a":{"dtype":"I8","shape":[0],"data_offsets":[0,0]},)"
                            R"("a":{"dtype":"I8","shape":[0],"data_offsets":[0,0]}})"),
           make_safetensors(R"({"__metadata__":{"k":"v","k":"w"}})"),
           make_safetensors(R"({"__metadata__":{},"__metadata__":{}})"),
       }) {
    CAPTURE(bytes);
    CHECK(failure(bytes).starts_with("format"));
  }
  for (const char* header : {"", " {}", "[]", "1"})
    CHECK_THROWS_AS(read_safetensors(WeightBytes::keep(to_bytes(make_safetensors(header)), "a")), Error);
  CHECK(failure(one(R"("dtype":"F8_E4M3","shape":[4],"data_offsets":[0,4])", "1234")).starts_with("unsupported"));
  CHECK(failure(one(R"("dtype":"F32","shape":[4294967296,4294967296,4294967296],"data_offsets":[0,0])", ""))
            .starts_with("limit"));
  CHECK(failure(one(R"("dtype":"F32","shape":[0,9223372036854775807,9223372036854775807],"data_offsets":[0,0])", ""))
            .starts_with("limit"));
  CHECK(failure(one(R"("dtype":"F32","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,4])", "1234")).starts_with("limit"));
  CHECK(failure(little(100'000'001, 8) + "{}").starts_with("limit"));
  CHECK(failure(little(100'000'000, 8) + "{}").starts_with("format"));
}

TEST_CASE("safetensors: damage anywhere in a file of ours is noticed") {
  const TemporaryFolder folder("safetensors_checksum");
  const std::string path = join_path(folder.path(), "a.safetensors");
  const std::vector<float> values{1, 2, 3};
  SafetensorsWriter writer(path);
  writer.announce("one", DType::f32, Shape{3});
  writer.announce("two", DType::f32, Shape{3});
  writer.set_metadata("moeclip", R"({"step": 3, "rate": 0.25})");
  writer.set_metadata(std::string(kChecksumKey), "copied");  // as when all of a file's metadata are carried over
  writer.begin();
  for (int i = 0; i < 2; ++i) writer.write(std::span<const float>(values));
  writer.commit();
  const std::vector<std::byte> good = read_file(path, 1 << 20);
  const auto open = [](std::vector<std::byte> bytes) {
    return WeightFile::from_bytes(std::move(bytes), "a.safetensors");
  };
  const WeightFile file = open(good);
  REQUIRE(find_metadata(file.metadata(), kChecksumKey) != nullptr);
  CHECK(*find_metadata(file.metadata(), kChecksumKey) != kNoChecksum);
  CHECK(file.read<float>("two")[2] == 3);
  CHECK(WeightFile::open(path).read<float>("two")[2] == 3);
  int noticed = 0;
  for (std::size_t at = 0; at < good.size(); ++at)
    for (int bit = 0; bit < 8; ++bit) {
      auto bad = good;
      bad[at] ^= static_cast<std::byte>(1 << bit);
      try {
        open(std::move(bad));
        CAPTURE(at);
        CAPTURE(bit);
        FAIL_CHECK("this bit may be wrong");
      } catch (const Error&) {
        ++noticed;
      }
    }
  CHECK(noticed == 8 * static_cast<int>(good.size()));
  for (std::size_t size = 0; size < good.size(); ++size)
    CHECK_THROWS_AS(open({good.begin(), good.begin() + static_cast<std::ptrdiff_t>(size)}), Error);
  auto bad = good;
  bad.back() ^= std::byte{1};
  expect_error(ErrorCode::format, {"a.safetensors", "damaged", "checksum"}, [&] { open(bad); });
}

TEST_CASE("safetensors: files of others, and of ours that went into a pipe, have no checksum") {
  const std::string tensor = R"("a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})";
  CHECK(failure(make_safetensors("{" + tensor, "x")) == "");
  CHECK(failure(make_safetensors(R"({"__metadata__":{"moeclip.crc32":"00000000"},)" + tensor, "x")) == "");
  for (const char* wrong : {"00000001", "0000000", "zzzzzzzz", ""})
    CHECK(failure(make_safetensors(concat(R"({"__metadata__":{"moeclip.crc32":")", wrong, "\"},", tensor), "x"))
              .find("damaged") != std::string::npos);
}

TEST_CASE("safetensors: the writer's files read back") {
  const std::string path = "moeclip_test_writer.safetensors";
  SafetensorsWriter writer(path);
  writer.announce("z", DType::f32, Shape{2});
  writer.announce("a \"quoted\"", DType::f64, Shape{1, 2});
  writer.announce("e", DType::i64, Shape{0, 3});
  writer.announce("m", DType::boolean, Shape{});
  writer.set_metadata("made by", "a test");
  CHECK_THROWS_AS(writer.announce("z", DType::f32, Shape{1}), Error);
  CHECK(writer.order() == std::vector<std::string>{"a \"quoted\"", "e", "m", "z"});
  writer.begin();
  const double two[] = {0.1, -2.5};
  const std::uint8_t flag[] = {1};
  const float pair[] = {3.0f, 4.0f};
  writer.write(std::span<const double>(two));
  writer.write(std::span<const std::uint8_t>(flag));
  writer.write(std::span<const float>(pair, 1));
  CHECK_THROWS_AS(writer.commit(), Error);
  CHECK_THROWS_AS(writer.write(std::span<const double>(two)), Error);
  writer.write(std::span<const float>(pair + 1, 1));
  writer.commit();
  const WeightFile file = WeightFile::open(path);
  CHECK(file.metadata()[0].first == "made by");
  CHECK(file.read<double>("a \"quoted\"")[1] == -2.5);
  CHECK(file.read<float>("m")[0] == 1.0f);
  CHECK(file.read<float>("z")[1] == 4.0f);
  CHECK(file.entry("e").shape == Shape{0, 3});
  std::remove(path.c_str());
}
