"""Socket calls that print what the kernel answers.

Every call is made through libc, so that nothing is checked, repeated or
retried in between, and prints one line: the call, " = ", and its result or the
name of its errno. Ports of a sequence's own are printed as P+n, dynamic ones as
DYN, so that two runs print the same.
"""
import ctypes
import errno
import os
import select
import signal
import socket
import struct
import sys
import tempfile

libc = ctypes.CDLL(None, use_errno=True)

UDPLITE, MPTCP, SCTP = 136, 262, 132
MSG_FASTOPEN = 0x20000000
IP_PKTINFO, IP_BIND_ADDRESS_NO_PORT = 8, 24
UNSPEC = socket.AF_UNSPEC
INET, INET6 = socket.AF_INET, socket.AF_INET6
STREAM, DGRAM, SEQPACKET = socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET
NONBLOCK = socket.SOCK_NONBLOCK
DYNAMIC = 32768
LIMIT = 10000  # how long, in milliseconds, is waited for an event that must come

base = 0  # the first port of this sequence
name = ''
out = 1  # where lines are written, at once: what hangs has told how far it came


def say(text):
    os.write(out, ('%s | %s\n' % (name, text)).encode())


def port(n):
    if base <= n < base + 20:
        return 'P+%d' % (n - base)
    return 'DYN' if n >= DYNAMIC else str(n)


def answer(ret, good=None):
    """The result of a call as text."""
    if ret < 0:
        e = ctypes.get_errno()
        return errno.errorcode.get(e, 'errno %d' % e)
    if good is not None:
        return good
    return str(ret)


def pack(ip, p, family=None):
    """A socket address in the kernel's form."""
    if ':' in ip:
        return struct.pack('=H', INET6 if family is None else family) + struct.pack('!HI', p, 0) + \
            socket.inet_pton(INET6, ip) + struct.pack('=I', 0)
    return struct.pack('=H', INET if family is None else family) + struct.pack('!H', p) + \
        socket.inet_aton(ip) + bytes(8)


def show(raw, n):
    """A socket address as text. Its length is told if it is not the usual one."""
    if n == 0:
        return 'none'
    if n < 2:
        return '%d bytes' % n
    family = struct.unpack('=H', raw[:2])[0]
    if family == INET and n >= 16:
        return '%s %s' % (socket.inet_ntoa(raw[4:8]), port(struct.unpack('!H', raw[2:4])[0])) + ('' if n == 16 else ' (%d bytes)' % n)
    if family == INET6 and n >= 28:
        return '%s %s' % (socket.inet_ntop(INET6, raw[8:24]), port(struct.unpack('!H', raw[2:4])[0])) + ('' if n == 28 else ' (%d bytes)' % n)
    return 'family %d, %d bytes' % (family, n)


def events(mask):
    names = [('IN', select.POLLIN), ('PRI', select.POLLPRI), ('OUT', select.POLLOUT), ('ERR', select.POLLERR),
             ('HUP', select.POLLHUP), ('RDHUP', select.POLLRDHUP), ('NVAL', select.POLLNVAL)]
    return '+'.join(n for n, b in names if mask & b) or 'none'


class Msg(ctypes.Structure):
    _fields_ = [('name', ctypes.c_void_p), ('namelen', ctypes.c_uint), ('iov', ctypes.c_void_p), ('iovlen', ctypes.c_size_t),
                ('control', ctypes.c_void_p), ('controllen', ctypes.c_size_t), ('flags', ctypes.c_int)]


class Mmsg(ctypes.Structure):
    _fields_ = [('hdr', Msg), ('len', ctypes.c_uint)]


class Iov(ctypes.Structure):
    _fields_ = [('base', ctypes.c_void_p), ('len', ctypes.c_size_t)]


