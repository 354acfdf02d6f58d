"""What the sandbox's child may not ask of the kernel, by a seccomp filter: no network, no program, no other process.

The kernel holds it for good, whatever a parser is made to do (docs.kernel.org, userspace-api/seccomp_filter).
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Iterator

from seatrial.errors import SeatrialError

ABSENT = -1  # the architecture has no such call

# machine → its number for the audit, the column of its calls below
MACHINES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}

FORBIDDEN = {
    "socket": (41, 198),
    "socketpair": (53, 199),
    "io_uring_setup": (425, 425),
    "fork": (57, ABSENT),
    "vfork": (58, ABSENT),
    "execve": (59, 221),
    "execveat": (322, 281),
    "kill": (62, 129),
    "tkill": (200, 130),
    "pidfd_open": (434, 434),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "unshare": (272, 97),
    "setns": (308, 268),
    "mount": (165, 40),
    "bpf": (321, 280),
    "keyctl": (250, 219),
}
WRITING = {
    "creat": (85, ABSENT),
    "truncate": (76, 45),
    "rename": (82, ABSENT),
    "renameat": (264, 38),
    "renameat2": (316, 276),
    "mkdir": (83, ABSENT),
    "mkdirat": (258, 34),
    "rmdir": (84, ABSENT),
    "unlink": (87, ABSENT),
    "unlinkat": (263, 35),
    "link": (86, ABSENT),
    "linkat": (265, 37),
    "symlink": (88, ABSENT),
    "symlinkat": (266, 36),
    "mknod": (133, ABSENT),
    "mknodat": (259, 33),
    "chmod": (90, ABSENT),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "chown": (92, ABSENT),
    "lchown": (94, ABSENT),
    "fchownat": (260, 54),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "utimensat": (280, 88),
}
# Later forms of calls that a filter cannot look into: "no such call" sends the C library to the older ones.
NEWER = {"clone3": (435, 435), "openat2": (437, 437)}
OPENING = {"open": ((2, ABSENT), 1), "openat": ((257, 56), 2)}  # call, and which argument has its flags
CLONE, CLONE_THREAD = (56, 220), 0x10000
SECCOMP = (317, 277)

ALLOW, KILL = 0x7FFF0000, 0x80000000
LOAD, EQUALS, HAS_BITS, AT_LEAST, ANSWER = 0x20, 0x15, 0x45, 0x35, 0x06


def confine(*, writes: bool) -> None:
    """Take from this process, for good: network, other programs and processes; without `writes`, changes of any file.

    Such a call fails with EACCES there. Threads can still be started. Raises SeatrialError where the kernel refuses.
    """
    machine = platform.machine()
    if machine not in MACHINES:
        raise SeatrialError(f"the sandbox has no list of system calls for {machine}: {', '.join(MACHINES)}")
    program = b"".join(struct.pack("<HBBI", *row) for row in _program(machine, writes=writes))
    libc = ctypes.CDLL(None, use_errno=True)
    code = ctypes.create_string_buffer(program, len(program))
    filter_ = struct.pack("@HP", len(program) // 8, ctypes.addressof(code))
    set_no_new_privileges, set_filter, all_threads = 38, 1, 1
    if libc.prctl(set_no_new_privileges, 1, 0, 0, 0) or libc.syscall(
        SECCOMP[MACHINES[machine][1]], set_filter, all_threads, filter_
    ):
        raise SeatrialError(f"the kernel does not confine the format check: {os.strerror(ctypes.get_errno())}")


Row = tuple[int, int, int, int]
"""An instruction: code, instructions to skip when it holds, when it does not, its number."""


def _program(machine: str, *, writes: bool) -> Iterator[Row]:
    architecture, column = MACHINES[machine]
    yield from ((LOAD, 0, 0, 4), (EQUALS, 1, 0, architecture), (ANSWER, 0, 0, KILL), (LOAD, 0, 0, 0))
    if machine == "x86_64":  # the same calls by other numbers
        yield from ((AT_LEAST, 0, 1, 0x40000000), (ANSWER, 0, 0, KILL))
    for calls, error in ((FORBIDDEN, errno.EACCES), ({} if writes else WRITING, errno.EACCES), (NEWER, errno.ENOSYS)):
        for numbers in calls.values():
            yield from _answer(numbers[column], error)
    yield from _flags(CLONE[column], 0, CLONE_THREAD, allowed=True)
    if not writes:
        for numbers, argument in OPENING.values():
            yield from _flags(numbers[column], argument, os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC)
    yield (ANSWER, 0, 0, ALLOW)


def _answer(number: int, error: int) -> Iterator[Row]:
    if number != ABSENT:
        yield from ((EQUALS, 0, 1, number), (ANSWER, 0, 0, _errno(error)))


def _flags(number: int, argument: int, bits: int, *, allowed: bool = False) -> Iterator[Row]:
    """A call that is allowed only with (or, as it is, only without) any of `bits` in its argument."""
    if number == ABSENT:
        return
    held, not_held = (ALLOW, _errno(errno.EACCES)) if allowed else (_errno(errno.EACCES), ALLOW)
    yield from ((EQUALS, 0, 4, number), (LOAD, 0, 0, 16 + 8 * argument), (HAS_BITS, 0, 1, bits))
    yield from ((ANSWER, 0, 0, held), (ANSWER, 0, 0, not_held))


def _errno(error: int) -> int:
    return 0x00050000 | error
