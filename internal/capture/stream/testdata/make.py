"""Connections for make.sh."""
import socket
import struct
import subprocess
import sys
import threading
import time


def listener(family, addr, options=()):
    s = socket.socket(family, socket.SOCK_STREAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    for o in options:
        s.setsockopt(*o)
    s.bind(addr)
    s.listen()
    return s


def read(s, n):
    b = b""
    while len(b) < n:
        part = s.recv(65536)
        if not part:
            return b
        b += part
    return b


def pair(family, server, client=None):
    """A connected client and server socket."""
    l = listener(family, server)
    c = socket.socket(family, socket.SOCK_STREAM)
    c.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if client:
        c.bind(client)
    c.connect(server)
    s, _ = l.accept()
    l.close()
    return c, s


def talk(c, s):
    for text in (b"one", b"two", b"three"):
        c.sendall(b"ask " + text)
        read(s, 4 + len(text))
        s.sendall(b"answer " + text)
        read(c, 7 + len(text))


def close(first, second):
    first.close()
    second.recv(1)
    second.close()
    time.sleep(0.05)


V4, V6 = socket.AF_INET, socket.AF_INET6
ABORT = (socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def loopback():
    # addresses: IPv4, all of 127/8, IPv6, IPv4 by way of an IPv6 socket
    for family, server in ((V4, ("127.0.0.1", 5001)), (V4, ("127.255.255.254", 5002)), (V6, ("::1", 5003))):
        c, s = pair(family, server, ("127.1.2.3", 0) if "255" in server[0] else None)
        talk(c, s)
        close(c, s)
    l = listener(V4, ("127.0.0.1", 5004))
    c = socket.socket(V6, socket.SOCK_STREAM)
    c.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
    c.connect(("::ffff:127.0.0.1", 5004))
    s, _ = l.accept()
    l.close()
    talk(c, s)
    close(s, c)

    # refused, in both families
    for family, addr in ((V4, ("127.0.0.1", 5005)), (V6, ("::1", 5005))):
        c = socket.socket(family, socket.SOCK_STREAM)
        try:
            c.connect(addr)
        except ConnectionRefusedError:
            pass
        c.close()

    # 64 KiB frames
    c, s = pair(V4, ("127.0.0.1", 5006))
    got = threading.Thread(target=read, args=(s, 100000))
    got.start()
    c.sendall(bytes(range(250)) * 400)
    got.join()
    close(c, s)

    # half-close
    c, s = pair(V4, ("127.0.0.1", 5007))
    c.sendall(b"all that I ask")
    c.shutdown(socket.SHUT_WR)
    while s.recv(100):
        pass
    for i in range(3):
        s.sendall(b"part %d of the answer" % i)
        time.sleep(0.01)
    close(s, c)

    # port reuse within a second: after a RST, and after the server's FIN
    for abort in (True, False, False):
        c, s = pair(V4, ("127.0.0.1", 5008), ("127.0.0.1", 45678))
        talk(c, s)
        if abort:
            c.setsockopt(*ABORT)
            c.close()
            s.close()
        else:
            close(s, c)

    # RST because of bytes that were not read
    c, s = pair(V4, ("127.0.0.1", 5009))
    c.sendall(b"not read")
    time.sleep(0.05)
    s.close()
    time.sleep(0.05)
    c.close()

    # a socket that is connected to itself
    c = socket.socket(V4, socket.SOCK_STREAM)
    c.bind(("127.0.0.1", 45679))
    c.connect(("127.0.0.1", 45679))
    for text in (b"hello, ", b"me"):
        c.sendall(text)
        read(c, len(text))
    c.close()
    time.sleep(0.05)

    # data in the SYN, the second time
    l = listener(V4, ("127.0.0.1", 5010), [(socket.IPPROTO_TCP, socket.TCP_FASTOPEN, 5)])
    for text in (b"first", b"second"):
        c = socket.socket(V4, socket.SOCK_STREAM)
        c.sendto(text, socket.MSG_FASTOPEN, ("127.0.0.1", 5010))
        s, _ = l.accept()
        s.sendall(b"got " + read(s, len(text)))
        read(c, 4 + len(text))
        close(c, s)
    l.close()

    # both sides connect: the RST to the first SYN is dropped
    nft = "add table inet nr; add chain inet nr out { type filter hook output priority 0; }; add rule inet nr out tcp flags rst drop"
    subprocess.run(["nft", nft], check=True)
    ends = []
    for here, there in ((45680, 45681), (45681, 45680)):
        c = socket.socket(V4, socket.SOCK_STREAM)
        c.bind(("127.0.0.1", here))
        c.setblocking(False)
        c.connect_ex(("127.0.0.1", there))
        ends.append(c)
    time.sleep(3)
    for c in ends:
        c.setblocking(True)
    ends[0].sendall(b"from the first")
    ends[1].sendall(b"from the second")
    read(ends[0], 15)
    read(ends[1], 14)
    close(*ends)
    subprocess.run(["nft", "delete table inet nr"], check=True)

    # keep-alive
    c, s = pair(V4, ("127.0.0.1", 5011))
    for o, v in ((socket.TCP_KEEPIDLE, 1), (socket.TCP_KEEPINTVL, 1)):
        c.setsockopt(socket.IPPROTO_TCP, o, v)
    c.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    c.sendall(b"before")
    time.sleep(2.5)
    c.sendall(b"after")
    close(c, s)

    # a window of zero
    l = listener(V4, ("127.0.0.1", 5012), [(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)])
    c = socket.create_connection(("127.0.0.1", 5012))
    s, _ = l.accept()
    l.close()
    send = threading.Thread(target=c.sendall, args=(bytes(range(100)) * 80,))
    send.start()
    time.sleep(1)
    read(s, 8000)
    send.join()
    close(c, s)

    # datagrams
    for family, addr in ((V4, ("127.0.0.1", 5013)), (V6, ("::1", 5013))):
        s = socket.socket(family, socket.SOCK_DGRAM)
        s.bind(addr)
        c = socket.socket(family, socket.SOCK_DGRAM)
        c.connect(addr)
        for text in (b"ask", b"", b"x" * 2000):
            c.send(text)
            b, peer = s.recvfrom(4000)
            s.sendto(b"answer " + b, peer)
            c.recv(4000)
        c.close()
        s.close()


def lossy():
    for n in range(3):
        c, s = pair(V4, ("127.0.0.1", 5000))
        for e in (c, s):
            e.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

        def send(e, seed):
            for i in range(60):
                e.sendall(bytes((seed + i + k) % 256 for k in range(50 + (i * 37) % 300)))
                time.sleep(0.001)
            e.shutdown(socket.SHUT_WR)

        threads = [threading.Thread(target=f, args=a) for f, a in (
            (send, (c, n)), (send, (s, n + 100)), (read, (c, 1 << 30)), (read, (s, 1 << 30)))]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        c.close()
        s.close()


{"loopback": loopback, "lossy": lossy}[sys.argv[1]]()
