// SPDX-License-Identifier: MIT
#include <moeclip/io/weights.hpp>

#include <doctest/doctest.h>

#include <cstdio>
#include <map>
#include <string>

#include <moeclip/io/json.hpp>
#include <moeclip/io/little_endian.hpp>
#include <moeclip/io/safetensors_writer.hpp>
#include <moeclip/io/sha256.hpp>
#include <moeclip/io/weight_use.hpp>
#include "expect_error.hpp"
#include "golden.hpp"
#include "temporary_folder.hpp"
#include "weight_samples.hpp"

namespace {

using namespace moeclip;
using samples::little;

std::string hex(const std::array<std::uint8_t, 32>& digest) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const std::uint8_t byte : digest) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

const std::map<std::string, DType> kTorchNames = {
    {"float64", DType::f64}, {"float32", DType::f32}, {"float16", DType::f16}, {"bfloat16", DType::bf16},
    {"int64", DType::i64},   {"int32", DType::i32},   {"int16", DType::i16},   {"int8", DType::i8},
    {"uint8", DType::u8},    {"bool", DType::boolean}};

/// Compares every tensor (dtype, shape, hash as stored and as float) and value of a file with what torch found in it.
void check_golden(const std::string& name, WeightKind kind) {
  CAPTURE(name);
  std::string listing = name;
  for (std::size_t at; (at = listing.find('/')) != std::string::npos;) listing.replace(at, 1, "__");
  const auto text = read_file(golden_path("formats/expected/" + listing + ".json"), 1 << 20);
  const Json expected = parse_json(as_text(text), listing);
  const WeightFile file = WeightFile::open(golden_path("formats/" + name));
  CHECK(file.kind() == kind);
  if (kind != WeightKind::torch_script) CHECK(file.entries().size() == expected.at("tensors").size());
  for (const Json::Member& member : expected.at("tensors").members()) {
    const std::string& tensor = member.key;
    const Json& wanted = member.value;
    CAPTURE(tensor);
    const WeightEntry* const entry = file.find(tensor);
    REQUIRE(entry != nullptr);
    CHECK(entry->dtype == kTorchNames.at(wanted.at("dtype").as_string()));
    REQUIRE(static_cast<std::size_t>(entry->shape.rank()) == wanted.at("shape").size());
    for (int axis = 0; axis < entry->shape.rank(); ++axis)
      CHECK(entry->shape[axis] == wanted.at("shape").at(static_cast<std::size_t>(axis)).as_int64());
    CHECK(sha256_hex(little_endian_bytes<float>(file.read<float>(tensor).values())) ==
          wanted.at("sha256_f32").as_string());
    if (const Json* const raw = wanted.find("sha256_raw")) {
      Sha256 hash;
      file.stored_bytes(tensor, [&](Bytes piece) { hash.update(piece); });
      CHECK(hex(hash.finish()) == raw->as_string());
    }
  }
  if (const Json* const values = expected.find("values")) {
    CHECK(file.values().size() == values->size());
    for (const WeightValue& value : file.values()) {
      CAPTURE(value.name);
      const Json& wanted = values->at(value.name);
      if (wanted.is_string()) CHECK(value.text == wanted.as_string());
      if (wanted.is_bool()) CHECK(value.text == (wanted.as_bool() ? "true" : "false"));
      if (wanted.is_integer()) CHECK(value.text == concat(wanted.as_int64()));
      if (wanted.is_null()) CHECK(value.kind == WeightValue::Kind::null);
    }
  }
}

}  // namespace

TEST_CASE("weights: files of every kind hold what torch finds in them") {
  check_golden("zoo/proto2.pth", WeightKind::torch_zip);
  check_golden("zoo/proto4.pth", WeightKind::torch_zip);
  check_golden("zoo/proto5.pth", WeightKind::torch_zip);
  check_golden("zoo/legacy.pt", WeightKind::torch_legacy);
  check_golden("zoo/jit.pt", WeightKind::torch_script);
  check_golden("zoo/all.safetensors", WeightKind::safetensors);
  check_golden("openai_jit.pt", WeightKind::torch_script);
}

TEST_CASE("weights: double and float agree, and tensors outlive their file") {
  Tensor<float> narrow;
  Tensor<double> wide;
  {
    const WeightFile file = WeightFile::open(golden_path("formats/zoo/proto2.pth"));
    narrow = file.read<float>("base");  // used where it lies
    wide = file.read<double>("base");
  }
  for (index_t i = 0; i < narrow.size(); ++i) CHECK(static_cast<double>(narrow[i]) == wide[i]);
}

