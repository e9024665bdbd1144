/* SPDX-License-Identifier: MIT */
/* The C ABI from C: usage: test_capi FOLDER, that of the recorded models (tests/golden/model). */
#include <moeclip.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int failures = 0;

#define CHECK(condition)                                                                            \
  do {                                                                                              \
    if (!(condition)) {                                                                             \
      ++failures;                                                                                   \
      printf("%s:%d: %s (last error: %s)\n", __FILE__, __LINE__, #condition, moeclip_last_error()); \
    }                                                                                               \
  } while (0)

/* A call that must fail with this status, and say a word of this. */
#define CHECK_ERROR(call, status, word)                  \
  do {                                                   \
    CHECK((call) == (status));                           \
    CHECK(strstr(moeclip_last_error(), (word)) != NULL); \
  } while (0)

/* Allocations of the whole program, where its own malloc can be put in the place of the system's. */
#if defined(__GLIBC__) && defined(MOECLIP_TEST_COUNTS)
static long allocations = 0;
void* __libc_malloc(size_t size);
void* __libc_memalign(size_t alignment, size_t size);
void* malloc(size_t size) {
  __atomic_fetch_add(&allocations, 1, __ATOMIC_RELAXED);
  return __libc_malloc(size);
}
void* aligned_alloc(size_t alignment, size_t size) {
  __atomic_fetch_add(&allocations, 1, __ATOMIC_RELAXED);
  return __libc_memalign(alignment, size);
}
static long allocation_count(void) { return __atomic_load_n(&allocations, __ATOMIC_RELAXED); }
#else
static long allocation_count(void) { return 0; }
#endif

enum { kWidth = 90, kHeight = 70, kStride = 3 * kWidth + 5, kPictureBytes = kStride * kHeight };

/* A grating with a dot on it. */
static void draw(uint8_t* bytes) {
  for (int y = 0; y < kHeight; ++y)
    for (int x = 0; x < kWidth; ++x)
      for (int c = 0; c < 3; ++c)
        bytes[y * kStride + 3 * x + c] =
            (uint8_t)((x - 60) * (x - 60) + (y - 40) * (y - 40) < 36 ? 250 : 80 + 10 * ((x / 4 + y / 4) % 5) + 3 * c);
}

static char* path_of(const char* folder, const char* name) {
  char* path = malloc(strlen(folder) + strlen(name) + 2);
  sprintf(path, "%s/%s", folder, name);
  return path;
}

/* The bytes of a file. */
static unsigned char* contents(const char* path, size_t* size) {
  FILE* file = fopen(path, "rb");
  if (file == NULL) exit(2);
  fseek(file, 0, SEEK_END);
  *size = (size_t)ftell(file);
  rewind(file);
  unsigned char* bytes = malloc(*size);
  if (fread(bytes, 1, *size, file) != *size) exit(2);
  fclose(file);
  return bytes;
}

static void test_names(void) {
  CHECK(moeclip_abi_version() == MOECLIP_C_ABI);
  CHECK(strchr(moeclip_version(), '.') != NULL);
  CHECK(strcmp(moeclip_status_name(MOECLIP_OK), "ok") == 0);
  CHECK(strcmp(moeclip_status_name(MOECLIP_ERROR_MISMATCH), "mismatch") == 0);
  CHECK(strcmp(moeclip_status_name(MOECLIP_ERROR_UNEXPECTED), "unexpected") == 0);
  CHECK(strcmp(moeclip_status_name((moeclip_status)10), "unknown") == 0);
  CHECK(strcmp(moeclip_last_error(), "") == 0);
}

/* NULL wherever there is a pointer. */
static void test_nothing(void) {
  moeclip_context* context = NULL;
  moeclip_detector* detector = NULL;
  moeclip_load_options options;
  memset(&options, 0, sizeof options);
  CHECK_ERROR(moeclip_context_create(1, NULL), MOECLIP_ERROR_CONTRACT, "context is NULL");
  CHECK_ERROR(moeclip_context_create(-1, &context), MOECLIP_ERROR_CONTRACT, "threads");
  CHECK_ERROR(moeclip_context_create(5000, &context), MOECLIP_ERROR_CONTRACT, "threads");
  CHECK_ERROR(moeclip_detector_load_model(NULL, 1, &detector), MOECLIP_ERROR_CONTRACT, "path");
  CHECK_ERROR(moeclip_detector_load_model("x", 1, NULL), MOECLIP_ERROR_CONTRACT, "detector");
  CHECK_ERROR(moeclip_detector_load_model("none/at/all", 1, &detector), MOECLIP_ERROR_IO, "none/at/all");
  CHECK_ERROR(moeclip_detector_load(NULL, &detector), MOECLIP_ERROR_CONTRACT, "options");
  CHECK_ERROR(moeclip_detector_load(&options, &detector), MOECLIP_ERROR_CONTRACT, "struct_size");
  options.struct_size = sizeof options;
  CHECK_ERROR(moeclip_detector_load(&options, NULL), MOECLIP_ERROR_CONTRACT, "detector");
  CHECK_ERROR(moeclip_detector_load(&options, &detector), MOECLIP_ERROR_CONTRACT, "nothing could judge");
  options.clip = "none.pt";
  CHECK_ERROR(moeclip_detector_load(&options, &detector), MOECLIP_ERROR_IO, "none.pt");
  options.image_size = -1;
  CHECK_ERROR(moeclip_detector_load(&options, &detector), MOECLIP_ERROR_CONTRACT, "image_size");
  CHECK_ERROR(moeclip_detector_set_threshold(NULL, 0.5f), MOECLIP_ERROR_CONTRACT, "detector");
  CHECK(moeclip_detector_class_count(NULL) == 0 && moeclip_detector_class_name(NULL, 0) == NULL);
  CHECK_ERROR(moeclip_result_create(NULL), MOECLIP_ERROR_CONTRACT, "result");
  CHECK_ERROR(moeclip_detect_file(NULL, NULL, NULL, NULL, NULL), MOECLIP_ERROR_CONTRACT, "detector");
  CHECK_ERROR(moeclip_detect_pixels(NULL, NULL, NULL, NULL, NULL), MOECLIP_ERROR_CONTRACT, "detector");
  CHECK_ERROR(moeclip_detect_encoded(NULL, NULL, NULL, 0, NULL, NULL), MOECLIP_ERROR_CONTRACT, "detector");
  CHECK_ERROR(moeclip_result_verdict(NULL, NULL), MOECLIP_ERROR_CONTRACT, "result");
  CHECK_ERROR(moeclip_result_regions(NULL, NULL, NULL), MOECLIP_ERROR_CONTRACT, "result");
  CHECK_ERROR(moeclip_result_map(NULL, NULL, NULL, NULL), MOECLIP_ERROR_CONTRACT, "result");
  CHECK_ERROR(moeclip_result_remark(NULL, NULL), MOECLIP_ERROR_CONTRACT, "result");
  moeclip_context_destroy(NULL);
  moeclip_detector_destroy(NULL);
  moeclip_result_destroy(NULL);
  CHECK(context == NULL && detector == NULL);
}

/* A message longer than there is room for ends with a whole character. */
static void test_long_message(void) {
  enum { kRoom = 3001 };
  char path[kRoom];
  moeclip_detector* detector = NULL;
  for (int shift = 0; shift < 2; ++shift) {
    memset(path, 'x', sizeof path);
    for (size_t i = (size_t)shift; i + 1 < sizeof path; i += 2) memcpy(path + i, "\xC3\xA4", 2);
    path[kRoom - 1] = '\0';
    CHECK(moeclip_detector_load_model(path, 1, &detector) == MOECLIP_ERROR_IO);
    const char* const message = moeclip_last_error();
    const size_t size = strlen(message);
    CHECK(size > 2000 && size < 2048 && (unsigned char)message[size - 1] != 0xC3);
  }
}

typedef struct Rig {
  moeclip_context* context;
  moeclip_detector* detector;
  moeclip_result* result;
} Rig;

static Rig make_rig(const char* model, int threads) {
  Rig rig = {NULL, NULL, NULL};
  CHECK(moeclip_context_create(threads, &rig.context) == MOECLIP_OK);
  CHECK(moeclip_detector_load_model(model, threads, &rig.detector) == MOECLIP_OK);
  CHECK(moeclip_result_create(&rig.result) == MOECLIP_OK);
  if (rig.context == NULL || rig.detector == NULL || rig.result == NULL) exit(1);
  return rig;
}

static void destroy_rig(Rig rig) {
  moeclip_result_destroy(rig.result);
  moeclip_detector_destroy(rig.detector);
  moeclip_context_destroy(rig.context);
}

static moeclip_verdict verdict_of(const moeclip_result* result) {
  moeclip_verdict verdict;
  memset(&verdict, 0, sizeof verdict);
  verdict.struct_size = sizeof verdict;
  CHECK(moeclip_result_verdict(result, &verdict) == MOECLIP_OK);
  return verdict;
}

/* Pixels that cannot be. Afterwards the result is empty. */
static void test_wrong_pixels(Rig rig, moeclip_pixels good) {
  static const struct {
    int64_t width, height, channels, row_stride;
    size_t byte_count;
    moeclip_status status;
  } kWrong[] = {
      {0, 70, 3, 0, 1 << 20, MOECLIP_ERROR_CONTRACT},
      {90, -70, 3, 0, 1 << 20, MOECLIP_ERROR_CONTRACT},
      {90, 70, 4, 0, 1 << 20, MOECLIP_ERROR_CONTRACT},
      {90, 70, 0, 0, 1 << 20, MOECLIP_ERROR_CONTRACT},
      {90, 70, 3, 269, 1 << 20, MOECLIP_ERROR_CONTRACT},
      {90, 70, 3, -270, 1 << 20, MOECLIP_ERROR_CONTRACT},
      {90, 70, 3, INT64_MAX, 1 << 20, MOECLIP_ERROR_CONTRACT},
      {90, 70, 3, 0, 90 * 70 * 3 - 1, MOECLIP_ERROR_CONTRACT},
      {90, 70, 3, 275, 275 * 69 + 269, MOECLIP_ERROR_CONTRACT},
      {90, 70, 1, 0, 0, MOECLIP_ERROR_CONTRACT},
      {INT64_MAX, INT64_MAX, 3, 0, 1 << 20, MOECLIP_ERROR_LIMIT},
      {INT64_MAX, 1, 3, 0, 1 << 20, MOECLIP_ERROR_LIMIT},
  };
  for (size_t i = 0; i < sizeof kWrong / sizeof kWrong[0]; ++i) {
    const moeclip_pixels pixels = {sizeof pixels,    good.data,          kWrong[i].byte_count, kWrong[i].width,
                                   kWrong[i].height, kWrong[i].channels, kWrong[i].row_stride};
    CHECK(moeclip_detect_pixels(rig.detector, rig.context, &pixels, NULL, rig.result) == kWrong[i].status);
  }
  moeclip_verdict verdict = {sizeof verdict, 0, 0, 0, 0, 0, 0, 0};
  CHECK_ERROR(moeclip_result_verdict(rig.result, &verdict), MOECLIP_ERROR_CONTRACT, "holds no picture");
  good.struct_size = 8;
  CHECK_ERROR(moeclip_detect_pixels(rig.detector, rig.context, &good, NULL, rig.result), MOECLIP_ERROR_CONTRACT,
              "moeclip_pixels");
  good.struct_size = sizeof good;
  good.data = NULL;
  CHECK(moeclip_detect_pixels(rig.detector, rig.context, &good, NULL, rig.result) == MOECLIP_ERROR_CONTRACT);
  CHECK(moeclip_detect_pixels(rig.detector, rig.context, NULL, NULL, rig.result) == MOECLIP_ERROR_CONTRACT);
}

static void test_pixels(const char* model) {
  Rig rig = make_rig(model, 2);
  uint8_t* const bytes = malloc(kPictureBytes);
  draw(bytes);
  moeclip_pixels pixels = {sizeof pixels, bytes, kPictureBytes - 5, kWidth, kHeight, 3, kStride};
  test_wrong_pixels(rig, pixels);

  CHECK(moeclip_detect_pixels(rig.detector, rig.context, &pixels, "", rig.result) == MOECLIP_OK);
  const moeclip_verdict first = verdict_of(rig.result);
  CHECK(first.width == kWidth && first.height == kHeight && first.has_verdict == 1);
  CHECK(first.is_anomalous == (first.score >= first.threshold));
  const float* map = NULL;
  int64_t height = 0, width = 0;
  CHECK(moeclip_result_map(rig.result, &map, &height, &width) == MOECLIP_OK);
  CHECK(height > 0 && width > 0 && map != NULL);
  float largest = map[0];
  for (int64_t i = 1; i < height * width; ++i)
    if (map[i] > largest) largest = map[i];
  const moeclip_region* regions = NULL;
  size_t count = 0;
  CHECK(moeclip_result_regions(rig.result, &regions, &count) == MOECLIP_OK);
  for (size_t i = 0; i < count; ++i) {
    CHECK(regions[i].x >= 0 && regions[i].width > 0 && regions[i].x + regions[i].width <= kWidth);
    CHECK(regions[i].peak >= (double)first.pixel_threshold && regions[i].peak <= (double)largest);
  }
  CHECK((count > 0) == (largest >= first.pixel_threshold));

  const long before = allocation_count();
  CHECK(moeclip_detect_pixels(rig.detector, rig.context, &pixels, NULL, rig.result) == MOECLIP_OK);
  CHECK(allocation_count() == before);
  CHECK(verdict_of(rig.result).score == first.score);

  CHECK(moeclip_detector_set_threshold(rig.detector, 2.0f) == MOECLIP_ERROR_CONTRACT);
  CHECK(moeclip_detector_set_threshold(rig.detector, 0.0f) == MOECLIP_OK);
  CHECK(moeclip_detect_pixels(rig.detector, rig.context, &pixels, NULL, rig.result) == MOECLIP_OK);
  CHECK(verdict_of(rig.result).threshold == 0.0f && verdict_of(rig.result).is_anomalous == 1);
  moeclip_verdict small = {sizeof small - 1, 0, 0, 0, 0, 0, 0, 0};
  CHECK_ERROR(moeclip_result_verdict(rig.result, &small), MOECLIP_ERROR_CONTRACT, "moeclip_verdict");
  CHECK(moeclip_result_verdict(rig.result, NULL) == MOECLIP_ERROR_CONTRACT);
  CHECK(moeclip_result_regions(rig.result, NULL, &count) == MOECLIP_ERROR_CONTRACT);
  CHECK(moeclip_result_map(rig.result, &map, NULL, &width) == MOECLIP_ERROR_CONTRACT);
  free(bytes);
  destroy_rig(rig);
}

/* A file, and its bytes, are the same picture; one that is cut off is an error. */
static void test_files(const char* model, const char* picture) {
  Rig rig = make_rig(model, 1);
  const char* remark = NULL;
  CHECK(moeclip_detect_file(rig.detector, rig.context, picture, NULL, rig.result) == MOECLIP_OK);
  const float score = verdict_of(rig.result).score;
  CHECK(moeclip_result_remark(rig.result, &remark) == MOECLIP_OK && strcmp(remark, "") == 0);
  size_t size = 0;
  unsigned char* const bytes = contents(picture, &size);
  CHECK(moeclip_detect_encoded(rig.detector, rig.context, bytes, size, NULL, rig.result) == MOECLIP_OK);
  CHECK(verdict_of(rig.result).score == score);
  CHECK(moeclip_detect_encoded(rig.detector, rig.context, bytes, size / 2, NULL, rig.result) == MOECLIP_ERROR_FORMAT);
  CHECK(moeclip_detect_encoded(rig.detector, rig.context, bytes, 0, NULL, rig.result) != MOECLIP_OK);
  CHECK(moeclip_detect_encoded(rig.detector, rig.context, NULL, 9, NULL, rig.result) == MOECLIP_ERROR_CONTRACT);
  CHECK_ERROR(moeclip_detect_file(rig.detector, rig.context, "no.png", NULL, rig.result), MOECLIP_ERROR_IO, "no.png");
  CHECK_ERROR(moeclip_detect_file(rig.detector, rig.context, model, NULL, rig.result), MOECLIP_ERROR_FORMAT,
              "not a picture");
  free(bytes);
  destroy_rig(rig);
}

static void test_words(const char* model, const char* picture) {
  Rig rig = make_rig(model, 1);
  CHECK(moeclip_detector_class_count(rig.detector) >= 1);
  const char* const name = moeclip_detector_class_name(rig.detector, 0);
  CHECK(name != NULL && moeclip_detector_class_name(rig.detector, 1000) == NULL);
  CHECK(moeclip_detect_file(rig.detector, rig.context, picture, name, rig.result) == MOECLIP_OK);
  CHECK_ERROR(moeclip_detect_file(rig.detector, rig.context, picture, "no such thing", rig.result),
              MOECLIP_ERROR_MISSING, "no such thing");
  destroy_rig(rig);
}

enum { kThreads = 8, kRounds = 3 };

typedef struct Worker {
  const moeclip_detector* detector;
  moeclip_context* shared; /* a context that all try to use */
  const moeclip_pixels* pixels;
  float scores[kRounds];
  int others; /* statuses of the shared context that were neither */
} Worker;

static void* work(void* argument) {
  Worker* const worker = argument;
  moeclip_context* context = NULL;
  moeclip_result* result = NULL;
  if (moeclip_context_create(1, &context) != MOECLIP_OK || moeclip_result_create(&result) != MOECLIP_OK) return NULL;
  for (int i = 0; i < kRounds; ++i) {
    moeclip_verdict verdict = {sizeof verdict, 0, 0, 0, 0, 0, 0, 0};
    if (moeclip_detect_pixels(worker->detector, context, worker->pixels, NULL, result) == MOECLIP_OK &&
        moeclip_result_verdict(result, &verdict) == MOECLIP_OK)
      worker->scores[i] = verdict.score;
    const moeclip_status status = moeclip_detect_pixels(worker->detector, worker->shared, worker->pixels, NULL, result);
    if (status == MOECLIP_ERROR_CONTRACT && strstr(moeclip_last_error(), "in use by another thread") == NULL)
      ++worker->others;
    if (status != MOECLIP_OK && status != MOECLIP_ERROR_CONTRACT) ++worker->others;
  }
  moeclip_result_destroy(result);
  moeclip_context_destroy(context);
  return NULL;
}

/* Eight threads share a detector, and fight for one context. */
static void test_threads(const char* model) {
  Rig rig = make_rig(model, 1);
  uint8_t* const bytes = malloc(kPictureBytes);
  draw(bytes);
  const moeclip_pixels pixels = {sizeof pixels, bytes, kPictureBytes, kWidth, kHeight, 3, kStride};
  CHECK(moeclip_detect_pixels(rig.detector, rig.context, &pixels, NULL, rig.result) == MOECLIP_OK);
  const float score = verdict_of(rig.result).score;
  pthread_t threads[kThreads];
  Worker workers[kThreads];
  for (int i = 0; i < kThreads; ++i) {
    const Worker worker = {rig.detector, rig.context, &pixels, {-1, -1, -1}, 0};
    workers[i] = worker;
    if (pthread_create(&threads[i], NULL, work, &workers[i]) != 0) exit(1);
  }
  for (int i = 0; i < kThreads; ++i) {
    pthread_join(threads[i], NULL);
    for (int j = 0; j < kRounds; ++j) CHECK(workers[i].scores[j] == score);
    CHECK(workers[i].others == 0);
  }
  free(bytes);
  destroy_rig(rig);
}

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  char* const textures = path_of(argv[1], "textures.moeclip");
  char* const words = path_of(argv[1], "words.moeclip");
  char* const picture = path_of(argv[1], "bad.png");
  test_names();
  test_nothing();
  test_long_message();
  test_pixels(textures);
  test_pixels(words);
  test_files(words, picture);
  test_words(words, picture);
  test_threads(textures);
  free(textures);
  free(words);
  free(picture);
  printf(failures == 0 ? "all is well\n" : "%d checks failed\n", failures);
  return failures == 0 ? 0 : 1;
}
