/* A libnvidia-ml.so.1 that answers for a T4 and a P40: stands in for the driver at its real ABI. All figures simulated. */
#include <stddef.h>
#include <string.h>

typedef struct device {
    const char *name, *uuid;
    unsigned long long memory, used;
    int major, minor;
    unsigned power_mw;
    unsigned long long energy_mj, events;
    unsigned mps_clients[2], mps_count;
} device;
typedef struct { unsigned long long total, free, used; } memory_t;
typedef struct { unsigned gpu, memory; } utilization_t;
typedef struct { unsigned pid; unsigned long long used; unsigned gpu_instance, compute_instance; } process_t;

enum { OK = 0, INVALID = 2, NOT_SUPPORTED = 3, NOT_FOUND = 6, TOO_SMALL = 7 };
enum { MEMORY = 2 };

static device devices[] = {
    {"Tesla T4", "GPU-aaaaaaaa-0000-0000-0000-000000000000", 16106127360ULL, 1073741824ULL, 7, 5, 35000, 90000,
     0x4 | 0x1, {4001, 4002}, 2},
    /* Pascal reports no energy. */
    {"Tesla P40", "GPU-bbbbbbbb-0000-0000-0000-000000000000", 24159191040ULL, 0, 6, 1, 50000, 0, 0, {0, 0}, 0},
};

int nvmlInit_v2(void) { return OK; }
int nvmlInitWithFlags(unsigned flags) { (void)flags; return OK; }
int nvmlShutdown(void) { return OK; }
const char *nvmlErrorString(int code) { (void)code; return "simulated error"; }
int nvmlSystemGetDriverVersion(char *text, unsigned size) { strncpy(text, "535.0 (simulated)", size); return OK; }
int nvmlDeviceGetCount_v2(unsigned *count) { *count = 2; return OK; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, device **found) {
    if (index > 1) return INVALID;
    *found = &devices[index];
    return OK;
}
int nvmlDeviceGetHandleByUUID(const char *uuid, device **found) {
    for (int i = 0; i < 2; i++)
        if (!strcmp(devices[i].uuid, uuid)) { *found = &devices[i]; return OK; }
    return NOT_FOUND;
}
int nvmlDeviceGetName(device *d, char *text, unsigned size) { strncpy(text, d->name, size); return OK; }
int nvmlDeviceGetUUID(device *d, char *text, unsigned size) { strncpy(text, d->uuid, size); return OK; }
int nvmlDeviceGetMemoryInfo(device *d, memory_t *m) {
    m->total = d->memory; m->used = d->used; m->free = d->memory - d->used;
    return OK;
}
int nvmlDeviceGetCudaComputeCapability(device *d, int *major, int *minor) { *major = d->major; *minor = d->minor; return OK; }
int nvmlDeviceGetComputeMode(device *d, unsigned *mode) { (void)d; *mode = 0; return OK; }
int nvmlDeviceGetUtilizationRates(device *d, utilization_t *u) { (void)d; u->gpu = 97; u->memory = 20; return OK; }
int nvmlDeviceGetClockInfo(device *d, unsigned kind, unsigned *mhz) { (void)d; *mhz = kind == MEMORY ? 5001 : 1590; return OK; }
int nvmlDeviceGetPowerUsage(device *d, unsigned *mw) { *mw = d->power_mw; return OK; }
int nvmlDeviceGetTotalEnergyConsumption(device *d, unsigned long long *mj) {
    if (!d->energy_mj) return NOT_SUPPORTED;
    *mj = d->energy_mj;
    return OK;
}
int nvmlDeviceGetCurrentClocksEventReasons(device *d, unsigned long long *bits) { *bits = d->events; return OK; }
int nvmlDeviceGetMPSComputeRunningProcesses_v3(device *d, unsigned *count, process_t *out) {
    unsigned room = *count;
    *count = d->mps_count;
    if (room < d->mps_count) return TOO_SMALL;
    for (unsigned i = 0; i < d->mps_count; i++) { memset(&out[i], 0, sizeof out[i]); out[i].pid = d->mps_clients[i]; }
    return OK;
}
int nvmlDeviceGetComputeRunningProcesses_v3(device *d, unsigned *count, process_t *out) {
    (void)d; (void)out;
    *count = 0;
    return OK;
}
