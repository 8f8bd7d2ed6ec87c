"""Servers and clients that say which process they are, for the test of who is at the
ends of a connection: a request carries the process id and the start time of its client,
an answer those of the process that read and wrote."""

import array
import os
import signal
import socket
import sys
import threading


def me():
    """The process id and the start time in clock ticks (proc(5), field 22 of stat)."""
    with open("/proc/self/stat", "rb") as f:
        stat = f.read()
    return "%d/%s" % (os.getpid(), stat[stat.rindex(b")") + 2:].split()[19].decode())


def answer(c):
    """Reads a request and answers it."""
    got = b""
    while not got.endswith(b"\r\n\r\n"):
        b = c.recv(4096)
        if not b:
            return
        got += b
    who = me().encode()
    c.sendall(b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%s" % (len(who), who))
    c.close()


def listen(reuse=False, at=("127.0.0.1", 0)):
    s = socket.socket()
    if reuse:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    s.bind(at)
    s.listen(512)
    return s


def accept(s):
    while True:
        c, _ = s.accept()
        answer(c)


def forked(s, work, n=4):
    for _ in range(n):
        if os.fork() == 0:
            work(s)
            os._exit(0)


def passed(s):
    """One process accepts, and hands each connection to another one."""
    pairs = []
    for _ in range(3):
        mine, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        if os.fork() == 0:
            s.close()
            mine.close()
            while True:
                _, anc, _, _ = its.recvmsg(1, socket.CMSG_SPACE(4))
                for _, _, data in anc:
                    answer(socket.socket(fileno=array.array("i", data)[0]))
        its.close()
        pairs.append(mine)
    i = 0
    while True:
        c, _ = s.accept()
        pairs[i % len(pairs)].sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [c.fileno()]))])
        c.close()
        i += 1


def each(s):
    """A process for each connection, which ends at once."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        c, _ = s.accept()
        if os.fork() == 0:
            answer(c)
            os._exit(0)
        c.close()


def serve(mode):
    s = listen(reuse=mode == "reuseport")
    port = s.getsockname()[1]
    if mode == "fork":
        forked(s, accept)
    elif mode == "reuseport":
        s.close()
        forked(None, lambda _: accept(listen(True, ("127.0.0.1", port))))
    elif mode == "passed":
        forked(s, passed, 1)
    elif mode == "each":
        forked(s, each, 1)
    else:
        for _ in range(4):
            threading.Thread(target=accept, args=(s,), daemon=True).start()
    if mode == "reuseport":  # each of them listens
        for _ in range(1000):
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except ConnectionRefusedError:
                threading.Event().wait(0.01)
    print(port, flush=True)
    sys.stdin.read()
    os.killpg(0, signal.SIGKILL)


def ask(port, mode):
    c = socket.create_connection(("127.0.0.1", port))
    request(c, mode)


def request(c, mode):
    c.sendall(b"GET /%s/%s HTTP/1.0\r\n\r\n" % (mode.encode(), me().encode()))
    while c.recv(4096):
        pass
    c.close()


def clients(kind, port, n, mode):
    """Makes n connections: all of this process, or each of a process of its own."""
    for _ in range(n):
        if kind == "one":
            ask(port, mode)
            continue
        pid = os.fork()
        if pid == 0:
            ask(port, mode)
            os._exit(0)
        if os.waitpid(pid, 0)[1] != 0:
            sys.exit("a client failed")


def refused(port, n):
    """Each of n processes finds that nothing listens there, and says who it is."""
    for _ in range(n):
        pid = os.fork()
        if pid == 0:
            print(me(), flush=True)
            try:
                socket.create_connection(("127.0.0.1", port))
            except ConnectionRefusedError:
                os._exit(0)
            os._exit(1)
        if os.waitpid(pid, 0)[1] != 0:
            sys.exit("a client was not refused")


def older(port, n, mode):
    """Opens connections, and uses them when it is told to."""
    all = [socket.create_connection(("127.0.0.1", port)) for _ in range(n)]
    print("open", flush=True)
    sys.stdin.readline()
    for c in all:
        request(c, mode)


if __name__ == "__main__":
    role, rest = sys.argv[1], sys.argv[2:]
    if role == "serve":
        os.setpgid(0, 0)
        serve(rest[0])
    elif role == "refused":
        refused(int(rest[0]), int(rest[1]))
    elif role == "older":
        older(int(rest[0]), int(rest[1]), rest[2])
    else:
        clients(rest[0], int(rest[1]), int(rest[2]), rest[3])
