// SPDX-License-Identifier: MIT
// What the page and the npm package call: a model that judges pictures, and what is learned from good ones. All state
// is here; what goes in and out are bytes (moeclip_input, moeclip_output) and JSON. No error leaves as an exception: a
// function whose JSON has a member "error" did nothing else.

#include <emscripten.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <exception>
#include <moeclip/anomaly/load_detector.hpp>
#include <moeclip/data/class_words.hpp>
#include <moeclip/explain/encode_words.hpp>
#include <moeclip/explain/explain.hpp>
#include <moeclip/explain/inspect.hpp>
#include <moeclip/explain/inspection_figures.hpp>
#include <moeclip/explain/word_file.hpp>
#include <moeclip/image/png.hpp>
#include <moeclip/image/read_image.hpp>
#include <moeclip/io/json_writer.hpp>
#include <moeclip/io/weights.hpp>
#include <moeclip/memory/learn.hpp>
#include <moeclip/memory/memory_file.hpp>
#include <moeclip/memory/model_file.hpp>
#include <moeclip/synthetic/synthesize.hpp>
#include <new>
#include <optional>
#include <string>

#include "session.hpp"

using moeclip::concat;
using moeclip::index_t;
using moeclip::Json;
using web::Blob;
using web::GoodFile;
using web::State;

namespace {

// The files of the built-in model, as `put` stores them; class_words.json lies where load_class_words looks.
constexpr const char* kTinyClip = "/tiny.safetensors";
constexpr const char* kTinyAdapter = "/tiny_adapter.safetensors";
constexpr const char* kTinyWords = "/tiny_words.safetensors";

State& state() {
  static State* const it = new State;  // never ended: neither does the page's program
  return *it;
}

Json failure(const char* code, const std::string& message) {
  return Json::object().set("error", Json::object().set("code", code).set("message", message));
}

/// The JSON of call(), or of its error. It is valid until the next one.
template <class Call>
const char* answer(const Call& call) {
  State& s = state();
  Json json;
  try {
    s.outputs.clear();
    json = call(s);
  } catch (const moeclip::Error& error) {
    json = failure(to_string(error.code()), error.what());
  } catch (const std::bad_alloc&) {
    json = failure("limit", "this needs more memory than a page can have (2 GB)");
  } catch (const std::exception& error) {
    json = failure("contract", error.what());
  }
  s.input = {};
  s.reply = moeclip::dump_json(json);
  return s.reply.c_str();
}

moeclip::Detector load_builtin() {
  moeclip::DetectorOptions options;
  options.threads = 1;
  return moeclip::Detector::load(kTinyClip, kTinyAdapter, options);
}

moeclip::TextAnchors<float> anchors_of(const moeclip::Detector& detector, const std::string& class_name) {
  return detector.anchors(class_name, moeclip::load_class_words().prompts(class_name));
}

/// A memory of what the built-in model's encoder saw, which is no model without it.
moeclip::PartModel join_builtin(State& s, const moeclip::WeightFile& file) {
  moeclip::PartModel model;
  model.detector = load_builtin();
  model.memory = moeclip::load_memory<float>(s.context, file, *model.detector);
  const moeclip::MemoryRecord& record = model.memory->record;
  if (record.text_weight > 0) model.anchors.push_back(anchors_of(*model.detector, record.class_name));
  model.images = record.images;
  model.tiles = record.tiles;
  model.threshold_source = "good pictures";
  return model;
}

/// Tells the page how far learning is; it may only look.
EM_JS(void, tell_step, (int done, int total), {
  if (Module["onStep"]) Module["onStep"](done, total);
});

}  // namespace

