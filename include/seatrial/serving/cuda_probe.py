"""What CUDA gives to a process that is started as a replica's are: run as a program, in their environment.

Prints one JSON object: `multiprocessors`; `memory_mib` and `memory_free_mib` of the device; and, with a number of MiB
as its argument, `refused`: whether CUDA refuses it that much memory. (MPS enforces a memory limit, but the device's
figures do not show it.) Talks to the driver alone, so it needs no CUDA toolkit and imports nothing of Seatrial. It is a
client of MPS like any other.
"""

from __future__ import annotations

import ctypes
import json
import sys

MULTIPROCESSOR_COUNT = 16  # CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT
OUT_OF_MEMORY = 2  # CUDA_ERROR_OUT_OF_MEMORY


def main() -> None:
    cuda = ctypes.CDLL("libcuda.so.1")
    device, context, count = ctypes.c_int(), ctypes.c_void_p(), ctypes.c_int()
    free, total, memory = ctypes.c_size_t(), ctypes.c_size_t(), ctypes.c_void_p()
    for name, *arguments in (
        ("cuInit", 0),
        ("cuDeviceGet", ctypes.byref(device), 0),
        ("cuDevicePrimaryCtxRetain", ctypes.byref(context), device),
        ("cuCtxSetCurrent", context),
        ("cuDeviceGetAttribute", ctypes.byref(count), MULTIPROCESSOR_COUNT, device),
        ("cuMemGetInfo_v2", ctypes.byref(free), ctypes.byref(total)),
    ):
        status = getattr(cuda, name)(*arguments)
        if status != 0:
            sys.exit(f"{name} answered CUDA error {status}")
    found = {
        "multiprocessors": count.value,
        "memory_mib": total.value // 2**20,
        "memory_free_mib": free.value // 2**20,
    }
    if len(sys.argv) > 1:
        wanted = ctypes.c_size_t(int(sys.argv[1]) * 2**20)
        found["refused"] = cuda.cuMemAlloc_v2(ctypes.byref(memory), wanted) == OUT_OF_MEMORY
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
