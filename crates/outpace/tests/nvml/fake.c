/* A stand-in for libnvidia-ml.so.1, so that trials on GPUs are tested where none is. What its GPUs look like stands in the folder that FAKE_GPU
   names: `settings` holds lines of `key value`, a file `lost` makes all of them fall off the bus, and programs that pretend to use a GPU leave a
   file `pids/<pid>` with the GPU's number, MiB, and per cent of its time. Structures and codes as in NVIDIA's nvml.h. */
#define _POSIX_C_SOURCE 200809L
#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

enum { SUCCESS = 0, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6, INSUFFICIENT_SIZE = 7, GPU_IS_LOST = 15 };
#define EXPORT __attribute__((visibility("default")))

/* A handle: 1 + GPU, or 101 + 10 * GPU + instance. */
typedef size_t Handle;
typedef struct { unsigned version; unsigned long long total, reserved, free, used; } Memory;
typedef struct { unsigned gpu, memory; } Utilization;
typedef struct { unsigned pid; unsigned long long memory; unsigned gpu_instance, compute_instance; } Process;
typedef struct { unsigned pid; unsigned long long time; unsigned sm, memory, encoder, decoder; } Sample;

static char *in_folder(const char *name, char *path) {
  const char *folder = getenv("FAKE_GPU");
  snprintf(path, 512, "%s/%s", folder ? folder : "/nonexistent", name);
  return path;
}

static long setting(const char *key, long otherwise) {
  char path[512], name[64];
  long value;
  FILE *file = fopen(in_folder("settings", path), "r");
  while (file && fscanf(file, "%63s %li", name, &value) == 2)
    if (!strcmp(name, key)) otherwise = value;
  if (file) fclose(file);
  return otherwise;
}

static int gone(void) {
  char path[512];
  return access(in_folder("lost", path), F_OK) == 0 ? GPU_IS_LOST : SUCCESS;
}

static unsigned gpu_of(Handle handle) { return handle > 100 ? (handle - 101) / 10 : handle - 1; }

/* What living programs use of a GPU; fills `samples` if there are any to be filled. */
static unsigned users(unsigned gpu, long *mib, long *busy, Sample *samples) {
  char path[512], name[800];
  unsigned count = 0;
  struct dirent *entry;
  struct timeval now;
  gettimeofday(&now, NULL);
  *mib = *busy = 0;
  DIR *folder = opendir(in_folder("pids", path));
  while (folder && (entry = readdir(folder))) {
    unsigned on;
    long own, share;
    int pid = atoi(entry->d_name);
    snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
    FILE *file = pid > 0 && kill(pid, 0) == 0 ? fopen(name, "r") : NULL;
    if (file && fscanf(file, "%u %ld %ld", &on, &own, &share) == 3 && on == gpu) {
      *mib += own;
      *busy += share;
      if (samples) {
        Sample sample = {setting("hide_pids", 0) ? 1 : pid, now.tv_sec * 1000000ull + now.tv_usec, share, 0, 0, 0};
        samples[count] = sample;
      }
      count++;
    }
    if (file) fclose(file);
  }
  if (folder) closedir(folder);
  return count;
}

