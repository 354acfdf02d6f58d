/* A libcuda.so.1 that answers for the T4 and the P40 of ../nvml.c: stands in for the driver at its real ABI, as far as a
   replica's share is read back by it. Whose client a process is it learns as CUDA does: from its environment, and from the
   control socket of the real MPS daemon. All figures simulated. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { OK = 0, INVALID = 1, OUT_OF_MEMORY = 2, NO_DEVICE = 100, MULTIPROCESSOR_COUNT = 16, TPC = 2 };
static const size_t MIB = 1 << 20;

typedef struct { const char *uuid; int multiprocessors; size_t memory_mib; } device;
static const device devices[] = {
    {"GPU-aaaaaaaa-0000-0000-0000-000000000000", 40, 15360},
    {"GPU-bbbbbbbb-0000-0000-0000-000000000000", 30, 23040},
};

static const device *mine(void) {
    const char *visible = getenv("CUDA_VISIBLE_DEVICES");
    for (size_t i = 0; visible && i < sizeof devices / sizeof *devices; i++)
        if (!strcmp(devices[i].uuid, visible)) return &devices[i];
    return NULL;
}

static int is_client(void) {
    char control[4096];
    const char *pipes = getenv("CUDA_MPS_PIPE_DIRECTORY");
    struct stat found;
    snprintf(control, sizeof control, "%s/control", pipes ? pipes : "/tmp/nvidia-mps");
    return stat(control, &found) == 0;
}

static double percentage(void) {
    const char *said = getenv("CUDA_MPS_ACTIVE_THREAD_PERCENTAGE");
    return said && is_client() ? atof(said) : 100.0;
}

/* "0=3500M": of device 0, the only one that a replica sees. 0: none. */
static size_t limit_mib(void) {
    const char *said = getenv("CUDA_MPS_PINNED_DEVICE_MEM_LIMIT");
    return said && is_client() && !strncmp(said, "0=", 2) ? strtoul(said + 2, NULL, 10) : 0;
}

int cuInit(unsigned flags) { return flags ? INVALID : mine() ? OK : NO_DEVICE; }
int cuDeviceGet(int *found, int ordinal) { *found = ordinal; return ordinal ? INVALID : OK; }
int cuDevicePrimaryCtxRetain(void **context, int which) { *context = (void *)mine(); return which ? INVALID : OK; }
int cuCtxSetCurrent(void *context) { return context ? OK : INVALID; }
int cuDeviceGetAttribute(int *value, int attribute, int which) {
    if (which || attribute != MULTIPROCESSOR_COUNT) return INVALID;
    *value = (int)(mine()->multiprocessors * percentage() / 100 / TPC + 0.5) * TPC;
    return OK;
}
int cuMemGetInfo_v2(size_t *free, size_t *total) {
    *free = *total = mine()->memory_mib * MIB;
    return OK;
}
int cuMemAlloc_v2(void **memory, size_t bytes) {
    size_t most = limit_mib() ? limit_mib() : mine()->memory_mib;
    *memory = NULL;
    return bytes < most * MIB ? OK : OUT_OF_MEMORY;
}