TEST_CASE("weights: a borrowed tensor may be changed without touching the file or losing the change") {
  const std::string path = golden_path("formats/zoo/proto2.pth");
  const WeightFile file = WeightFile::open(path);
  Tensor<float> base = file.read<float>("base");
  const float before = base[0];
  base[0] = before + 1.0f;
  static_cast<void>(file.read<double>("view_t"));  // reads the same storage and would drop its pages
  CHECK(base[0] == before + 1.0f);
  CHECK(WeightFile::open(path).read<float>("base")[0] == before);
}

TEST_CASE("weights: every truncation of small real files is an error") {
  for (const char* name : {"zoo/jit.pt", "zoo/all.safetensors"}) {
    const auto bytes = read_file(golden_path(std::string("formats/") + name), 1 << 20);
    for (std::size_t size = 0; size < bytes.size(); size += 7) {
      CAPTURE(size);
      CHECK(samples::failure(as_text(Bytes(bytes).first(size))) != "");
    }
  }
}

TEST_CASE("weights: other files are recognised, and said to be so") {
  const auto told = [](std::string_view bytes, std::string_view what) {
    return samples::failure(bytes).find(what) != std::string::npos;
  };
  CHECK(told("", "empty"));
  CHECK(told("version https://git-lfs.github.com/spec/v1\n", "git lfs pull"));
  CHECK(told("<!DOCTYPE html><html>", "web page"));
  CHECK(told("\x89HDF\r\n\x1a\n", "HDF5"));
  CHECK(told("GGUF\3", "GGUF"));
  CHECK(told(std::string_view("\x1f\x8b\x08\0", 4), "gzip"));
  CHECK(told("\r\n<!DOCTYPE html>", "web page"));
  CHECK(told(std::string(5000, '\0'), "zeros"));
  CHECK(told("\x89PNG\r\n", "is a PNG picture; weights are wanted here"));
  CHECK(told("BM\x46\1", "is a BMP picture"));
  CHECK(told("GIF89a", "is a GIF picture"));
  CHECK(told(std::string_view("II*\0\x08\0\0\0", 8), "is a TIFF picture"));
  CHECK(told("RIFF....WEBPVP8 ", "is a WebP picture"));
  CHECK(told("%PDF-1.7", "is a PDF document"));
  CHECK(told("{\"architectures\": []}", "JSON"));
  CHECK(told("something else altogether", "not a weight file"));
  CHECK(told(std::string(257, 'a') + "ustar", "tar"));
  CHECK(told("PK\3\4", "truncated"));
}

TEST_CASE("weights: a header whose length looks like a picture's beginning is no picture") {
  const std::string header = R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})";
  const std::string text = header + std::string(0x4D42 - header.size(), ' ');
  const std::string file = little(text.size(), 8) + text + std::string(4, '\0');
  REQUIRE(file.starts_with("BM"));
  CHECK(WeightFile::from_bytes(samples::to_bytes(file), "f").entries().size() == 1);
}

TEST_CASE("what training keeps beside a model is known by its name") {
  for (const char* name : {"optimizer/state/0/exp_avg", "optimizer_states/0/state/3/exp_avg_sq", "adam.m.a.weight",
                           "trainer/optim/image/state/0/step", "image_optimizer/state/0/exp_avg", "x/exp_avg_sq",
                           "deep/text_optimizer/state/1/step", "callbacks/EarlyStopping/best"})
    CHECK_MESSAGE(is_optimizer_state(name), name);
  for (const char* name : {"visual.proj", "state_dict/model.visual.proj", "exp_avg.weight", "my_callbacks/a", ""})
    CHECK_FALSE_MESSAGE(is_optimizer_state(name), name);
}

TEST_CASE("weights: bytes before an archive are said to be there") {
  const std::string archive = samples::make_zip({{"a/data.pkl", "x"}}, "a comment");
  expect_error(ErrorCode::format, {"f.pt: 5 bytes stand before a zip archive", "tail -c +6"},
               [&] { WeightFile::from_bytes(samples::to_bytes("MZ..." + archive), "f.pt"); });
  expect_error(ErrorCode::unsupported, {"not a weight file"},
               [&] { WeightFile::from_bytes(samples::to_bytes("MZ..." + archive.substr(0, 40)), "f.pt"); });
}

TEST_CASE("weights: a file is what it holds, whatever it is called") {
  const TemporaryFolder folder("weights_content");
  const std::string header = R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})";
  for (const std::size_t padding : {std::size_t{0}, 123 - header.size()}) {  // 123 is '{'
    const std::string text = header + std::string(padding, ' ');
    const std::string safetensors = little(text.size(), 8) + text + std::string(4, '\0');
    for (const char* name : {"a.json", "a.safetensors", "a.index.json", "a.bin", "a"})
      CHECK(WeightFile::open(folder.write(name, safetensors)).kind() == WeightKind::safetensors);
  }
  folder.write("part", little(header.size(), 8) + header + std::string(4, '\0'));
  for (const char* name : {"b.json", "b.bin", "b"})
    CHECK(WeightFile::open(folder.write(name, "\xEF\xBB\xBF\n {\"weight_map\": {\"a\": \"part\"}}")).kind() ==
          WeightKind::sharded);
  for (const char* name : {"c.json", "c.bin", "c.safetensors"})
    expect_error(ErrorCode::unsupported, {"is JSON without a weight_map"},
                 [&] { WeightFile::open(folder.write(name, R"({"abcd":{"x":1}})")); });
}

