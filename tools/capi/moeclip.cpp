// SPDX-License-Identifier: MIT
// The C ABI (moeclip.h): objects are C++ ones behind opaque pointers, and no exception leaves a function.
#include "moeclip.h"

#include <atomic>
#include <cstring>
#include <exception>
#include <moeclip/data/class_words.hpp>
#include <moeclip/infer.hpp>
#include <new>

#if defined(__unix__) || defined(__APPLE__)
#include <dlfcn.h>
#endif

struct moeclip_context {
  moeclip::Context context;
  std::atomic_flag is_busy = ATOMIC_FLAG_INIT;
};

struct moeclip_detector {
  moeclip::PartModel model;
};

struct moeclip_result {
  moeclip::Detection detection;
  std::vector<moeclip_region> regions;
  std::string remark;
  bool is_filled = false, has_verdict = false;
  std::atomic_flag is_busy = ATOMIC_FLAG_INIT;
};

namespace {

using moeclip::ErrorCode;
using moeclip::index_t;

/// What was wrong with this thread's last failed call. No memory is needed to keep it.
thread_local char last_error[2048] = "";

moeclip_status failed(moeclip_status status, const char* message) noexcept {
  std::size_t size = std::strlen(message);
  if (size >= sizeof last_error) {
    size = sizeof last_error - 1;
    while (size > 0 && (static_cast<unsigned char>(message[size]) & 0xC0u) == 0x80u) --size;  // not inside a character
  }
  std::memcpy(last_error, message, size);
  last_error[size] = '\0';
  return status;
}

constexpr moeclip_status status_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::contract: return MOECLIP_ERROR_CONTRACT;
    case ErrorCode::io: return MOECLIP_ERROR_IO;
    case ErrorCode::format: return MOECLIP_ERROR_FORMAT;
    case ErrorCode::unsupported: return MOECLIP_ERROR_UNSUPPORTED;
    case ErrorCode::limit: return MOECLIP_ERROR_LIMIT;
    case ErrorCode::missing: return MOECLIP_ERROR_MISSING;
    case ErrorCode::mismatch: return MOECLIP_ERROR_MISMATCH;
  }
  return MOECLIP_ERROR_UNEXPECTED;
}

/// Calls and turns what it throws into a status.
moeclip_status guarded(moeclip::function_ref<void()> call) noexcept {
  try {
    call();
    return MOECLIP_OK;
  } catch (const moeclip::Error& error) {
    return failed(status_of(error.code()), error.what());
  } catch (const std::bad_alloc&) {
    return failed(MOECLIP_ERROR_MEMORY, "no memory is left");
  } catch (const std::exception& error) {
    return failed(MOECLIP_ERROR_UNEXPECTED, error.what());
  } catch (...) {
    return failed(MOECLIP_ERROR_UNEXPECTED, "an exception of unknown kind");
  }
}

template <class Pointer>
void expect_given(Pointer pointer, const char* name) {
  MOECLIP_EXPECT(pointer != nullptr, name, " is NULL");
}

void expect_size(std::size_t found, std::size_t wanted, const char* name) {
  MOECLIP_EXPECT(found == wanted, "struct_size of ", name, " is ", found, ", and ", wanted,
                 " in this library: set it to sizeof, and compile with the header of this version");
}

void expect_threads(std::int32_t threads) {
  MOECLIP_EXPECT(threads >= 0 && threads <= 4096, "threads is ", threads, "; 0 to 4096 are wanted");
}

std::string text_of(const char* text) { return text != nullptr ? text : ""; }

/// Holds an object for this call; throws contract if another thread does.
class Held {
 public:
  Held(std::atomic_flag& is_busy, const char* name) : is_busy_(is_busy) {
    MOECLIP_EXPECT(!is_busy.test_and_set(std::memory_order_acquire), "this ", name, " is in use by another thread");
  }
  ~Held() { is_busy_.clear(std::memory_order_release); }
  Held(const Held&) = delete;
  Held& operator=(const Held&) = delete;

