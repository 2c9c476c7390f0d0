"""The filter of system calls as a classic BPF program (seccomp(2)), for x86_64 and aarch64. Installs nothing.

Written by hand: see docs/decisions/2026-11-21-code-runner.md. The numbers are held against libseccomp's by a test.
"""

from __future__ import annotations

import errno
import platform

Instruction = tuple[int, int, int, int | None]  # code, jump if true, jump if false, constant; None is the own pid

# By machine: the audit architecture, and numbers by name; None where the machine has no such call.
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
# name: (x86_64, aarch64). Stopped at once: new processes, networks, other processes, the kernel's own affairs.
KILLED: dict[str, tuple[int | None, int | None]] = {
    "fork": (57, None),
    "vfork": (58, None),
    "socket": (41, 198),
    "connect": (42, 203),
    "bind": (49, 200),
    "listen": (50, 201),
    "sendmsg": (46, 211),  # hands open files over, where nobody counts them any more
    "sendmmsg": (307, 269),
    "setsid": (112, 157),
    "setpgid": (109, 154),
    "tkill": (200, 130),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "pidfd_send_signal": (424, 424),
    "pidfd_open": (434, 434),
    "pidfd_getfd": (438, 438),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "kcmp": (312, 272),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "unshare": (272, 97),
    "setns": (308, 268),
    "fsopen": (430, 430),
    "fsmount": (432, 432),
    "fsconfig": (431, 431),
    "fspick": (433, 433),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "mount_setattr": (442, 442),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "mknod": (133, None),
    "mknodat": (259, 33),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "reboot": (169, 142),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "iopl": (172, None),
    "ioperm": (173, None),
    "modify_ldt": (154, None),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "settimeofday": (164, 170),
    "clock_settime": (227, 112),
    "adjtimex": (159, 171),
    "clock_adjtime": (305, 266),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "syslog": (103, 116),
    "personality": (135, 92),
    "fanotify_init": (300, 262),
    "vhangup": (153, 58),
    "move_pages": (279, 239),
    "migrate_pages": (256, 238),
    # What is shared between processes of one user goes by numbers and names, without a file to open.
    "msgget": (68, 186),
    "msgsnd": (69, 189),
    "msgrcv": (70, 188),
    "msgctl": (71, 187),
    "semget": (64, 190),
    "semop": (65, 193),
    "semtimedop": (220, 192),
    "semctl": (66, 191),
    "shmget": (29, 194),
    "shmat": (30, 196),
    "shmctl": (31, 195),
    "mq_open": (240, 180),
    "mq_unlink": (241, 181),
    # The priority of other processes, and what happens in folders that are not the program's.
    "setpriority": (141, 140),
    "sched_setscheduler": (144, 119),
    "sched_setparam": (142, 118),
    "sched_setattr": (314, 274),
    "ioprio_set": (251, 30),
    "inotify_init": (253, None),
    "inotify_init1": (294, 26),
}
# Answered with "operation not permitted": ordinary programs try these and live without. Landlock does not see them.
REFUSED: dict[str, tuple[int | None, int | None]] = {
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "chown": (92, None),
    "lchown": (94, None),
    "fchown": (93, 55),
    "fchownat": (260, 54),
    "utime": (132, None),
    "utimes": (235, None),
    "futimesat": (261, None),
    "utimensat": (280, 88),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
}
# Answered with "no such system call": the C library then takes an older one that can be judged by its arguments.
ABSENT: dict[str, tuple[int | None, int | None]] = {
    "clone3": (435, 435),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
}
# Judged by their arguments.
JUDGED: dict[str, tuple[int | None, int | None]] = {
    "clone": (56, 220),
    "kill": (62, 129),
    "tgkill": (234, 131),
    "prlimit64": (302, 261),
    "socketpair": (53, 199),
    "prctl": (157, 167),
    "sched_setaffinity": (203, 122),
    "fcntl": (72, 25),
    "ioctl": (16, 29),
}

_LOAD, _EQUAL, _AT_LEAST, _BITS, _AND, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
_NUMBER, _ARCHITECTURE, _FIRST, _SECOND = 0, 4, 16, 24  # offsets in struct seccomp_data; the argument's lower half
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_X32 = 0x40000000  # x86_64's second set of numbers
_CLONE_THREAD, _CLONE_FILES = 0x00010000, 0x00000400
_AF_UNIX, _KIND, _SOCK_STREAM = 1, 0xF, 1
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE = 1, 4
# Who gets the signals of a file: by these a program would have the kernel kill another process.
_OWNERS = {"fcntl": (8, 10, 15), "ioctl": (0x8901, 0x8902)}  # F_SETOWN, F_SETSIG, F_SETOWN_EX; FIOSETOWN, SIOCSPGRP


def filter_for(machine: str | None = None) -> list[Instruction] | None:
    """Returns the filter for a machine, this one by default; None for one whose numbers are not known."""
    machine = machine or platform.machine()
    if machine not in ARCHITECTURES:
        return None
    column = list(ARCHITECTURES).index(machine)
    program: list[Instruction] = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 1, 0, ARCHITECTURES[machine]),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
        (_AT_LEAST, 0, 1, _X32),
        (_RETURN, 0, 0, _KILL),
    ]
    answers = ((KILLED, _KILL), (REFUSED, _ERRNO | errno.EPERM), (ABSENT, _ERRNO | errno.ENOSYS))
    for table, answer in answers:
        for numbers in table.values():
            if (number := numbers[column]) is not None:
                program += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, answer)]
    for name, numbers in JUDGED.items():
        body = _judged(name)
        program += [(_EQUAL, 0, len(body), numbers[column]), *body]
    return [*program, (_RETURN, 0, 0, _ALLOW)]


def _judged(name: str) -> list[Instruction]:
    """Returns what is asked of a call's arguments: a thread, not a process; itself, no other; no network."""
    load, kill, allow = (_LOAD, 0, 0, _FIRST), (_RETURN, 0, 0, _KILL), (_RETURN, 0, 0, _ALLOW)
    second = (_LOAD, 0, 0, _SECOND)
    if name == "clone":  # a thread with a table of files of its own would hold files that nobody counts
        return [load, (_BITS, 1, 0, _CLONE_THREAD), kill, (_BITS, 1, 0, _CLONE_FILES), kill, allow]
    if name == "socketpair":  # datagrams go to any address, also from one of a pair
        a_stream = [second, (_AND, 0, 0, _KIND), (_EQUAL, 1, 0, _SOCK_STREAM), kill]
        return [load, (_EQUAL, 1, 0, _AF_UNIX), kill, *a_stream, allow]
    if name == "prctl":  # what the launcher set, the program keeps, and the launcher sees what it holds
        return [load, *_killed(_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE), allow]
    if name in _OWNERS:
        return [second, *_killed(*_OWNERS[name]), allow]
    if name in ("prlimit64", "sched_setaffinity"):
        return [load, (_EQUAL, 2, 0, 0), (_EQUAL, 1, 0, None), kill, allow]
    return [load, (_EQUAL, 1, 0, None), kill, allow]


def _killed(*values: int) -> list[Instruction]:
    return [line for value in values for line in ((_EQUAL, 0, 1, value), (_RETURN, 0, 0, _KILL))]