TEST_CASE("weights: missing paths") {
  CHECK_THROWS_AS(WeightFile::open("no/such/file.pt"), Error);
  CHECK_THROWS_AS(WeightFile::open(golden_path("formats/zoo")), Error);  // several candidates
}

TEST_CASE("weights: sharded models") {
  const auto write_part = [](const std::string& path, const std::string& name, float value) {
    SafetensorsWriter writer(path);
    writer.announce(name, DType::f32, Shape{1});
    writer.begin();
    writer.write(std::span<const float>(&value, 1));
    writer.commit();
  };
  const std::string folder = "moeclip_test_shards";
  create_directories(folder);
  write_part(join_path(folder, "p1.safetensors"), "a", 1.0f);
  write_part(join_path(folder, "p2.safetensors"), "b", 2.0f);
  const std::string index = join_path(folder, "model.safetensors.index.json");
  const auto write_index = [&](std::string_view text) { write_file(index, as_bytes(text)); };
  write_index(R"({"metadata":{"total_size":8},"weight_map":{"a":"p1.safetensors","b":"p2.safetensors"}})");
  for (const std::string& path : {index, folder}) {
    const WeightFile file = WeightFile::open(path);
    CHECK(file.kind() == WeightKind::sharded);
    CHECK(file.read<float>("a")[0] == 1.0f);
    CHECK(file.read<float>("b")[0] == 2.0f);
  }
  for (const char* broken :
       {R"({"weight_map":{"a":"p1.safetensors"}, "x":)", R"({"weight_map":[]})", R"({})", R"({"weight_map":{"a":1}})",
        R"({"weight_map":{"a":"p2.safetensors","b":"p1.safetensors"}})",
        R"({"weight_map":{"a":"p1.safetensors","c":"p1.safetensors"}})", R"({"weight_map":{"c":"p1.safetensors"}})",
        R"({"weight_map":{"a":"none.safetensors"}})", R"({"weight_map":{"a":"../p1.safetensors"}})",
        R"({"weight_map":{"a":"/etc/passwd"}})", R"({"weight_map":{"a":""}})"}) {
    CAPTURE(broken);
    write_index(broken);
    CHECK_THROWS_AS(WeightFile::open(index), Error);
  }
  for (const char* twice : {R"({"weight_map":{"a":"p2.safetensors","b":"p2.safetensors","a":"p1.safetensors"}})",
                            R"({"weight_map":{"a":"p1.safetensors","b":"p2.safetensors","\u0061":"p1.safetensors"}})",
                            R"({"weight_map":{},"weight_map":{"a":"p1.safetensors","b":"p2.safetensors"}})"}) {
    CAPTURE(twice);
    write_index(twice);
    expect_error(ErrorCode::format, {"model.safetensors.index.json", "twice"}, [&] { WeightFile::open(index); });
  }
  for (const char* name : {"p1.safetensors", "p2.safetensors", "model.safetensors.index.json", ""})
    std::remove(*name == 0 ? folder.c_str() : join_path(folder, name).c_str());
}

TEST_CASE("weights: conversions of every stored type") {
  const auto first = [](const char* dtype, const std::string& data) {
    const std::string header =
        concat(R"({"a":{"dtype":")", dtype, R"(","shape":[1],"data_offsets":[0,)", data.size(), "]}}");
    return samples::open(samples::make_safetensors(header, data)).read<double>("a")[0];
  };
  CHECK(first("F64", little(0xBFF8000000000000, 8)) == -1.5);
  CHECK(first("F32", little(0x3FC00000, 4)) == 1.5);
  CHECK(first("F16", little(0x3E00, 2)) == 1.5);
  CHECK(first("BF16", little(0x3FC0, 2)) == 1.5);
  CHECK(first("I64", little(~0ull - 1, 8)) == -2.0);
  CHECK(first("I32", little(~0ull - 1, 4)) == -2.0);
  CHECK(first("I16", little(~0ull - 1, 2)) == -2.0);
  CHECK(first("I8", little(0xFE, 1)) == -2.0);
  CHECK(first("U8", little(0xFE, 1)) == 254.0);
  CHECK(first("BOOL", little(2, 1)) == 1.0);
}