 private:
  std::atomic_flag& is_busy_;
};

/// Makes it known that data lie in ../share/moeclip from this library: where that is, no program can say.
void know_own_data() {
#if defined(__unix__) || defined(__APPLE__)
  Dl_info info;
  if (::dladdr(reinterpret_cast<const void*>(&moeclip_version), &info) == 0 || info.dli_fname == nullptr) return;
  const std::string folder = moeclip::parent_directory(info.dli_fname);
  moeclip::detail::know_data_folder(moeclip::join_path(folder, "../share/moeclip"));
#endif
}

std::vector<std::string> list_of(const char* const* texts, std::size_t count, const char* name) {
  MOECLIP_EXPECT(texts != nullptr && count > 0, name, " and the number of them go together");
  std::vector<std::string> list;
  for (std::size_t i = 0; i < count; ++i) {
    MOECLIP_EXPECT(texts[i] != nullptr, name, "[", i, "] is NULL");
    list.emplace_back(texts[i]);
  }
  return list;
}

/// The anchors of each class, as `moeclip detect` makes them.
std::vector<moeclip::TextAnchors<float>> anchors_of(const moeclip::Detector& detector, const moeclip_load_options& o) {
  std::vector<std::string> classes{"object"};
  if (o.classes != nullptr || o.class_count > 0) classes = list_of(o.classes, o.class_count, "classes");
  std::vector<moeclip::TextAnchors<float>> anchors;
  if (o.normal != nullptr || o.normal_count > 0 || o.abnormal != nullptr || o.abnormal_count > 0) {
    MOECLIP_EXPECT(classes.size() == 1, "sentences are about one class; there are ", classes.size());
    anchors.push_back(detector.anchors(
        classes[0], {list_of(o.normal, o.normal_count, "normal"), list_of(o.abnormal, o.abnormal_count, "abnormal")}));
    return anchors;
  }
  const moeclip::ClassWords words = moeclip::load_class_words();
  for (const std::string& name : classes) anchors.push_back(detector.anchors(name, words.prompts(name)));
  return anchors;
}

/// Gives a model the memory in a file. Returns whether words have a say.
bool remember(moeclip::PartModel& model, const moeclip_load_options& o) {
  moeclip::Context context({.threads = o.threads});
  const moeclip::WeightFile file = moeclip::WeightFile::open(o.memory);
  if (moeclip::read_memory_record(file).features == moeclip::PatchFeatures::texture) {
    if (model.detector)
      moeclip::fail(ErrorCode::mismatch,
                    moeclip::concat(o.memory, ": was learned from textures, without a CLIP; give it none"));
    model.memory = moeclip::load_texture_memory<float>(context, file);
  } else {
    if (!model.detector)
      moeclip::fail(ErrorCode::mismatch,
                    moeclip::concat(o.memory, ": was learned with a CLIP; name that, and its adapter"));
    model.memory = moeclip::load_memory<float>(context, file, *model.detector);
  }
  model.images = model.memory->record.images;
  model.tiles = model.memory->record.tiles;
  model.threshold_source = "good pictures";
  return model.detector && model.memory->record.text_weight > 0;
}

moeclip::PartModel load(const moeclip_load_options& o) {
  expect_size(o.struct_size, sizeof o, "moeclip_load_options");
  expect_threads(o.threads);
  MOECLIP_EXPECT(o.image_size >= 0, "image_size is ", o.image_size);
  MOECLIP_EXPECT(o.clip != nullptr || o.memory != nullptr, "clip and memory are NULL: nothing could judge");
  MOECLIP_EXPECT(o.clip != nullptr || o.adapter == nullptr, "an adapter needs the clip that it was trained with");
  know_own_data();
  moeclip::PartModel model;
  if (o.clip != nullptr) {
    moeclip::DetectorOptions options;
    options.image_size = o.image_size;
    options.threads = o.threads;
    options.vocabulary = text_of(o.vocabulary);
    model.detector = moeclip::Detector::load(o.clip, text_of(o.adapter), options);
  }
  if (o.memory == nullptr || remember(model, o)) model.anchors = anchors_of(*model.detector, o);
  return model;
}

