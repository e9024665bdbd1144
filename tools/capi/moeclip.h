/* SPDX-License-Identifier: MIT */
#ifndef MOECLIP_H
#define MOECLIP_H
/**
 * @file moeclip.h
 * @brief moeclip for C, and for every language that can call C: a picture in; score, verdict, regions and map out.
 *
 * @code
 *   moeclip_context* context = NULL;
 *   moeclip_detector* detector = NULL;
 *   moeclip_result* result = NULL;
 *   moeclip_verdict verdict = {.struct_size = sizeof(moeclip_verdict)};
 *   if (moeclip_context_create(0, &context) || moeclip_detector_load_model("part.moeclip", 0, &detector) ||
 *       moeclip_result_create(&result) || moeclip_detect_file(detector, context, "photo.png", NULL, result) ||
 *       moeclip_result_verdict(result, &verdict))
 *     fprintf(stderr, "%s\n", moeclip_last_error());
 *   else
 *     printf("%g %s\n", verdict.score, verdict.is_anomalous ? "defective" : "good");
 *   moeclip_result_destroy(result);
 *   moeclip_detector_destroy(detector);
 *   moeclip_context_destroy(context);
 * @endcode
 *
 * Errors: every function that can fail returns a status, and moeclip_last_error() says in words what was wrong. What a
 * function was to fill is left alone when it fails. NULL, sizes that cannot be, and structs of another size are errors;
 * pointers to objects that were destroyed cannot be told and must not be used.
 *
 * Threads: a detector is immutable, and any number of threads may use it at once, each with a context and a result of
 * its own. A context or result that another thread is using is an error (MOECLIP_ERROR_CONTRACT).
 *
 * Memory: what a result shows (regions, map) belongs to it, until it is used for another picture or destroyed. With one
 * context and one result, the second picture of a size, given as pixels, allocates nothing.
 *
 * Strings are UTF-8, paths of files too, on every system.
 */

#include <stddef.h>
#include <stdint.h>

#if defined(_WIN32) && defined(MOECLIP_C_BUILD)
#define MOECLIP_C_API __declspec(dllexport)
#elif defined(_WIN32) && defined(MOECLIP_C_SHARED)
#define MOECLIP_C_API __declspec(dllimport)
#elif defined(__GNUC__)
#define MOECLIP_C_API __attribute__((visibility("default")))
#else
#define MOECLIP_C_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/** Counts up when something that programs compiled with an older header rely on changes. */
#define MOECLIP_C_ABI 1

/** What became of a call. Those from 1 to 7 are moeclip::ErrorCode. */
typedef enum moeclip_status {
  MOECLIP_OK = 0,
  MOECLIP_ERROR_CONTRACT = 1,    /**< an argument that cannot be: NULL, a wrong size, an object that is in use */
  MOECLIP_ERROR_IO = 2,          /**< the operating system refused: missing file, no permission */
  MOECLIP_ERROR_FORMAT = 3,      /**< bytes are not what their format promises: truncated, corrupt, contradictory */
  MOECLIP_ERROR_UNSUPPORTED = 4, /**< well-formed, but of a kind that is not read */
  MOECLIP_ERROR_LIMIT = 5,       /**< larger than the documented limits, or than what the file can hold */
  MOECLIP_ERROR_MISSING = 6,     /**< a tensor, class or entry that is needed is not there */
  MOECLIP_ERROR_MISMATCH = 7,    /**< things that must fit together do not: weights, adapter, memory */
  MOECLIP_ERROR_MEMORY = 8,      /**< no memory was left */
  MOECLIP_ERROR_UNEXPECTED = 9   /**< anything else, such as threads that could not be started */
} moeclip_status;

typedef struct moeclip_context moeclip_context;   /**< threads and scratch memory that computations run on */
typedef struct moeclip_detector moeclip_detector; /**< what judges: weights, words, a memory of good pictures */
typedef struct moeclip_result moeclip_result;     /**< what one picture gave; used again for the next */

/** What a detector is made of. Set it to zeros and struct_size, then what is wanted. */
typedef struct moeclip_load_options {
  size_t struct_size;          /**< sizeof(moeclip_load_options) */
  const char* clip;            /**< weights of a CLIP, any format that `moeclip detect --clip` takes; NULL: none */
  const char* adapter;         /**< MoECLIP adapter; NULL: none, plain zero-shot CLIP */
  const char* memory;          /**< good pictures, a file of `moeclip learn`; NULL: words judge */
  const char* const* classes;  /**< names of what is in the pictures ("metal nut"); NULL: one, "object" */
  size_t class_count;          /**< of classes */
  const char* const* normal;   /**< sentences about the only class without defect; NULL: made from its name */
  size_t normal_count;         /**< of normal */
  const char* const* abnormal; /**< sentences about it with one; NULL only with normal */
  size_t abnormal_count;       /**< of abnormal */
  const char* vocabulary;      /**< tokenizer file; NULL: beside the weights, else the installed one */
  int64_t image_size;          /**< side of the square that the model sees, pixels; 0: as `moeclip detect` */
  int32_t threads;             /**< for loading; 0: one per core */
} moeclip_load_options;

/** Somebody's pixels: rows from the top, gray or R G B R G B ... of 8 bits. */
typedef struct moeclip_pixels {
  size_t struct_size;  /**< sizeof(moeclip_pixels) */
  const uint8_t* data; /**< first byte of the top row */
  size_t byte_count;   /**< from there to the end of the last row at least */
  int64_t width;       /**< pixels */
  int64_t height;      /**< pixels */
  int64_t channels;    /**< 1 gray, 3 RGB */
  int64_t row_stride;  /**< bytes from one row to the next; 0: width * channels */
} moeclip_pixels;