extern "C" {

/// Room for `size` bytes, which the next call is about; null if there is no memory for them.
EMSCRIPTEN_KEEPALIVE void* moeclip_input(std::size_t size) {
  try {
    state().input.resize(size);
    return state().input.data();
  } catch (const std::exception&) {
    return nullptr;
  }
}

/// What the last call left under a number, and how many bytes.
EMSCRIPTEN_KEEPALIVE const void* moeclip_output(int number) {
  return state().outputs.at(static_cast<std::size_t>(number)).data();
}
EMSCRIPTEN_KEEPALIVE std::size_t moeclip_output_size(int number) {
  return state().outputs.at(static_cast<std::size_t>(number)).size();
}

/// Version, instruction sets, threads.
EMSCRIPTEN_KEEPALIVE const char* moeclip_about() {
  return answer([](State& s) {
    Json sets = Json::array();
    for (const moeclip::kernels::Isa isa : moeclip::kernels::compiled()) sets.push_back(to_string(isa));
    return Json::object()
        .set("version", MOECLIP_VERSION_STRING)
        .set("isa", to_string(moeclip::kernels::active_isa()))
        .set("compiled", std::move(sets))
        .set("threads", s.context.threads());
  });
}

/// Uses another instruction set from now on; models must be loaded after it.
EMSCRIPTEN_KEEPALIVE const char* moeclip_select(const char* name) {
  return answer([&](State&) {
    for (const moeclip::kernels::Isa isa : moeclip::kernels::compiled())
      if (std::strcmp(name, to_string(isa)) == 0) {
        moeclip::kernels::select(isa);
        return Json::object();
      }
    moeclip::fail(moeclip::ErrorCode::unsupported, concat("there is no instruction set ", name));
  });
}

/// Stores the input as a file of the built-in model: tiny.safetensors, tiny_adapter.safetensors,
/// tiny_words.safetensors, class_words.json.
EMSCRIPTEN_KEEPALIVE const char* moeclip_put(const char* name) {
  return answer([&](State& s) {
    moeclip::write_file(concat("/", name), s.input);
    return Json::object();
  });
}

/// The built-in model judges from now on, by words about `class_name`.
EMSCRIPTEN_KEEPALIVE const char* moeclip_use_builtin(const char* class_name) {
  return answer([&](State& s) {
    moeclip::PartModel model;
    model.detector = load_builtin();
    model.anchors.push_back(anchors_of(*model.detector, class_name));
    moeclip::WordReadout readout = read_words(moeclip::WeightFile::open(kTinyWords));
    expect_words_of(readout, *model.detector, kTinyWords);
    s.model = std::move(model);
    s.class_name = class_name;
    s.readout = std::move(readout);
    return web::model_json(s);
  });
}

/// The model in the input judges from now on: a file of `moeclip export` or `moeclip learn`, called `name` in messages.
EMSCRIPTEN_KEEPALIVE const char* moeclip_use_file(const char* name) {
  return answer([&](State& s) {
    const auto file = moeclip::WeightFile::from_bytes(std::move(s.input), name);
    const bool wants_builtin = moeclip::holds_memory(file) && !moeclip::holds_model(file) &&
                               moeclip::read_memory_record(file).features == moeclip::PatchFeatures::encoder;
    moeclip::PartModel model = wants_builtin ? join_builtin(s, file) : moeclip::PartModel::load(s.context, file);
    s.class_name = model.anchors.empty() ? "" : model.anchors.front().name;
    s.readout.reset();
    s.model = std::move(model);
    return web::model_json(s);
  });
}

/// What is in the pictures: any noun with the built-in model, one of its classes with another.
EMSCRIPTEN_KEEPALIVE const char* moeclip_set_class(const char* class_name) {
  return answer([&](State& s) {
    web::expect_model(s);
    if (s.readout)
      s.model->anchors = {anchors_of(*s.model->detector, class_name)};
    else
      static_cast<void>(s.model->anchors_of(class_name));
    s.class_name = class_name;
    return web::model_json(s);
  });
}

/// Scores from `value` on are a defect.
EMSCRIPTEN_KEEPALIVE const char* moeclip_set_threshold(float value) {
  return answer([&](State& s) {
    web::expect_model(s);
    s.model->set_threshold(value);
    return web::model_json(s);
  });
}

/// Judges the picture in the input, of any format that the library reads.
EMSCRIPTEN_KEEPALIVE const char* moeclip_judge(const char* name) {
  return answer([&](State& s) {
    const moeclip::PartModel& model = web::expect_model(s);
    const auto start = std::chrono::steady_clock::now();
    std::string remark;
    s.picture = moeclip::decode_image(s.input, name, model.images, &remark);
    model.detect(s.context, s.picture.view(), s.detection, s.class_name);
    const std::chrono::duration<double, std::milli> taken = std::chrono::steady_clock::now() - start;
    return web::detection_json(s, taken.count()).set("image", name).set("remark", remark);
  });
}

/// What the experts did on the picture that was judged last: figures as PNG, and, by the built-in model, which alone
/// has a text tower, the sentence and the names of `moeclip explain`. Without experts there are no figures.
EMSCRIPTEN_KEEPALIVE const char* moeclip_explain() {
  return answer([](State& s) {
    const moeclip::PartModel& model = web::expect_model(s);
    Json figures = Json::array();
    Json json = Json::object();
    if (s.picture.empty() || model.tiles.is_on() || !model.detector || model.detector->adapter().mixtures.empty() ||
        model.anchors.empty())
      return json.set("figures", std::move(figures));
    const moeclip::Detector& detector = *model.detector;
    const auto seen = inspect(s.context, detector, s.picture.view(), *model.anchors_of(s.class_name));
    std::vector<moeclip::Figure> drawn = inspection_figures(seen);
    drawn.erase(drawn.begin());  // the map, which the page shows already
    moeclip::ExpertStatistics statistics;
    statistics.add(seen);
    drawn.push_back(load_figure(statistics.blocks()));
    for (const moeclip::Figure& figure : drawn) {
      s.outputs.push_back(moeclip::encode_png(figure.picture.view()));
      figures.push_back(Json::object()
                            .set("title", figure.title)
                            .set("description", figure.description)
                            .set("width", figure.picture.width())
                            .set("height", figure.picture.height())
                            .set("output", std::ssize(s.outputs) - 1));
    }
    json.set("figures", std::move(figures));
    if (!s.readout) return json;
    const std::string noun = moeclip::load_class_words().words(s.class_name);
    if (!s.words || s.words->class_name != noun) s.words = encode_words(s.context, detector.clip(), noun);
    const moeclip::Explanation told = explain(s.context, detector, seen, *s.words, &*s.readout);
    Json names = Json::array();
    for (const moeclip::WordScore& word : told.words)
      names.push_back(Json::object().set("word", word.word).set("probability", word.probability));
    return json.set("sentence", told.sentence).set("is_certain", told.is_certain).set("words", std::move(names));
  });
}

/// Draws a picture, which becomes the output as PNG: of a category and with a defect ("": none) of `moeclip
/// synthesize`.
EMSCRIPTEN_KEEPALIVE const char* moeclip_draw(const char* category, const char* defect, int index) {
  return answer([&](State& s) {
    constexpr std::uint64_t kSeed = 42;
    const moeclip::Sample sample = moeclip::synthesize({category, defect, kSeed, index, 288, 1});
    s.outputs.push_back(moeclip::encode_png(sample.picture.view()));
    return Json::object().set("output", std::ssize(s.outputs) - 1);
  });
}

/// Forgets the good pictures.
EMSCRIPTEN_KEEPALIVE const char* moeclip_good_clear() {
  return answer([](State& s) {
    s.good.clear();
    return Json::object();
  });
}

/// Adds the picture in the input to those to learn from. It must be one that can be read.
EMSCRIPTEN_KEEPALIVE const char* moeclip_good_add(const char* name) {
  return answer([&](State& s) {
    const moeclip::Image picture = moeclip::decode_image(s.input, name);
    s.good.push_back({name, std::move(s.input)});
    return Json::object()
        .set("pictures", std::ssize(s.good))
        .set("width", picture.width())
        .set("height", picture.height());
  });
}

/// Learns the textures of the good pictures, as `moeclip learn` does. What was learned judges from now on, and its file
/// is the output.
EMSCRIPTEN_KEEPALIVE const char* moeclip_learn(bool is_each_another) {
  return answer([&](State& s) {
    if (s.good.empty()) moeclip::fail(moeclip::ErrorCode::missing, "there is no good picture to learn from");
    const auto load = [&](index_t i) {
      const GoodFile& file = s.good[static_cast<std::size_t>(i)];
      return moeclip::decode_image(file.bytes, file.name);
    };
    const auto total = static_cast<int>(2 * s.good.size());
    const auto on_step = [&](index_t step) { tell_step(static_cast<int>(step), total); };
    moeclip::LearnOptions options;
    options.class_name = "object";
    options.is_each_another = is_each_another;
    moeclip::PartModel model;
    model.memory = moeclip::learn_textures<float>(s.context, {std::ssize(s.good), load}, options, on_step);
    model.threshold_source = "good pictures";
    constexpr const char* kFile = "/learned.moeclip";
    moeclip::save_memory(kFile, *model.memory);
    const Blob file = moeclip::read_file(kFile, UINT32_MAX);
    s.model = std::move(model);
    s.class_name.clear();
    s.readout.reset();
    return web::model_json(s).set("output", web::put_out(s, file.data(), file.size()));
  });
}

}  // extern "C"