moeclip::ImageView view_of(const moeclip_pixels& p) {
  expect_size(p.struct_size, sizeof p, "moeclip_pixels");
  expect_given(p.data, "data of moeclip_pixels");
  MOECLIP_EXPECT(p.width > 0 && p.height > 0, "a picture of ", p.width, "x", p.height, " pixels cannot be judged");
  MOECLIP_EXPECT(p.channels == 1 || p.channels == 3, "pictures have 1 or 3 channels, not ", p.channels);
  if (p.height > moeclip::kMaxPixels / p.width)
    moeclip::fail(ErrorCode::limit,
                  moeclip::concat("a picture of ", p.width, "x", p.height, " pixels is larger than the ",
                                  index_t{moeclip::kMaxPixels}, " that are allowed"));
  const index_t row = p.width * p.channels, stride = p.row_stride == 0 ? row : p.row_stride;
  MOECLIP_EXPECT(stride >= row, "rows of ", row, " bytes cannot be ", stride, " bytes apart");
  const auto beyond = static_cast<std::uint64_t>(p.height - 1);  // rows before the last one
  const bool is_enough =
      p.byte_count >= static_cast<std::uint64_t>(row) &&
      beyond <= (p.byte_count - static_cast<std::uint64_t>(row)) / static_cast<std::uint64_t>(stride);
  MOECLIP_EXPECT(is_enough, p.height, " rows that are ", stride, " bytes apart do not fit in ", p.byte_count, " bytes");
  return {p.data, p.width, p.height, p.channels, stride};
}

/// What all ways to judge share; `picture` gives the pixels, which live until the next call of it.
moeclip_status detect(const moeclip_detector* detector, moeclip_context* context, const char* class_name,
                      moeclip_result* result, moeclip::function_ref<moeclip::ImageView()> picture) noexcept {
  return guarded([&] {
    expect_given(detector, "detector");
    expect_given(context, "context");
    expect_given(result, "result");
    const Held held_context(context->is_busy, "context"), held_result(result->is_busy, "result");
    result->is_filled = false;
    result->remark.clear();
    detector->model.detect(context->context, picture(), result->detection,
                           class_name != nullptr ? std::string_view(class_name) : std::string_view());
    result->regions.clear();
    for (const moeclip::Region& r : result->detection.regions)
      result->regions.push_back({r.x, r.y, r.width, r.height, r.area, r.peak_x, r.peak_y, r.peak});
    result->has_verdict = detector->model.has_verdict();
    result->is_filled = true;
  });
}

void expect_filled(const moeclip_result* result) {
  expect_given(result, "result");
  MOECLIP_EXPECT(result->is_filled, "the result holds no picture: none was judged, or the last one could not be");
}

}  // namespace

const char* moeclip_version(void) { return MOECLIP_VERSION_STRING; }

int moeclip_abi_version(void) { return MOECLIP_C_ABI; }

const char* moeclip_status_name(moeclip_status status) {
  constexpr const char* kNames[] = {"ok",    "contract", "io",       "format", "unsupported",
                                    "limit", "missing",  "mismatch", "memory", "unexpected"};
  const auto i = static_cast<std::size_t>(status);
  return i < std::size(kNames) ? kNames[i] : "unknown";
}

const char* moeclip_last_error(void) { return last_error; }

moeclip_status moeclip_context_create(int32_t threads, moeclip_context** context) {
  return guarded([&] {
    expect_given(context, "context");
    expect_threads(threads);
    *context = new moeclip_context{moeclip::Context({.threads = threads})};
  });
}

void moeclip_context_destroy(moeclip_context* context) { delete context; }

moeclip_status moeclip_detector_load_model(const char* path, int32_t threads, moeclip_detector** detector) {
  return guarded([&] {
    expect_given(path, "path");
    expect_given(detector, "detector");
    expect_threads(threads);
    *detector = new moeclip_detector{moeclip::PartModel::load(path, threads)};
  });
}

