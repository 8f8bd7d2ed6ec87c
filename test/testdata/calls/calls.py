"""The sequences of socket calls that are compared. See kit.py."""
import ctypes
import os
import select
import signal
import socket
import threading

import kit
from kit import DGRAM, INET, INET6, MPTCP, MSG_FASTOPEN, NONBLOCK, SCTP, STREAM, UDPLITE, UNSPEC, Sock, libc, pack, say, sequence

IN, OUT, ERR, HUP = select.POLLIN, select.POLLOUT, select.POLLERR, select.POLLHUP

# name: family, type, protocol, IPV6_V6ONLY, localhost, wildcard
streams = {
    'tcp4': (INET, STREAM, 0, None, '127.0.0.1', '0.0.0.0'),
    'tcp6': (INET6, STREAM, 0, 0, '::1', '::'),
    'tcp6only': (INET6, STREAM, 0, 1, '::1', '::'),
    'tcpmapped': (INET6, STREAM, 0, 0, '::ffff:127.0.0.1', '::ffff:0.0.0.0'),
    'mptcp4': (INET, STREAM, MPTCP, None, '127.0.0.1', '0.0.0.0'),
    'mptcp6': (INET6, STREAM, MPTCP, 0, '::1', '::'),
}
datagrams = {
    'udp4': (INET, DGRAM, 0, None, '127.0.0.1', '0.0.0.0'),
    'udp6': (INET6, DGRAM, 0, 0, '::1', '::'),
    'udp6only': (INET6, DGRAM, 0, 1, '::1', '::'),
    'udpmapped': (INET6, DGRAM, 0, 0, '::ffff:127.0.0.1', '::ffff:0.0.0.0'),
}
lite = {
    'udplite4': (INET, DGRAM, UDPLITE, None, '127.0.0.1', '0.0.0.0'),
    'udplite6': (INET6, DGRAM, UDPLITE, 0, '::1', '::'),
}
sctp = {'sctp4': (INET, STREAM, SCTP, None, '127.0.0.1', '0.0.0.0')}


def make(kind, label='s', flags=0):
    family, type_, proto, only, _, _ = kind
    s = Sock(family, type_ | flags, proto, label)
    if s.fd < 0:
        os._exit(0)  # the kernel has none of the kind
    if only is not None:
        s.v6only(only)
    return s


def each(kinds, title):
    """A sequence for each kind of socket."""
    def add(f):
        for k, kind in kinds.items():
            sequence('%s, %s' % (title, k))(lambda p, kind=kind: f(p, kind, kind[4], kind[5]))
        return f
    return add


def server(kind, ip, p, backlog=16, label='l', flags=NONBLOCK):
    l = make(kind, label, flags)
    l.reuse(addr=1)
    l.bind(ip, p)
    l.listen(backlog)
    return l


@each({**streams, **datagrams, **lite, **sctp}, 'bind')
def _(p, kind, here, wild):
    s = make(kind)
    s.names(), s.kinds(), s.poll()
    s.bind(here, p)
    s.names(), s.kinds(), s.poll()
    s.bind(here, p)
    s.bind(here, p + 1)
    s.bind(wild, p)
    s.names()
    t = make(kind, 't')
    t.bind(here, p)
    t.names()
    t.bind(wild, p)
    t.bind(wild, p + 1)
    t.names()
    s.close()
    u = make(kind, 'u')
    u.bind(here, p)
    u.name(), u.name(2), u.name(0), u.name(-1), u.peer(2)
    for size in 0, 1, 2, 4, 7, 8, 15, 16, 17, 20, 23, 24, 27, 28, 29, 64, 128, 129, 1 << 16, -1:
        v = make(kind, 'v%d' % size)
        v.bind(here, p + 2, size=size)
        v.name()
        v.close()
    for family in UNSPEC, socket.AF_UNIX, INET, INET6, 99:
        for ip in here, wild:
            v = make(kind, 'w')
            v.bind(ip, p + 3, family=family)
            v.name()
            v.close()


