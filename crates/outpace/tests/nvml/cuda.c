/* In the place of NVIDIA's libcuda.so.1: its start asks of the system what CUDA's does, to open a
 * GPU's device for reading and writing, and to name a thread by its file in /proc. */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { SUCCESS = 0, INVALID_VALUE = 1, NO_DEVICE = 100, OPERATING_SYSTEM = 304 };

static int opens(const char *path, int how) {
  int file = open(path, how | O_CLOEXEC);
  return file >= 0 && close(file) == 0;
}

static void *name_itself(void *named) {
  char path[64];
  snprintf(path, sizeof path, "/proc/self/task/%ld/comm", syscall(SYS_gettid));
  int file = open(path, O_WRONLY);
  *(int *)named = file >= 0 && write(file, "cuda", 4) == 4;
  return NULL;
}

static int a_thread_is_named(void) {
  pthread_t thread;
  int named = 0;
  return pthread_create(&thread, NULL, name_itself, &named) == 0 &&
         pthread_join(thread, NULL) == 0 && named;
}

int cuInit(unsigned int flags) {
  if (flags != 0) return INVALID_VALUE;
  // By its name: no driver lists /dev.
  if (!opens(DEVICE, O_RDWR)) return NO_DEVICE;
#ifdef NEEDS
  if (!opens(NEEDS, O_RDONLY)) return OPERATING_SYSTEM;
#endif
  return a_thread_is_named() ? SUCCESS : OPERATING_SYSTEM;
}