EXPORT int nvmlInit_v2(void) { return setting("gpus", 0) > 0 ? SUCCESS : NOT_FOUND; }
EXPORT int nvmlShutdown(void) { return SUCCESS; }
EXPORT int nvmlSystemGetDriverVersion(char *text, unsigned size) { return snprintf(text, size, "570.86.15"), SUCCESS; }
EXPORT int nvmlDeviceGetCount_v2(unsigned *count) { return *count = setting("gpus", 0), gone(); }
EXPORT int nvmlDeviceGetHandleByIndex_v2(unsigned index, Handle *handle) { return *handle = 1 + index, gone(); }
EXPORT int nvmlDeviceGetName(Handle h, char *text, unsigned size) {
  return snprintf(text, size, h > 100 ? "Fake GPU MIG 1g.10gb" : "Fake GPU"), gone();
}
EXPORT int nvmlDeviceGetUUID(Handle h, char *text, unsigned size) {
  return snprintf(text, size, "%s-fake-%u-%u", h > 100 ? "MIG" : "GPU", gpu_of(h), h > 100 ? (unsigned)(h - 101) % 10 : 0), gone();
}
EXPORT int nvmlDeviceGetMemoryInfo_v2(Handle h, Memory *memory) {
  long mib, busy;
  if (!setting("memory_mib", 8192)) return NOT_SUPPORTED;
  users(gpu_of(h), &mib, &busy, NULL);
  memory->total = (unsigned long long)setting("memory_mib", 8192) << 20;
  memory->used = (unsigned long long)mib << 20;
  memory->free = memory->total - memory->used;
  return gone();
}
EXPORT int nvmlDeviceGetMigMode(Handle h, unsigned *now, unsigned *pending) {
  (void)h;
  return *now = *pending = setting("mig", 0) > 0, SUCCESS;
}
EXPORT int nvmlDeviceGetMaxMigDeviceCount(Handle h, unsigned *count) { return (void)h, *count = 7, SUCCESS; }
EXPORT int nvmlDeviceGetMigDeviceHandleByIndex(Handle h, unsigned index, Handle *part) {
  if (index >= setting("mig", 0)) return NOT_FOUND;
  return *part = 101 + 10 * gpu_of(h) + index, SUCCESS;
}
EXPORT int nvmlDeviceGetPowerManagementLimit(Handle h, unsigned *mw) { return (void)h, *mw = 700000, SUCCESS; }
EXPORT int nvmlDeviceGetComputeMode(Handle h, unsigned *mode) { return (void)h, *mode = setting("exclusive", 0) ? 3 : 0, SUCCESS; }
EXPORT int nvmlDeviceGetMaxClockInfo(Handle h, unsigned clock, unsigned *mhz) { return (void)h, *mhz = clock == 1 ? 1980 : 2619, SUCCESS; }
EXPORT int nvmlDeviceGetClockInfo(Handle h, unsigned clock, unsigned *mhz) {
  long mib, busy;
  users(gpu_of(h), &mib, &busy, NULL);
  return *mhz = clock == 1 ? (busy ? 1755 : 345) : 2619, gone();
}
EXPORT int nvmlDeviceGetPowerUsage(Handle h, unsigned *mw) { return (void)h, *mw = 412300, gone(); }
EXPORT int nvmlDeviceGetTemperature(Handle h, unsigned sensor, unsigned *celsius) { return (void)h, (void)sensor, *celsius = 61, gone(); }
EXPORT int nvmlDeviceGetCurrentClocksThrottleReasons(Handle h, unsigned long long *bits) { return (void)h, *bits = setting("throttle", 0), gone(); }
EXPORT int nvmlDeviceGetUtilizationRates(Handle h, Utilization *share) {
  long mib, busy;
  if (h > 100) return NOT_SUPPORTED;
  users(gpu_of(h), &mib, &busy, NULL);
  return share->gpu = busy > 100 ? 100 : busy, share->memory = 0, gone();
}
EXPORT int nvmlDeviceGetComputeRunningProcesses_v3(Handle h, unsigned *count, Process *list) {
  Sample samples[64];
  long mib, busy;
  unsigned n = users(gpu_of(h), &mib, &busy, samples);
  if (!list || *count < n) return *count = n, n ? INSUFFICIENT_SIZE : gone();
  for (unsigned i = 0; i < n; i++) list[i] = (Process){samples[i].pid, 1, -1, -1};
  return *count = n, gone();
}
EXPORT int nvmlDeviceGetMPSComputeRunningProcesses_v3(Handle h, unsigned *count, void *list) { return (void)h, (void)list, *count = 0, SUCCESS; }
EXPORT int nvmlDeviceGetProcessUtilization(Handle h, Sample *samples, unsigned *count, unsigned long long since) {
  long mib, busy;
  if (setting("mig", 0) > 0) return NOT_SUPPORTED;
  unsigned n = users(gpu_of(h), &mib, &busy, NULL);
  (void)since;
  if (!samples || *count < n) return *count = n, n ? INSUFFICIENT_SIZE : NOT_FOUND;
  return *count = users(gpu_of(h), &mib, &busy, samples), gone();
}