@each({**streams, **datagrams}, 'bind port 0')
def _(p, kind, here, wild):
    for ip in here, wild:
        s = make(kind)
        s.bind(ip, 0)
        s.name()
        s.bind(ip, 0)
        s.bind(ip, p)
        s.listen()
        s.names()
        s.close()
        s = make(kind)
        s.put(socket.IPPROTO_IP, kit.IP_BIND_ADDRESS_NO_PORT, 1, 'IP_BIND_ADDRESS_NO_PORT')
        s.bind(ip, 0)
        s.name()
        s.get(socket.IPPROTO_IP, kit.IP_BIND_ADDRESS_NO_PORT, 'IP_BIND_ADDRESS_NO_PORT')
        s.connect(here, p)
        s.names()
        s.close()


@each({**streams, **datagrams, **lite}, 'bind elsewhere')
def _(p, kind, here, wild):
    other = ['192.0.2.1', '224.0.0.1', '255.255.255.255', '127.0.0.2', '127.255.255.254'] if ':' not in here else \
        ['2001:db8::1', 'fe80::1', '::2', '::ffff:192.0.2.1', '::ffff:127.0.0.2', '::127.0.0.1', 'ff02::1']
    for ip in other:
        s = make(kind)
        s.bind(ip, p)
        s.name()
        s.bind(here, p)
        s.close()


@each({**streams, **datagrams}, 'bind and the other family')
def _(p, kind, here, wild):
    for ip in '127.0.0.1', '0.0.0.0', '::1', '::', '::ffff:127.0.0.1', '::ffff:0.0.0.0':
        s = make(kind)
        s.bind(ip, p)
        s.name()
        s.listen()
        s.names()
        s.close()