/** What is said of a picture. */
typedef struct moeclip_verdict {
  size_t struct_size;    /**< sizeof(moeclip_verdict), set by the caller */
  float score;           /**< of the picture, larger: more likely defective; in [0, 1] but for memories */
  float threshold;       /**< that the score was compared with */
  float pixel_threshold; /**< of the map, that regions were cut at */
  int32_t is_anomalous;  /**< 1: score >= threshold */
  int32_t has_verdict;   /**< 0: there is no threshold (a memory of one good thing), and is_anomalous says nothing */
  int64_t width;         /**< of the picture, pixels */
  int64_t height;        /**< of the picture, pixels */
} moeclip_verdict;

/** Where a defect is: a connected area of the map at or above pixel_threshold, in pixels of the picture. */
typedef struct moeclip_region {
  int64_t x;      /**< left edge of its box */
  int64_t y;      /**< upper edge of its box */
  int64_t width;  /**< of its box */
  int64_t height; /**< of its box */
  int64_t area;   /**< pixels at or above the threshold */
  int64_t peak_x; /**< where its largest value is */
  int64_t peak_y; /**< where its largest value is */
  double peak;    /**< that value, a float */
} moeclip_region;

/** Version of the library, "x.y.z". */
MOECLIP_C_API const char* moeclip_version(void);

/** MOECLIP_C_ABI as the library was built; a program should find its own. */
MOECLIP_C_API int moeclip_abi_version(void);

/** Name of a status: "ok", "contract", "io" ... */
MOECLIP_C_API const char* moeclip_status_name(moeclip_status status);

/** What was wrong with the last call of this thread that failed, valid until the next one; "" if none did. */
MOECLIP_C_API const char* moeclip_last_error(void);

/** Makes a context of `threads` threads; 0: one per core; at most 4096. */
MOECLIP_C_API moeclip_status moeclip_context_create(int32_t threads, moeclip_context** context);
/** Ends its threads. NULL is let pass, here and below. */
MOECLIP_C_API void moeclip_context_destroy(moeclip_context* context);

/** Loads a file of `moeclip export`, or textures of `moeclip learn`. The file must not change while it is used. */
MOECLIP_C_API moeclip_status moeclip_detector_load_model(const char* path, int32_t threads,
                                                         moeclip_detector** detector);
/** Makes a detector from weights, words and a memory: CLIP and words, CLIP and memory, or a memory of textures alone.
 */
MOECLIP_C_API moeclip_status moeclip_detector_load(const moeclip_load_options* options, moeclip_detector** detector);
/** The threshold of scores and pixels becomes `threshold`, in [0, 1]. Not while other threads use the detector. */
MOECLIP_C_API moeclip_status moeclip_detector_set_threshold(moeclip_detector* detector, float threshold);
/** Classes that it has words for; 0 if words have no say. */
MOECLIP_C_API size_t moeclip_detector_class_count(const moeclip_detector* detector);
/** Name of class number `index`, from 0, valid as long as the detector; NULL if there is none. */
MOECLIP_C_API const char* moeclip_detector_class_name(const moeclip_detector* detector, size_t index);
/** Frees a detector, which no thread may be using. */
MOECLIP_C_API void moeclip_detector_destroy(moeclip_detector* detector);

/** Makes an empty result. */
MOECLIP_C_API moeclip_status moeclip_result_create(moeclip_result** result);
/** Frees a result and all that it shows. */
MOECLIP_C_API void moeclip_result_destroy(moeclip_result* result);

/** Judges pixels. `class_name` is one of the detector's; NULL or "" if it has one or none. If it fails, `result` is
 * empty, as it is after the two below. */
MOECLIP_C_API moeclip_status moeclip_detect_pixels(const moeclip_detector* detector, moeclip_context* context,
                                                   const moeclip_pixels* pixels, const char* class_name,
                                                   moeclip_result* result);
/** Judges an encoded picture (PNG, JPEG, TIFF, WebP, BMP, GIF, Netpbm) of `byte_count` bytes. */
MOECLIP_C_API moeclip_status moeclip_detect_encoded(const moeclip_detector* detector, moeclip_context* context,
                                                    const void* bytes, size_t byte_count, const char* class_name,
                                                    moeclip_result* result);
/** Judges the picture in a file. */
MOECLIP_C_API moeclip_status moeclip_detect_file(const moeclip_detector* detector, moeclip_context* context,
                                                 const char* path, const char* class_name, moeclip_result* result);

/** Fills `verdict`, whose struct_size is set. */
MOECLIP_C_API moeclip_status moeclip_result_verdict(const moeclip_result* result, moeclip_verdict* verdict);
/** Shows the regions, highest peak first. */
MOECLIP_C_API moeclip_status moeclip_result_regions(const moeclip_result* result, const moeclip_region** regions,
                                                    size_t* count);
/** Shows the anomaly map, `height` rows of `width` values without gaps: of the square that the model sees, or of the
 * picture where that is cut into tiles. */
MOECLIP_C_API moeclip_status moeclip_result_map(const moeclip_result* result, const float** map, int64_t* height,
                                                int64_t* width);
/** What a person should know of a file that was read although pixels are missing from it; else "". */
MOECLIP_C_API moeclip_status moeclip_result_remark(const moeclip_result* result, const char** remark);

#ifdef __cplusplus
}
#endif

#endif