class Sock:
    """One descriptor. label tells it from others of its sequence."""

    def __init__(self, family, kind, proto=0, label='s', fd=None):
        self.label, self.family, self.kind = label, family, kind
        self.fd = fd
        if fd is None:
            self.fd = libc.socket(family, kind | socket.SOCK_CLOEXEC, proto)
            if self.fd < 0:
                say('%s: socket = %s' % (label, answer(self.fd)))
        self.note = lambda call, result: say('%s: %s = %s' % (self.label, call, result))

    def dup(self, label):
        return Sock(self.family, self.kind, label=label, fd=os.dup(self.fd))

    def close(self):
        if self.fd is not None and self.fd >= 0:
            os.close(self.fd)
        self.fd = -1

    def addressed(self, call, f, ip, p, size, family):
        raw = pack(ip, p, family)
        n = len(raw) if size is None else size
        buf = ctypes.create_string_buffer(raw, max(len(raw), n, 1))
        extra = ('' if size is None else ' size %d' % size) + ('' if family is None else ' family %d' % family)
        ret = f(self.fd, buf, ctypes.c_uint(n & 0xffffffff))
        self.note('%s %s %s%s' % (call, ip, port(p), extra), answer(ret, 'ok'))
        return ret

    def bind(self, ip, p, size=None, family=None):
        return self.addressed('bind', libc.bind, ip, p, size, family)

    def connect(self, ip, p, size=None, family=None):
        return self.addressed('connect', libc.connect, ip, p, size, family)

    def disconnect(self, size=16):
        buf = ctypes.create_string_buffer(bytes(16), 16)
        self.note('connect AF_UNSPEC size %d' % size, answer(libc.connect(self.fd, buf, size), 'ok'))

    def listen(self, backlog=16):
        ret = libc.listen(self.fd, backlog)
        self.note('listen', answer(ret, 'ok'))
        return ret

    def ask(self, call, f, size=128):
        buf, n = ctypes.create_string_buffer(128), ctypes.c_int(size)
        ret = f(self.fd, buf, ctypes.byref(n))
        if ret < 0:
            self.note(call, answer(ret))
            return None
        if size < 16:
            self.note('%s into %d' % (call, size), '%d bytes, %s' % (n.value, buf.raw[:min(size, 2)].hex()))
            return None
        self.note(call, show(buf.raw, n.value))
        return struct.unpack('!H', buf.raw[2:4])[0]

    def name(self, size=128):
        return self.ask('getsockname', libc.getsockname, size)

    def peer(self, size=128):
        return self.ask('getpeername', libc.getpeername, size)

    def names(self):
        self.name()
        self.peer()

    def accept(self, label='a', flags=0, quiet=False):
        buf, n = ctypes.create_string_buffer(128), ctypes.c_int(128)
        ret = libc.accept4(self.fd, buf, ctypes.byref(n), flags | socket.SOCK_CLOEXEC)
        self.note('accept', answer(ret, 'from ' + show(buf.raw, n.value)))
        return Sock(self.family, self.kind, label=label, fd=ret) if ret >= 0 else None

    def get(self, level, option, call):
        v, n = ctypes.c_int(), ctypes.c_int(4)
        ret = libc.getsockopt(self.fd, level, option, ctypes.byref(v), ctypes.byref(n))
        return self.note(call, answer(ret, str(v.value)))

    def error(self):
        v, n = ctypes.c_int(), ctypes.c_int(4)
        ret = libc.getsockopt(self.fd, socket.SOL_SOCKET, socket.SO_ERROR, ctypes.byref(v), ctypes.byref(n))
        self.note('SO_ERROR', answer(ret, errno.errorcode.get(v.value, str(v.value))))

    def kinds(self):
        for option, call in (socket.SO_ACCEPTCONN, 'SO_ACCEPTCONN'), (socket.SO_PROTOCOL, 'SO_PROTOCOL'), \
                (socket.SO_DOMAIN, 'SO_DOMAIN'), (socket.SO_TYPE, 'SO_TYPE'), (socket.SO_REUSEADDR, 'SO_REUSEADDR'), \
                (socket.SO_REUSEPORT, 'SO_REUSEPORT'):
            self.get(socket.SOL_SOCKET, option, call)

    def put(self, level, option, value, call=None):
        v = ctypes.c_int(value)
        ret = libc.setsockopt(self.fd, level, option, ctypes.byref(v), 4)
        if call or ret < 0:
            self.note(call or 'setsockopt %d %d' % (level, option), answer(ret, 'ok'))

    def reuse(self, addr=0, prt=0):
        if addr:
            self.put(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if prt:
            self.put(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)

    def v6only(self, on):
        self.put(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, on)

    def settle(self):
        """Waits until the kernel has done with a packet that it works on."""
        buf, n = ctypes.create_string_buffer(256), ctypes.c_int(256)
        libc.getsockopt(self.fd, socket.IPPROTO_TCP, socket.TCP_INFO, buf, ctypes.byref(n))

    def poll(self, wait=0):
        """wait is a mask to wait for; without it, what is so now."""
        if wait:
            self.await_(wait)
        p = select.poll()
        p.register(self.fd, select.POLLIN | select.POLLOUT | select.POLLPRI | select.POLLRDHUP)
        got = p.poll(0)
        self.note('poll', events(got[0][1]) if got else 'none')
        e = select.epoll()
        try:
            e.register(self.fd, select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP)
            got = e.poll(0)
            self.note('epoll', events(got[0][1]) if got else 'none')
        finally:
            e.close()

    def await_(self, mask):
        """Waits for an event. Without it the sequence ends."""
        p = select.poll()
        p.register(self.fd, mask)
        if not p.poll(LIMIT):
            self.note('wait ' + events(mask), 'nothing came')
            os._exit(0)
        self.settle()

    def shutdown(self, how):
        self.note('shutdown %d' % how, answer(libc.shutdown(self.fd, how), 'ok'))

    def send(self, data=b'x', flags=0, what='send'):
        self.note('%s %d bytes' % (what, len(data)), answer(libc.send(self.fd, data, len(data), flags | socket.MSG_NOSIGNAL)))

    def sendto(self, ip, p, data=b'x', flags=0, size=None, family=None, what='sendto'):
        raw = pack(ip, p, family)
        n = len(raw) if size is None else size
        buf = ctypes.create_string_buffer(raw, max(len(raw), n, 1))
        ret = libc.sendto(self.fd, data, len(data), flags | socket.MSG_NOSIGNAL, buf, ctypes.c_uint(n & 0xffffffff))
        extra = ('' if size is None else ' size %d' % size) + ('' if family is None else ' family %d' % family)
        self.note('%s %s %s%s, %d bytes' % (what, ip, port(p), extra, len(data)), answer(ret))
        return ret

    def message(self, ip, p, data, size, family, control=b''):
        keep = [ctypes.create_string_buffer(data, max(len(data), 1))]
        iov = Iov(ctypes.addressof(keep[0]), len(data))
        m = Msg(None, 0, ctypes.addressof(iov), 1, None, 0, 0)
        keep.append(iov)
        if ip is not None:
            raw = pack(ip, p, family)
            n = len(raw) if size is None else size
            buf = ctypes.create_string_buffer(raw, max(len(raw), n, 1))
            keep.append(buf)
            m.name, m.namelen = ctypes.addressof(buf), n & 0xffffffff
        if control:
            c = ctypes.create_string_buffer(control, len(control))
            keep.append(c)
            m.control, m.controllen = ctypes.addressof(c), len(control)
        return m, keep

    def sendmsg(self, ip, p, data=b'x', flags=0, size=None, family=None, control=b'', what='sendmsg'):
        m, keep = self.message(ip, p, data, size, family, control)
        ret = libc.sendmsg(self.fd, ctypes.byref(m), flags | socket.MSG_NOSIGNAL)
        extra = ('' if size is None else ' size %d' % size) + ('' if family is None else ' family %d' % family)
        self.note('%s %s %s%s, %d bytes' % (what, ip, port(p), extra, len(data)), answer(ret))
        del keep

    def sendmmsg(self, to, flags=0):
        keep, list_ = [], (Mmsg * len(to))()
        for i, (ip, p, data) in enumerate(to):
            list_[i].hdr, k = self.message(ip, p, data, None, None)
            list_[i].len = 77
            keep.append(k)
        ret = libc.sendmmsg(self.fd, list_, len(to), flags | socket.MSG_NOSIGNAL)
        text = answer(ret)
        if ret > 0:
            text += ' of ' + ', '.join(str(list_[i].len) for i in range(ret))
        self.note('sendmmsg ' + ', '.join('%s %s' % (ip, port(p)) for ip, p, _ in to), text)

    def recv(self, flags=0, wait=True):
        if wait:
            self.await_(select.POLLIN)
        buf = ctypes.create_string_buffer(256)
        ret = libc.recv(self.fd, buf, 256, flags | socket.MSG_DONTWAIT)
        self.note('recv', answer(ret, repr(buf.raw[:ret])) if ret >= 0 else answer(ret))

    def recvfrom(self, wait=True, how='recvfrom'):
        """Tells who sent, and returns that address."""
        if wait:
            self.await_(select.POLLIN)
        buf, who, n = ctypes.create_string_buffer(256), ctypes.create_string_buffer(128), ctypes.c_int(128)
        ret = libc.recvfrom(self.fd, buf, 256, socket.MSG_DONTWAIT, who, ctypes.byref(n))
        if ret < 0:
            self.note(how, answer(ret))
            return None
        self.note(how, '%r from %s' % (buf.raw[:ret], show(who.raw, n.value)))
        return who.raw[:n.value]

    def answer_to(self, raw, data=b'answer'):
        buf = ctypes.create_string_buffer(raw, len(raw))
        self.note('sendto the sender', answer(libc.sendto(self.fd, data, len(data), 0, buf, len(raw))))

    def recvmsg(self):
        """Tells who sent, and to which address (IP_PKTINFO, IPV6_PKTINFO)."""
        self.await_(select.POLLIN)
        s = socket.socket(fileno=os.dup(self.fd))
        try:
            data, control, _, who = s.recvmsg(256, 512, socket.MSG_DONTWAIT)
            to = []
            for level, kind, c in control:
                if level == socket.IPPROTO_IP and kind == IP_PKTINFO:
                    to.append('to %s, dst %s' % (socket.inet_ntoa(c[4:8]), socket.inet_ntoa(c[8:12])))
                if level == socket.IPPROTO_IPV6 and kind == socket.IPV6_PKTINFO:
                    to.append('to ' + socket.inet_ntop(INET6, c[:16]))
            self.note('recvmsg', '%r from %s %s %s' % (data, who[0], port(who[1]), ' '.join(to)))
        except OSError as e:
            self.note('recvmsg', errno.errorcode[e.errno])
        finally:
            s.close()


sequences = []


def sequence(title):
    """Adds a sequence, which runs in a process of its own."""
    def add(f):
        sequences.append((title, f))
        return f
    return add


AT_ONCE = 12  # they mostly wait for what does not come


def start(i, title, f):
    """Runs a sequence in a process of its own, which writes to a file."""
    global base, name, out
    file = tempfile.TemporaryFile()
    pid = os.fork()
    if pid:
        return pid, file
    name, base, out = title, 10000 + 20 * i, file.fileno()
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(100)  # ends what hangs
    status = 0
    try:
        f(base)
    except BaseException:  # told as a line, which differs from the other runs
        import traceback
        say('python: ' + traceback.format_exc().replace('\n', ' '))
        status = 1
    os._exit(status)


def main():
    only, running, files, bad = sys.argv[1:], {}, {}, {}

    def await_one():
        pid, status = os.wait()
        if status:
            bad[running[pid]] = status
        del running[pid]

    for i, (title, f) in enumerate(sequences):
        if only and title not in only:
            continue
        if len(running) == AT_ONCE:
            await_one()
        pid, files[title] = start(i, title, f)
        running[pid] = title
    while running:
        await_one()
    for title, file in files.items():
        file.seek(0)
        sys.stdout.write(file.read().decode())
        if title in bad:
            print('%s | ended with wait status %d' % (title, bad[title]))
