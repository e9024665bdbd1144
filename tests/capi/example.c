/* SPDX-License-Identifier: MIT */
/* The example of tools/capi/README.md. */
#include <moeclip.h>
#include <stdio.h>

int main(int argc, char** argv) {
  moeclip_context* context = NULL;
  moeclip_detector* detector = NULL;
  moeclip_result* result = NULL;
  moeclip_verdict verdict = {.struct_size = sizeof(moeclip_verdict)};
  const moeclip_region* regions = NULL;
  size_t count = 0;
  if (argc != 3) return 2;
  if (moeclip_context_create(0, &context) || moeclip_detector_load_model(argv[1], 0, &detector) ||
      moeclip_result_create(&result) || moeclip_detect_file(detector, context, argv[2], NULL, result) ||
      moeclip_result_verdict(result, &verdict) || moeclip_result_regions(result, &regions, &count)) {
    fprintf(stderr, "%s\n", moeclip_last_error());
    return 1;
  }
  printf("%g %s\n", verdict.score, verdict.is_anomalous ? "defective" : "good");
  for (size_t i = 0; i < count; ++i)
    printf("x %d y %d, %d x %d pixels\n", (int)regions[i].x, (int)regions[i].y, (int)regions[i].width,
           (int)regions[i].height);
  moeclip_result_destroy(result);
  moeclip_detector_destroy(detector);
  moeclip_context_destroy(context);
  return 0;
}