moeclip_status moeclip_detector_load(const moeclip_load_options* options, moeclip_detector** detector) {
  return guarded([&] {
    expect_given(options, "options");
    expect_given(detector, "detector");
    *detector = new moeclip_detector{load(*options)};
  });
}

moeclip_status moeclip_detector_set_threshold(moeclip_detector* detector, float threshold) {
  return guarded([&] {
    expect_given(detector, "detector");
    MOECLIP_EXPECT(threshold >= 0 && threshold <= 1, "a threshold lies between 0 and 1");
    detector->model.set_threshold(threshold);
  });
}

size_t moeclip_detector_class_count(const moeclip_detector* detector) {
  return detector != nullptr ? detector->model.anchors.size() : 0;
}

const char* moeclip_detector_class_name(const moeclip_detector* detector, size_t index) {
  return index < moeclip_detector_class_count(detector) ? detector->model.anchors[index].name.c_str() : nullptr;
}

void moeclip_detector_destroy(moeclip_detector* detector) { delete detector; }

moeclip_status moeclip_result_create(moeclip_result** result) {
  return guarded([&] {
    expect_given(result, "result");
    *result = new moeclip_result;
  });
}

void moeclip_result_destroy(moeclip_result* result) { delete result; }

moeclip_status moeclip_detect_pixels(const moeclip_detector* detector, moeclip_context* context,
                                     const moeclip_pixels* pixels, const char* class_name, moeclip_result* result) {
  return detect(detector, context, class_name, result, [&] {
    expect_given(pixels, "pixels");
    return view_of(*pixels);
  });
}

moeclip_status moeclip_detect_encoded(const moeclip_detector* detector, moeclip_context* context, const void* bytes,
                                      size_t byte_count, const char* class_name, moeclip_result* result) {
  moeclip::Image image;
  return detect(detector, context, class_name, result, [&] {
    expect_given(bytes, "bytes");
    image = moeclip::decode_image({static_cast<const std::byte*>(bytes), byte_count}, "the picture",
                                  detector->model.images, &result->remark);
    return image.view();
  });
}

moeclip_status moeclip_detect_file(const moeclip_detector* detector, moeclip_context* context, const char* path,
                                   const char* class_name, moeclip_result* result) {
  moeclip::Image image;
  return detect(detector, context, class_name, result, [&] {
    expect_given(path, "path");
    image = moeclip::read_image(path, detector->model.images, &result->remark);
    return image.view();
  });
}

moeclip_status moeclip_result_verdict(const moeclip_result* result, moeclip_verdict* verdict) {
  return guarded([&] {
    expect_filled(result);
    expect_given(verdict, "verdict");
    expect_size(verdict->struct_size, sizeof *verdict, "moeclip_verdict");
    const moeclip::Detection& d = result->detection;
    *verdict = {sizeof *verdict,
                d.score,
                d.threshold,
                d.pixel_threshold,
                result->has_verdict && d.is_anomalous ? 1 : 0,
                result->has_verdict ? 1 : 0,
                d.width,
                d.height};
  });
}

moeclip_status moeclip_result_regions(const moeclip_result* result, const moeclip_region** regions, size_t* count) {
  return guarded([&] {
    expect_filled(result);
    expect_given(regions, "regions");
    expect_given(count, "count");
    *regions = result->regions.data();
    *count = result->regions.size();
  });
}

moeclip_status moeclip_result_map(const moeclip_result* result, const float** map, int64_t* height, int64_t* width) {
  return guarded([&] {
    expect_filled(result);
    expect_given(map, "map");
    expect_given(height, "height");
    expect_given(width, "width");
    *map = result->detection.map.data();
    *height = result->detection.map.extent(0);
    *width = result->detection.map.extent(1);
  });
}

moeclip_status moeclip_result_remark(const moeclip_result* result, const char** remark) {
  return guarded([&] {
    expect_filled(result);
    expect_given(remark, "remark");
    *remark = result->remark.c_str();
  });
}
