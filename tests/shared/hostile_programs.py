"""Programs that try to get out of the sandbox, or to take more than they may, and the endings that are right."""

from __future__ import annotations

from gristmill.evals.execution.records import Ending

CALL = "import ctypes, os\nlibc = ctypes.CDLL(None, use_errno=True)\n"
FORBIDDEN = (Ending.FORBIDDEN,)
PAIR = "import socket\na, b = socket.socketpair(socket.AF_UNIX, socket.{})\n"
UNNAMED = "import os, time\nfor n in range(100):\n    file = os.open('x', os.O_CREAT | os.O_RDWR)\n    os.unlink('x')\n"
FULL = "    os.write(file, b'x' * 10**6)\n"
HOSTILE: dict[str, tuple[str, tuple[Ending, ...]]] = {
    # processes
    "fork_bomb": ("import os\nwhile True: os.fork()", FORBIDDEN),
    "vfork_by_spawn": ("import os; os.posix_spawn('/usr/bin/true', ['true'], {})", FORBIDDEN),
    "subprocess": ("import subprocess; subprocess.run(['/usr/bin/true'])", FORBIDDEN),
    "shell": ("import os; os.system('true')", FORBIDDEN),
    "multiprocessing": (
        "import multiprocessing as m\nm.set_start_method('fork')\np = m.Process(target=print)\np.start(); p.join()",
        FORBIDDEN,
    ),
    "raw_clone": (CALL + "libc.syscall(56 if os.uname().machine == 'x86_64' else 220, 17, 0, 0, 0, 0)", FORBIDDEN),
    "daemon": ("import os\nif os.fork() == 0:\n    os.setsid()\n    import time; time.sleep(60)", FORBIDDEN),
    "own_session": ("import os; os.setsid()", FORBIDDEN),
    "own_group": ("import os; os.setpgid(0, 0)", FORBIDDEN),
    "signal_to_parent": ("import os; os.kill(os.getppid(), 9)", FORBIDDEN),
    "signal_to_all": ("import os; os.kill(-1, 9)", FORBIDDEN),
    "signal_to_group": ("import os; os.killpg(0, 9)", FORBIDDEN),
    "pidfd": ("import os; os.pidfd_open(os.getppid())", FORBIDDEN),
    "limits_of_parent": (
        "import os, resource; resource.prlimit(os.getppid(), resource.RLIMIT_CPU, (1, 1))",
        FORBIDDEN,
    ),
    "ptrace": (CALL + "libc.ptrace(16, os.getppid(), 0, 0)", FORBIDDEN),
    "memory_of_parent": (CALL + "libc.process_vm_readv(os.getppid(), 0, 0, 0, 0, 0)", FORBIDDEN),
    "signal_by_a_file": (
        "import fcntl, os, socket\na, b = socket.socketpair()\nfcntl.fcntl(a, fcntl.F_SETOWN, os.getppid())\n"
        "fcntl.fcntl(a, 10, 9)\nfcntl.fcntl(a, fcntl.F_SETFL, os.O_ASYNC)\nb.send(b'x')",
        FORBIDDEN,
    ),
    "signal_by_a_device": (
        "import fcntl, os, socket, struct\na, b = socket.socketpair()\n"
        "fcntl.ioctl(a, 0x8901, struct.pack('i', os.getppid()))",
        FORBIDDEN,
    ),
    "slower_parent": ("import os; os.setpriority(os.PRIO_PROCESS, os.getppid(), 19)", FORBIDDEN),
    "slower_user": ("import os; os.setpriority(os.PRIO_USER, os.getuid(), 19)", FORBIDDEN),
    "idle_parent": (
        "import os; os.sched_setscheduler(os.getppid(), os.SCHED_IDLE, os.sched_param(0))",
        FORBIDDEN,
    ),
    "parent_on_one_core": ("import os; os.sched_setaffinity(os.getppid(), {0})", FORBIDDEN),
    "own_files_of_a_thread": (
        CALL + "libc.syscall(56 if os.uname().machine == 'x86_64' else 220, 0x10900, 0, 0, 0, 0)",
        FORBIDDEN,
    ),
    "death_signal": (CALL + "libc.prctl(1, 0, 0, 0, 0)", FORBIDDEN),
    # networks
    "tcp": ("import socket; socket.create_connection(('127.0.0.1', PORT))", FORBIDDEN),
    "udp": (
        "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', ('127.0.0.1', PORT))",
        FORBIDDEN,
    ),
    "unix": ("import socket; socket.socket(socket.AF_UNIX)", FORBIDDEN),
    "unix_datagram": (PAIR.format("SOCK_DGRAM") + "a.sendto(b'x', 'HOST_SOCKET')", FORBIDDEN),
    "unix_connected": (PAIR.format("SOCK_STREAM") + "a.connect('HOST_SOCKET')", FORBIDDEN),
    "unix_name": (PAIR.format("SOCK_STREAM") + "a.bind('x')", FORBIDDEN),
    "handed_over": (PAIR.format("SOCK_STREAM") + "socket.send_fds(a, [b'x'], [0])", FORBIDDEN),
    "netlink": ("import socket; socket.socket(16, socket.SOCK_RAW)", FORBIDDEN),
    "pair_of_inet": (CALL + "libc.socketpair(2, 1, 0, (ctypes.c_int * 2)())", FORBIDDEN),
    "name_server": ("import socket; socket.getaddrinfo('localhost', 80)", (*FORBIDDEN, Ending.ERROR, Ending.OK)),
    "fetch": ("import urllib.request; urllib.request.urlopen('http://127.0.0.1:PORT/').read()", FORBIDDEN),
    # the kernel
    "mount": (CALL + "libc.mount(b'x', b'.', b'tmpfs', 0, 0)", FORBIDDEN),
    "user_namespace": (CALL + "libc.unshare(0x10000000)", FORBIDDEN),
    "enter_namespace": (CALL + "libc.setns(0, 0)", FORBIDDEN),
    "chroot": ("import os; os.chroot('.')", FORBIDDEN),
    "bpf": (CALL + "libc.syscall(321 if os.uname().machine == 'x86_64' else 280, 0, 0, 0)", FORBIDDEN),
    "io_uring": (CALL + "libc.syscall(425, 1, 0)", FORBIDDEN),
    "keyring": (CALL + "libc.syscall(250 if os.uname().machine == 'x86_64' else 219, 0, -3, 0)", FORBIDDEN),
    "memory_of_others": (
        CALL + "libc.shmat.restype = ctypes.c_void_p\nprint(libc.shmat(HOST_SEGMENT, None, 0))",
        FORBIDDEN,
    ),
    "watched_folder": (CALL + "libc.inotify_add_watch(libc.inotify_init1(0), b'HOST_FOLDER', 0x100)", FORBIDDEN),
    "other_numbers": (
        CALL + "libc.syscall(0x40000000 + 41, 2, 1, 0) if os.uname().machine == 'x86_64' else libc.socket(2, 1, 0)",
        FORBIDDEN,
    ),
    "device": ("import os; os.mknod('null', 0o600 | 0o020000, os.makedev(1, 3))", FORBIDDEN),
    # memory and time
    "memory_at_once": ("x = 'a' * 10**10", (Ending.MEMORY,)),
    "memory_bit_by_bit": ("x = []\nwhile True: x.append(bytearray(10**6))", (Ending.MEMORY,)),
    "memory_file": ("import os; os.memfd_create('x')", (Ending.ERROR,)),
    "raise_its_limit": (
        "import resource as r\nr.setrlimit(r.RLIMIT_AS, (r.RLIM_INFINITY, r.RLIM_INFINITY))",
        (Ending.ERROR,),
    ),
    "thread_bomb": (
        "import threading, time\nthreading.stack_size(65536)\nwhile True:\n"
        "    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()",
        (Ending.MEMORY, Ending.TIMEOUT),
    ),
    "busy": ("while True: pass", (Ending.TIMEOUT,)),
    "sleeper": ("import time; time.sleep(600)", (Ending.TIMEOUT,)),
    "deaf_sleeper": (
        "import signal, time\nfor n in range(1, 65):\n    try: signal.signal(n, signal.SIG_IGN)\n"
        "    except (OSError, ValueError): pass\nwhile True: time.sleep(600)",
        (Ending.TIMEOUT,),
    ),
    "stopped": ("import os, signal; os.kill(os.getpid(), signal.SIGSTOP)", (Ending.TIMEOUT,)),
    "recursion": ("def f(): f()\nf()", (Ending.ERROR,)),
    "deep_recursion": (
        "import sys; sys.setrecursionlimit(10**9)\ndef f(x): return [f([x])]\nf(0)",
        (Ending.KILLED, Ending.MEMORY, Ending.ERROR),
    ),
    "crash": ("import ctypes; ctypes.string_at(0)", (Ending.KILLED,)),
    # output
    "prints_for_ever": ("while True: print('x' * 1000)", (Ending.OUTPUT,)),
    "complains_for_ever": ("import sys\nwhile True: sys.stderr.write('x' * 1000)", (Ending.OUTPUT,)),
    "closes_stdout": (
        "import os, time; os.close(1); os.close(2); os.closerange(3, 4096); time.sleep(600)",
        (Ending.TIMEOUT,),
    ),
    "binary_output": ("import sys; sys.stdout.buffer.write(bytes(range(256)))", (Ending.OK,)),
    # files
    "one_large_file": ("open('x', 'wb').write(b'x' * 10**8)", (Ending.OUTPUT,)),
    "sparse_file": ("open('x', 'wb').truncate(10**12)", (Ending.OUTPUT,)),
    "many_large_files": (
        "for n in range(100000):\n    with open(f'x{n}', 'wb') as f: f.write(b'x' * 10**6)",
        (Ending.OUTPUT,),
    ),
    "removed_files": (UNNAMED.replace("100", "50") + FULL + "time.sleep(600)", (Ending.OUTPUT,)),
    "files_without_a_name": (
        "import os, time\nfor n in range(50):\n    os.write(os.open('.', os.O_TMPFILE | os.O_RDWR), b'x' * 10**6)\n"
        "time.sleep(600)",
        (Ending.OUTPUT,),
    ),
    "removed_and_mapped": (
        CALL + UNNAMED + FULL + "    libc.mmap(None, ctypes.c_size_t(4096), 1, 1, file, ctypes.c_long(0))\n"
        "    os.close(file)\ntime.sleep(600)",
        (Ending.OUTPUT,),
    ),
    "uncounted_files": (  # without its first thread the files of the others are not to be seen
        CALL + "import threading, time\ndef hold():\n    time.sleep(1)\n    files = []\n    for n in range(50):\n"
        "        files.append(os.open('.', os.O_TMPFILE | os.O_RDWR))\n        os.write(files[-1], b'x' * 10**6)\n"
        "    time.sleep(600)\nthreading.Thread(target=hold).start()\n"
        "libc.syscall(60 if os.uname().machine == 'x86_64' else 93, 0)",
        (Ending.OUTPUT, Ending.OK),
    ),
    "many_small_files": ("import itertools\nfor n in itertools.count(): open(f'x{n}', 'w').close()", (Ending.OUTPUT,)),
    "deep_folders": ("import os\nfor n in range(100000):\n    os.mkdir('d'); os.chdir('d')", (Ending.OUTPUT,)),
    "removed_and_small": (  # a well-behaved one: a file without a name that is mapped, and memory that is shared
        "import mmap, tempfile, time\nfile = tempfile.TemporaryFile()\nfile.write(b'x' * 10**6)\nfile.flush()\n"
        "view = mmap.mmap(file.fileno(), 0)\nfile.close()\nshared = mmap.mmap(-1, 10**6)\ntime.sleep(0.5)\n"
        "assert view[:2] == b'xx'\nview.close()",
        (Ending.OK,),
    ),
    "closed_folder": (
        "import os\nos.mkdir('d', 0)\nos.makedirs('a/b/c')\nopen('a/b/c/x', 'w').write('x')",
        (Ending.OK,),
    ),
    "shadow": ("print(open('/etc/shadow').read())", (Ending.ERROR,)),
    "passwd": ("print(open('/etc/passwd').read())", (Ending.ERROR,)),
    "home": (  # the interpreter may stand there: then its own folder is all that is seen
        "import os\ntry: names = os.listdir('HOST_HOME')\nexcept OSError: names = []\nassert len(names) <= 1, names",
        (Ending.OK,),
    ),
    "secret": ("print(open('HOST_SECRET').read())", (Ending.ERROR,)),
    "secret_by_symlink": ("import os; os.symlink('HOST_SECRET', 'x'); print(open('x').read())", (Ending.ERROR,)),
    "secret_by_hard_link": ("import os; os.link('HOST_SECRET', 'x'); print(open('x').read())", (Ending.ERROR,)),
    "secret_renamed": ("import os; os.rename('HOST_SECRET', 'x'); print(open('x').read())", (Ending.ERROR,)),
    "overwrite": ("open('HOST_SECRET', 'w').write('gone')", (Ending.ERROR,)),
    "truncate": ("import os; os.truncate('HOST_SECRET', 0)", (Ending.ERROR,)),
    "remove": ("import os; os.remove('HOST_SECRET')", (Ending.ERROR,)),
    "change_mode": ("import os; os.chmod('HOST_SECRET', 0o777)", (Ending.ERROR,)),
    "change_times": ("import os; os.utime('HOST_SECRET', (1, 1))", (Ending.ERROR,)),
    "write_outside": ("open('/tmp/gristmill-escaped', 'w').write('x')", (Ending.ERROR,)),
    "write_beside": ("open('../gristmill-escaped', 'w').write('x')", (Ending.ERROR,)),
    "write_shared_memory": ("open('/dev/shm/gristmill-escaped', 'w').write('x')", (Ending.ERROR,)),
    "write_interpreter": ("import os; open(os.__file__, 'a').write('#')", (Ending.ERROR,)),
    "environment_of_others": (
        "import glob\nfound = b''\n"
        "for path in ['/proc/1/environ', '/proc/HOST_PID/environ', *glob.glob('/proc/*/environ')]:\n"
        "    try: found += open(path, 'rb').read()\n    except OSError: pass\nassert found == b'', found",
        (Ending.OK,),
    ),
    "symlinks_left": (
        "import os\nos.symlink('HOST_FOLDER', 'x')\nos.symlink('/', 'y')\nos.symlink('x', 'z')",
        (Ending.OK,),
    ),
    # text
    "nul_bytes": ("print(1)\0", (Ending.ERROR,)),
    "surrogates": ("print('\udc80')", (Ending.ERROR,)),
    "empty": ("", (Ending.OK,)),
    "endless_line": ("x = " + "(" * 100_000, (Ending.OUTPUT,)),  # the interpreter repeats the line
}
