// SPDX-License-Identifier: MIT
#pragma once
// What the exports work on, and what is told of it as JSON.

#include <cstddef>
#include <moeclip/explain/defect_words.hpp>
#include <moeclip/explain/word_readout.hpp>
#include <moeclip/io/json_value.hpp>
#include <moeclip/memory/model.hpp>
#include <optional>
#include <string>
#include <vector>

namespace web {

using Blob = std::vector<std::byte>;

/// A good picture, as its file holds it: decoded ones would fill the memory.
struct GoodFile {
  std::string name;
  Blob bytes;
};

struct State {
  moeclip::Context context{{.threads = 1}};
  Blob input;                 // what the next call is about
  std::vector<Blob> outputs;  // what the last call left
  std::string reply;
  std::optional<moeclip::PartModel> model;
  std::string class_name;                            // what the model was asked to look for
  std::optional<moeclip::WordReadout> readout;       // of names; with the built-in model, which alone has a text tower
  std::optional<moeclip::DefectWords<float>> words;  // of the class, once an explanation has asked for them
  moeclip::Image picture;                            // that was judged last
  moeclip::Detection detection;
  std::vector<GoodFile> good;
};

/// Keeps `size` bytes for the caller and returns their number among the outputs.
moeclip::index_t put_out(State& s, const void* data, std::size_t size);

/// The model. Throws missing if there is none.
const moeclip::PartModel& expect_model(const State& s);

/// What the model is, for whoever shows it.
moeclip::Json model_json(const State& s);

/// What was found in the picture that was judged last; map, colours and the picture are among the outputs.
moeclip::Json detection_json(State& s, double milliseconds);

}  // namespace web