@each({**streams, **datagrams}, 'low port')
def _(p, kind, here, wild):
    for ip in here, wild:
        s = make(kind)
        s.bind(ip, 400 + p // 20)
        s.name()
        s.close()


@each(streams, 'listen')
def _(p, kind, here, wild):
    s = make(kind)
    s.bind(here, p)
    s.listen()
    s.names(), s.kinds(), s.poll(), s.error()
    s.listen(), s.listen(0), s.listen(-1)
    s.names()
    s.bind(here, p), s.bind(here, p + 1)
    s.connect(here, p + 1), s.connect(here, p), s.connect(here, p, size=8)
    s.send(), s.recv(wait=False)
    s.names(), s.poll()
    t = make(kind, 't')
    t.bind(here, p), t.listen()
    t.close()
    s.shutdown(0)
    s.names(), s.kinds(), s.poll()
    s.listen()
    s.names(), s.poll()
    s.close()
    s = server(kind, here, p)
    s.accept()
    s.disconnect()
    s.names(), s.kinds(), s.poll()
    s.listen()
    s.names()
    s.connect(here, p + 4)
    s.close()


@each(streams, 'listen without bind')
def _(p, kind, here, wild):
    s = make(kind, flags=NONBLOCK)
    s.listen()
    q = s.name()
    s.peer(), s.kinds(), s.poll()
    s.bind(here, p)
    c = make(kind, 'c')
    c.connect(here, q)
    c.names()
    s.await_(IN)
    a = s.accept()
    a.names()
    s.accept()


@each(streams, 'connect')
def _(p, kind, here, wild):
    l = server(kind, wild, p)
    l.names()
    for ip in here, wild:
        c = make(kind, 'c')
        c.poll()
        c.connect(ip, p)
        c.names(), c.kinds(), c.poll(), c.error()
        l.await_(IN)
        l.poll()
        a = l.accept()
        a.names(), a.kinds(), a.poll(), a.error()
        c.connect(ip, p), c.connect(ip, p + 1), c.connect('::1' if ':' in here else '127.0.0.1', p, size=4)
        c.bind(here, p + 2)
        c.listen(), c.accept()
        c.send(b'hello'), a.recv(), a.send(b'answer'), c.recv()
        c.sendto(here, p, b'again'), a.recv()
        c.sendto(here, p + 5, b'more'), a.recv()
        c.sendmsg(here, p + 5, b'message'), a.recv()
        c.sendmsg(here, p + 5, b'short', size=3), a.recv()
        c.name(4), c.peer(4), c.peer(-1), c.peer(0)
        c.shutdown(1)
        a.recv(), a.poll()
        c.names(), c.poll()
        a.close()
        c.poll(wait=HUP)
        c.names()
        c.shutdown(2)
        c.connect(ip, p + 1)
        c.names()
        c.close()


@each(streams, 'connect to nobody')
def _(p, kind, here, wild):
    for ip in here, wild:
        for flags in 0, NONBLOCK:
            s = make(kind, flags=flags)
            s.connect(ip, p)
            s.poll(wait=HUP)
            s.error(), s.error(), s.names(), s.poll()
            s.connect(ip, p)
            s.await_(HUP)
            s.error()
            s.connect(ip, p)
            s.await_(HUP)
            s.connect(ip, p)
            s.await_(HUP)
            s.error()
            s.send()
            s.recv(wait=False)
            s.shutdown(2)
            s.bind(here, p + 1)
            s.name()
            s.listen()
            s.names()
            s.close()


@each(streams, 'connect to nobody, then to a server')
def _(p, kind, here, wild):
    for flags in 0, NONBLOCK:
        s = make(kind, flags=flags)
        s.connect(here, p)
        s.await_(HUP)
        if flags:
            s.error()
        l = server(kind, here, p)
        s.connect(here, p)
        if flags:  # the one before ends only now: ECONNABORTED
            s.connect(here, p)
        s.await_(OUT)
        s.error(), s.names(), s.poll()
        l.await_(IN)
        a = l.accept()
        s.connect(here, p), s.connect(here, p)
        a.close(), l.close(), s.close()


@each(streams, 'non-blocking connect')
def _(p, kind, here, wild):
    l = server(kind, here, p)
    s = make(kind, flags=NONBLOCK)
    s.connect(here, p)
    s.await_(OUT)
    s.error(), s.poll(), s.names()
    s.connect(here, p), s.connect(here, p), s.connect(here, p + 1)
    l.await_(IN)
    l.accept().names()
    l.accept()


@each(streams, 'connect that does not get through')
def _(p, kind, here, wild):
    l = server(kind, here, p, backlog=0)
    first = make(kind, 'first')
    first.connect(here, p)
    l.await_(IN)
    s = make(kind, flags=NONBLOCK)
    s.connect(here, p)
    s.connect(here, p), s.connect(here, p + 1), s.connect(here, p, size=3)
    s.connect('::1' if kind[0] == INET else '127.0.0.1', p)
    s.names(), s.error(), s.poll()
    s.bind(here, p + 2), s.listen(), s.send(), s.recv(wait=False), s.accept()
    s.connect(here, p)
    s.sendto(here, p, b'x'), s.sendto(here, p, b'x', flags=MSG_FASTOPEN)
    s.disconnect()
    s.names(), s.error(), s.poll()
    s.connect(here, p + 3)
    s.await_(HUP)
    s.error()
    s.close()
    s = make(kind, 'late')
    libc.setsockopt(s.fd, socket.SOL_SOCKET, socket.SO_SNDTIMEO, kit.struct.pack('=qq', 0, 50000), 16)
    s.connect(here, p), s.connect(here, p), s.poll(), s.names()
    s.shutdown(2)
    s.poll(), s.error()
    s.close()
    s = make(kind, 'one more')
    signal.signal(signal.SIGUSR1, lambda *_: None)  # without SA_RESTART
    done = threading.Event()
    main = threading.get_ident()

    def knock():
        while not done.wait(0.1):
            signal.pthread_kill(main, signal.SIGUSR1)
    t = threading.Thread(target=knock)
    t.start()
    s.connect(here, p), s.connect(here, p)
    done.set()
    t.join()
    s.names()


@each(streams, 'odd connects')
def _(p, kind, here, wild):
    l = server(kind, wild, p)
    for size in 0, 1, 2, 7, 8, 15, 16, 17, 23, 24, 27, 28, 29, 128, 129, -1:
        s = make(kind, 's%d' % size, NONBLOCK)
        s.connect(here, p, size=size)
        s.await_(OUT | HUP)
        s.error(), s.names()
        s.close()
        l.accept()
    for family in UNSPEC, socket.AF_UNIX, INET, INET6, 99:
        s = make(kind, 's', NONBLOCK)
        s.connect(here, p, family=family)
        s.await_(OUT | HUP)
        s.error(), s.names()
        s.close()
        l.accept()
    for ip in here, wild:
        for flags in 0, NONBLOCK:
            s = make(kind, 'port 0', flags)
            s.connect(ip, 0)
            s.await_(OUT | HUP)
            s.error(), s.names()
            s.close()


@each({**streams, **datagrams}, 'bad pointers')
def _(p, kind, here, wild):
    s = make(kind, flags=NONBLOCK)
    bad, n, buf = ctypes.c_void_p(8), ctypes.c_int(28), ctypes.create_string_buffer(128)
    for call, ret in (
            ('bind', lambda: libc.bind(s.fd, bad, 28)), ('bind null', lambda: libc.bind(s.fd, None, 28)),
            ('bind null of none', lambda: libc.bind(s.fd, None, 0)), ('bind too long', lambda: libc.bind(s.fd, bad, 129)),
            ('connect', lambda: libc.connect(s.fd, bad, 28)), ('connect null', lambda: libc.connect(s.fd, None, 16)),
            ('connect null of none', lambda: libc.connect(s.fd, None, 0)), ('connect too long', lambda: libc.connect(s.fd, bad, 129)),
            ('getsockname', lambda: libc.getsockname(s.fd, bad, ctypes.byref(n))),
            ('getsockname without room', lambda: libc.getsockname(s.fd, buf, bad)),
            ('getpeername', lambda: libc.getpeername(s.fd, bad, ctypes.byref(n))),
            ('sendto', lambda: libc.sendto(s.fd, b'x', 1, 0x4000, bad, 28)), ('sendto null', lambda: libc.sendto(s.fd, b'x', 1, 0x4000, None, 0)),
            ('sendto too long', lambda: libc.sendto(s.fd, b'x', 1, 0x4000, bad, 129)),
            ('sendto bad data', lambda: libc.sendto(s.fd, bad, 1, 0x4000, pack(here, p), len(pack(here, p)))),
            ('sendmsg', lambda: libc.sendmsg(s.fd, bad, 0x4000)), ('sendmmsg', lambda: libc.sendmmsg(s.fd, bad, 1, 0x4000)),
            ('sendmmsg of none', lambda: libc.sendmmsg(s.fd, bad, 0, 0x4000)),
            ('recvfrom', lambda: libc.recvfrom(s.fd, buf, 9, 0x40, bad, ctypes.byref(n))),
            ('accept', lambda: libc.accept(s.fd, bad, ctypes.byref(n)))):
        s.note('bad ' + call, kit.answer(ret()))
    s.names()
    s.bind(here, p)
    for call, ret in (
            ('bind', lambda: libc.bind(s.fd, bad, 28)),
            ('getsockname', lambda: libc.getsockname(s.fd, bad, ctypes.byref(n))),
            ('getsockname without room', lambda: libc.getsockname(s.fd, buf, bad)),
            ('getsockname null', lambda: libc.getsockname(s.fd, None, ctypes.byref(n))),
            ('getpeername', lambda: libc.getpeername(s.fd, bad, ctypes.byref(n)))):
        s.note('bound, bad ' + call, kit.answer(ret()))


@sequence('no socket')
def _(p):
    r, w = os.pipe()
    u = socket.socketpair()
    for what, fd in ('pipe', r), ('closed', 200), ('negative', -1), ('unix', u[0].fileno()), ('O_PATH', os.open('/', os.O_PATH)):
        s = Sock(INET, STREAM, label=what, fd=fd)
        s.bind('127.0.0.1', p), s.connect('127.0.0.1', p), s.listen(), s.names(), s.accept(flags=NONBLOCK) if what != 'unix' else None
        s.sendto('127.0.0.1', p), s.sendmsg('127.0.0.1', p), s.sendmmsg([('127.0.0.1', p, b'x')]), s.shutdown(2)
        bad = ctypes.c_void_p(8)
        s.note('bind of a bad address', kit.answer(libc.bind(fd, bad, 16)))
        s.note('connect of a bad address', kit.answer(libc.connect(fd, bad, 16)))
        s.note('sendmsg of a bad message', kit.answer(libc.sendmsg(fd, bad, 0)))


@each(streams, 'self-connect')
def _(p, kind, here, wild):
    for ip in here, wild:
        for flags in 0, NONBLOCK:
            s = make(kind, flags=flags)
            s.reuse(addr=1)
            s.bind(ip, p + flags // NONBLOCK + (2 if ip == wild else 0))
            s.connect(ip, p + flags // NONBLOCK + (2 if ip == wild else 0))
            s.await_(OUT | HUP)
            s.error(), s.names(), s.poll()
            s.send(b'me'), s.recv()
            s.close()


# Multipath TCP is left out: what it does of a connect after a disconnect depends
# on what its subflows have done by then.
@each({k: v for k, v in streams.items() if v[2] != MPTCP}, 'disconnect')
def _(p, kind, here, wild):
    l = server(kind, here, p)
    for bound in 0, 1:
        for then in 'listen', 'bind', 'connect', 'bind and listen', 'shutdown', 'connect to nobody':
            s = make(kind)
            if bound:
                s.reuse(addr=1)
                s.bind(here, p + 1)
            s.disconnect()
            s.names()
            s.connect(here, p)
            l.await_(IN)
            a = l.accept()
            s.disconnect(2 if then == 'bind' else 16)
            s.names(), s.kinds(), s.poll(), s.error()
            a.await_(IN)
            a.close()
            s.label = then
            if then == 'listen':
                s.listen(), s.names()
            if then == 'bind':
                s.bind(here, p + 2), s.names()
            if then == 'bind and listen':
                s.bind(here, p + 3), s.names(), s.listen(), s.names()
            if then == 'connect':
                s.connect(here, p), s.names()
                l.await_(IN)
                l.accept().close()
            if then == 'shutdown':
                s.shutdown(2), s.listen(), s.names()
            if then == 'connect to nobody':
                s.connect(here, p + 9), s.names()
            s.close()


four = (INET, None, '127.0.0.1'), (INET, None, '0.0.0.0'), (INET6, 0, '::ffff:127.0.0.1'), (INET6, 0, '::ffff:0.0.0.0')
six = (INET6, 0, '::1'), (INET6, 0, '::')
only = (INET6, 1, '::1'), (INET6, 1, '::')


def names(title, kind, family, v6only, ip, clients):
    """What a server and its clients are told, for the names that clients use."""
    def run(p):
        l = Sock(family, kind | NONBLOCK, label='server')
        if v6only is not None:
            l.v6only(v6only)
        l.bind(ip, p)
        if kind == STREAM:
            l.listen()
        for f, o, to in clients:
            c = Sock(f, kind, label='%s to %s' % ('INET' if f == INET else 'INET6 only' if o else 'INET6', to))
            if o is not None:
                c.v6only(o)
            if c.connect(to, p) == 0:
                c.names()
                if kind == DGRAM:
                    c.send(b'hi')
                    if arrived(l, c):
                        l.answer_to(l.recvfrom())
                        c.recv()
                    else:
                        c.error()
                else:
                    l.await_(IN)
                    a = l.accept()
                    a.names()
                    a.close()
            c.close()
    sequence('names of localhost, %s' % title)(run)


for k, t in ('tcp', STREAM), ('udp', DGRAM):
    names(k + ' 127.0.0.1', t, INET, None, '127.0.0.1', four)
    names(k + ' 0.0.0.0', t, INET, None, '0.0.0.0', four)
    names(k + ' :: dual', t, INET6, 0, '::', four + six)
    names(k + ' :: only', t, INET6, 1, '::', six + only)
    names(k + ' ::1 dual', t, INET6, 0, '::1', six)
    names(k + ' ::1 only', t, INET6, 1, '::1', six + only)
    names(k + ' ::ffff:127.0.0.1', t, INET6, 0, '::ffff:127.0.0.1', four)
    names(k + ' ::ffff:0.0.0.0', t, INET6, 0, '::ffff:0.0.0.0', four)
    names(k + ' mapped address, IPv6-only client', t, INET, None, '127.0.0.1', [(INET6, 1, '::ffff:127.0.0.1'), (INET6, 1, '::ffff:0.0.0.0')])
    names(k + ' dual-stack server, IPv6-only client', t, INET6, 0, '::', only)
    names(k + ' server on IPv4, client of ::1', t, INET, None, '127.0.0.1', six + only)
    names(k + ' server on IPv6, client of 127.0.0.1', t, INET6, 1, '::1', four)


def arrived(server, client):
    """Waits until a datagram came, or the kernel's word that nobody has the port."""
    p = select.poll()
    p.register(server.fd, IN)
    p.register(client.fd, ERR)
    got = p.poll(kit.LIMIT)
    if not got:
        client.note('wait', 'nothing came')
        os._exit(0)
    return any(fd == server.fd for fd, _ in got)


# Two sockets and one port.
places = [
    ('127.0.0.1', INET, None, '127.0.0.1'), ('0.0.0.0', INET, None, '0.0.0.0'), (':: dual', INET6, 0, '::'), (':: only', INET6, 1, '::'),
    ('::1 dual', INET6, 0, '::1'), ('::1 only', INET6, 1, '::1'), ('::ffff:127.0.0.1', INET6, 0, '::ffff:127.0.0.1'),
    ('::ffff:0.0.0.0', INET6, 0, '::ffff:0.0.0.0'), ('127.0.0.2', INET, None, '127.0.0.2'),
]


def conflicts(proto, kind, listening):
    def run(p):
        for option in 'plain', 'SO_REUSEADDR', 'SO_REUSEPORT', 'both', 'first only', 'second only':
            for a in places:
                for b in places:
                    s = []
                    for i, (_, family, only, ip) in enumerate((a, b)):
                        x = Sock(family, kind, label='%s, %s beside %s' % (option, b[0], a[0]))
                        if only is not None:
                            x.v6only(only)
                        x.reuse(option in ('SO_REUSEADDR', 'both') or option == ('first only', 'second only')[i], option in ('SO_REUSEPORT', 'both'))
                        if i == 0:
                            x.note = lambda *_: None
                        x.bind(ip, p)
                        if listening:
                            x.listen()
                        s.append(x)
                    for x in s:
                        x.close()
    sequence('conflicts of %s' % proto)(run)


conflicts('TCP', STREAM, False)
conflicts('TCP that listens', STREAM, True)
conflicts('UDP', DGRAM, False)


@each({**datagrams, **lite, **sctp}, 'datagrams')
def _(p, kind, here, wild):
    for ip in here, wild:
        l = make(kind, 'l', NONBLOCK)
        l.bind(here, p)
        l.listen(), l.accept(), l.names(), l.kinds(), l.poll()
        c = make(kind, 'c', NONBLOCK)
        c.peer(), c.poll(), c.send(), c.recv(wait=False)
        c.sendto(ip, p, b'hello')
        l.poll(wait=IN)
        who = l.recvfrom()
        if who:
            l.answer_to(who)
            c.recvfrom()
        c.names()
        c.sendto(ip, p, b''), l.recvfrom()
        c.sendto(ip, 0), c.sendmsg(ip, 0)
        for size in 0, 1, 2, 8, 15, 16, 17, 24, 28, 29, 129, -1:
            c.sendto(ip, p, b'size', size=size)
            c.sendmsg(ip, p, b'size', size=size)
        for family in UNSPEC, socket.AF_UNIX, INET, INET6, 99:
            c.sendto(ip, p, b'family', family=family)
            c.sendmsg(ip, p, b'family', family=family)
        c.sendto(ip, p, bytes(70000))
        c.sendmsg(None, 0, b'nowhere')
        c.bind(here, p + 1)
        c.listen()
        c.names()
        c.close(), l.close()


@each({k: v for k, v in datagrams.items() if k in ('udp4', 'udpmapped', 'udp6only')}, 'packet information')
def _(p, kind, here, wild):
    l = make(kind, 'l', NONBLOCK)
    l.bind(here, p)
    l.put(socket.IPPROTO_IP, kit.IP_PKTINFO, 1)
    if kind[0] == INET6:
        l.put(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
    c = make(kind, 'c')
    c.bind(here, p + 2)
    c.sendto(here, p, b'to')
    l.recvmsg()


@each({k: v for k, v in datagrams.items() if k in ('udp4', 'udp6only')}, 'messages')
def _(p, kind, here, wild):
    l = make(kind, 'l', NONBLOCK)
    l.bind(here, p)
    for flags in 0, NONBLOCK:
        c = make(kind, 'c', flags)
        c.sendmsg(here, p, b'message'), l.recvfrom()
        c.names()
        c.sendmmsg([(here, p, b'one'), (wild, p, b'three')])
        l.recvfrom(), l.recvfrom()
        c.connect(here, p + 1)
        c.sendmsg(here, p, b'past the connection'), l.recvfrom()
        c.sendmsg(here, p, b''), l.recvfrom()
        c.close()


@each({k: v for k, v in datagrams.items() if k == 'udp6'}, 'unconnected to a dual-stack server')
def _(p, kind, here, wild):
    l = make(kind, 'l', NONBLOCK)
    l.bind(wild, p)
    c = make(kind, 'c')
    c.sendto(here, p, b'hello'), l.recvfrom()


@each({**datagrams, **lite}, 'datagrams to nobody')
def _(p, kind, here, wild):
    for ip in here, wild:
        c = make(kind, 'c')
        c.sendto(ip, p)
        c.name()
        c.sendto(ip, p)
        c.error(), c.poll()
        c.close()
        c = make(kind, 'connected')
        c.connect(ip, p)
        c.names(), c.poll()
        c.send()
        c.poll(wait=ERR)
        c.send()
        c.send()
        c.await_(ERR)
        c.error(), c.error()
        c.send()
        c.await_(ERR)
        c.recv(wait=False), c.recv(wait=False)
        c.send()
        c.await_(ERR)
        c.sendto(ip, p)
        c.disconnect()
        c.names(), c.send()
        c.connect(ip, p + 1), c.names()
        c.close()
        c = make(kind, 'messages')
        c.connect(ip, p)
        c.sendmsg(None, 0)
        c.await_(ERR)
        c.sendmsg(None, 0)
        c.sendmmsg([(None, 0, b'x')])
        c.await_(ERR)
        c.sendmmsg([(None, 0, b'x'), (None, 0, b'y')])
        c.close()


@each({**datagrams, **lite}, 'connected datagrams')
def _(p, kind, here, wild):
    l, m = make(kind, 'l', NONBLOCK), make(kind, 'm', NONBLOCK)
    l.bind(here, p), m.bind(here, p + 1)
    for bound in None, here, wild:
        c = make(kind, 'c', NONBLOCK)
        if bound:
            c.bind(bound, p + 2)
        c.connect(here, p)
        c.names(), c.poll(), c.kinds()
        c.send(b'one')
        who = l.recvfrom()
        l.answer_to(who)
        c.recvfrom()
        c.sendto(here, p + 1, b'two')
        m.recvfrom()
        c.sendto(here, p, b'three', size=3)
        c.sendmsg(None, 0, b'five'), l.recvfrom()
        c.connect(here, p), c.names()
        c.connect(wild, p + 1), c.names()
        c.send(b'six'), m.recvfrom()
        c.bind(here, p + 3)
        c.connect(here, 0), c.names()
        c.connect(here, p, size=3), c.connect(here, p, family=99), c.names()
        c.disconnect(), c.names(), c.disconnect()
        c.sendto(here, p, b'seven'), l.recvfrom()
        c.bind(here, p + 3), c.name()
        c.connect(here, p), c.names()
        c.shutdown(0), c.poll(), c.shutdown(1), c.send(), c.names()
        c.close()
    s = make(kind, 'self', NONBLOCK)
    s.bind(here, p + 5), s.connect(here, p + 5), s.names(), s.send(b'me'), s.recvfrom()


@each(streams, 'unconnected')
def _(p, kind, here, wild):
    for state in 'new', 'bound':
        s = make(kind, state, NONBLOCK)
        if state == 'bound':
            s.bind(here, p)
        s.send(), s.recv(wait=False), s.shutdown(2), s.peer(), s.accept()
        s.sendto(here, p + 1), s.sendto(here, p + 1, size=3), s.sendmsg(here, p + 1), s.sendmmsg([(here, p + 1, b'x')])
        s.sendto(here, p + 1, b''), s.poll(), s.error(), s.names()
        s.close()


@each(streams, 'Fast Open')
def _(p, kind, here, wild):
    l = server(kind, here, p)
    ways = {
        'sendto': lambda s, q, **kw: s.sendto(here, q, b'fast', flags=MSG_FASTOPEN, **kw),
        'sendmsg': lambda s, q, **kw: s.sendmsg(here, q, b'fast', flags=MSG_FASTOPEN, **kw),
        'sendmmsg': lambda s, q, **kw: s.sendmmsg([(here, q, b'fast')], flags=MSG_FASTOPEN),
    }
    for way, f in ways.items():
        for flags in 0, NONBLOCK:
            s = make(kind, 'to a listener', flags)
            f(s, p)
            l.await_(IN)
            a = l.accept()
            s.await_(OUT)
            s.names(), s.error()
            if flags == 0:
                a.recv()
            f(s, p), f(s, p + 1)
            s.close(), a.close()
            s = make(kind, 'to nobody', flags)
            f(s, p + 1)
            s.await_(HUP)
            s.error(), s.names(), s.poll()
            s.close()
    s = make(kind)
    s.sendmsg(None, 0, b'fast', flags=MSG_FASTOPEN)
    s.send(b'fast', flags=MSG_FASTOPEN)
    s.sendto(here, p, b'fast', flags=MSG_FASTOPEN, size=3), s.sendto(here, p, b'fast', flags=MSG_FASTOPEN, family=99)
    s.sendto(here, p, b'fast', flags=MSG_FASTOPEN, family=UNSPEC)
    s.names()
    s = make(kind, 'connect')
    s.put(socket.IPPROTO_TCP, 30, 1, 'TCP_FASTOPEN_CONNECT')
    s.connect(here, p)
    s.poll()
    s.send(b'fast')
    l.await_(IN)
    s.names()


@each({**streams, **datagrams}, 'shared descriptors')
def _(p, kind, here, wild):
    tcp = kind[1] == STREAM
    s = make(kind, flags=NONBLOCK)
    d = s.dup('dup')
    d.bind(here, p)
    s.name(), s.bind(here, p)
    s.listen(), d.listen(), d.names(), s.kinds()
    d.close()
    s.names()
    pid = os.fork()
    if pid == 0:
        s.label = 'child'
        s.names(), s.bind(here, p + 1), s.connect(here, p + 2), s.listen()
        c = make(kind, 'client of the child')
        c.connect(here, p), c.names()
        t = make(kind, 'another of the child')
        t.bind(here, p), t.bind(here, p + 3), t.listen(), t.names()
        os._exit(0)
    os.waitpid(pid, 0)
    s.names()
    if tcp:
        s.await_(IN)
        s.accept()

    def other():
        s.label = 'thread'
        s.names(), s.bind(here, p + 1), s.listen(), s.connect(here, p + 2)
        c = make(kind, 'client of the thread')
        c.connect(here, p), c.names()
        t = make(kind, 'another of the thread')
        t.bind(here, p), t.bind(here, p + 4), t.listen(), t.names()
    t = threading.Thread(target=other)
    t.start()
    t.join()
    s.names()


@each({**streams, **datagrams}, 'signals')
def _(p, kind, here, wild):
    """bind, listen, getsockname and getpeername are never interrupted."""
    came = [0]

    def handler(*_):
        came[0] += 1
    signal.signal(signal.SIGALRM, handler)  # without SA_RESTART
    signal.setitimer(signal.ITIMER_REAL, 0.005, 0.005)
    seen = {'bind': set(), 'listen': set(), 'getsockname': set(), 'getpeername': set()}
    n = ctypes.c_int()
    buf = ctypes.create_string_buffer(128)
    raw = pack(here, 0)
    rounds = 0
    while came[0] < 100:
        rounds += 1
        s = make(kind, flags=NONBLOCK)
        for call, f in ('bind', lambda: libc.bind(s.fd, raw, len(raw))), ('listen', lambda: libc.listen(s.fd, 4)), \
                ('getsockname', lambda: libc.getsockname(s.fd, buf, ctypes.byref(n))), \
                ('getpeername', lambda: libc.getpeername(s.fd, buf, ctypes.byref(n))):
            n.value = 128
            seen[call].add(kit.answer(f(), 'ok'))
        s.close()
    signal.setitimer(signal.ITIMER_REAL, 0, 0)
    for call, results in seen.items():
        say('%s = %s' % (call, ', '.join(sorted(results))))


if __name__ == '__main__':
    kit.main()
