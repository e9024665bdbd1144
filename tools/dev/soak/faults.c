/* SPDX-License-Identifier: MIT */
/* To be loaded before the C library (LD_PRELOAD): makes the N-th call of one kind fail as the system would, to see that
 * the program says so and leaves nothing half-written. FAULT_KIND is one of the names below, FAULT_AT the number of the
 * call, from 1; 0 counts only. With FAULT_LASTING set, all calls of the kind fail from that one on: a disk that stays full.
 * FAULT_COUNT names a file that gets the number of calls at exit. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const char* kind;
static long at;
static int is_begun, is_lasting;
static atomic_long calls;

__attribute__((constructor)) static void begin(void) {
  const char* number = getenv("FAULT_AT");
  at = number == NULL ? 0 : atol(number);
  is_lasting = getenv("FAULT_LASTING") != NULL;
  kind = getenv("FAULT_KIND");
}

__attribute__((destructor)) static void end(void) {
  const char* path = getenv("FAULT_COUNT");
  const int file = path == NULL ? -1 : open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (file < 0) return;
  kind = NULL;
  dprintf(file, "%ld\n", atomic_load(&calls));
  close(file);
}

/* Calls count from main on: what fails before, the program has no way to tell. */
static int (*program)(int, char**, char**);
static int begin_program(int count, char** words, char** environment) {
  is_begun = 1;
  return program(count, words, environment);
}
int __libc_start_main(int (*run)(int, char**, char**), int count, char** words, void (*first)(void), void (*last)(void),
                      void (*unload)(void), void* stack) {
  __typeof__(&__libc_start_main) next = (__typeof__(next))dlsym(RTLD_NEXT, "__libc_start_main");
  program = run;
  return next(begin_program, count, words, first, last, unload, stack);
}

/* True if this call of `name` is one that fails; sets errno. */
static int fails(const char* name, int error) {
  if (!is_begun || kind == NULL || strcmp(kind, name) != 0) return 0;
  const long call = atomic_fetch_add(&calls, 1) + 1;
  if (at == 0 || (is_lasting ? call < at : call != at)) return 0;
  errno = error;
  return 1;
}

#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

ssize_t write(int file, const void* data, size_t size) {
  return file > 2 && fails("write", ENOSPC) ? -1 : NEXT(write)(file, data, size);
}
size_t fwrite(const void* data, size_t size, size_t count, FILE* file) {
  return file != stdout && file != stderr && fails("write", ENOSPC) ? 0 : NEXT(fwrite)(data, size, count, file);
}
int fflush(FILE* file) {
  return file != NULL && file != stdout && file != stderr && fails("write", ENOSPC) ? EOF : NEXT(fflush)(file);
}
int fclose(FILE* file) {
  const int is_failing = fails("close", EIO);
  const int result = NEXT(fclose)(file);
  if (is_failing) errno = EIO;
  return is_failing ? EOF : result;
}
size_t fread(void* data, size_t size, size_t count, FILE* file) {
  if (!fails("read", EIO)) return NEXT(fread)(data, size, count, file);
  file->_flags |= 0x20; /* what ferror asks for, in glibc */
  return 0;
}
FILE* fopen(const char* path, const char* mode) {
  return fails("open", EMFILE) ? NULL : NEXT(fopen)(path, mode);
}
FILE* fopen64(const char* path, const char* mode) {
  return fails("open", EMFILE) ? NULL : NEXT(fopen64)(path, mode);
}
int open(const char* path, int flags, ...) {
  va_list more;
  va_start(more, flags);
  const int mode = (flags & O_CREAT) != 0 ? va_arg(more, int) : 0;
  va_end(more);
  return fails("open", EMFILE) ? -1 : NEXT(open)(path, flags, mode);
}
void* mmap(void* address, size_t size, int access, int flags, int file, off_t offset) {
  return file >= 0 && fails("mmap", ENOMEM) ? MAP_FAILED : NEXT(mmap)(address, size, access, flags, file, offset);
}
int rename(const char* from, const char* to) { return fails("rename", EACCES) ? -1 : NEXT(rename)(from, to); }
int fsync(int file) { return fails("fsync", EIO) ? -1 : NEXT(fsync)(file); }
int mkdir(const char* path, mode_t mode) { return fails("mkdir", EACCES) ? -1 : NEXT(mkdir)(path, mode); }
int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*run)(void*), void* argument) {
  return fails("thread", EAGAIN) ? EAGAIN : NEXT(pthread_create)(thread, attributes, run, argument);
}

/* operator new is the only way in which the tool asks for memory of its own; failing it as malloc would fail. */
void* malloc(size_t size) {
  static void* (*next)(size_t);
  if (next == NULL) next = (void* (*)(size_t))dlsym(RTLD_NEXT, "malloc");
  return kind != NULL && fails("memory", ENOMEM) ? NULL : next(size);
}
void* aligned_alloc(size_t alignment, size_t size) {
  return fails("memory", ENOMEM) ? NULL : NEXT(aligned_alloc)(alignment, size);
}
