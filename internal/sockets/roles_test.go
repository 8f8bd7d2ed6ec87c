package sockets

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// roles are what the test binary can be told to do instead of running tests.
func roles() map[string]func(*role) {
	return map[string]func(*role){
		"many":        (*role).many,
		"states":      (*role).states,
		"fork":        (*role).fork,
		"inherit":     (*role).inherit,
		"receive":     (*role).receive,
		"thread":      (*role).thread,
		"headless":    (*role).headless,
		"unix":        (*role).unixSockets,
		"churn":       (*role).churn,
		"child":       (*role).child,
		"list":        (*role).list,
		"bind":        (*role).bind,
		"home":        (*role).home,
		"serve":       (*role).serve,
		"connectTo":   (*role).connectTo,
		"withoutDiag": (*role).withoutDiag,
	}
}

// socket, bind and so on with the errors that cannot be, checked.
func (r *role) socket(family, kind int) int {
	fd, err := unix.Socket(family, kind|unix.SOCK_CLOEXEC, 0)
	r.check(err, "socket")
	return fd
}

func addr4(ip string, port int) *unix.SockaddrInet4 {
	return &unix.SockaddrInet4{Addr: [4]byte(net.ParseIP(ip).To4()), Port: port}
}

func addr6(ip string, port int) *unix.SockaddrInet6 {
	return &unix.SockaddrInet6{Addr: [16]byte(net.ParseIP(ip).To16()), Port: port}
}

func (r *role) bound(family, kind int, to unix.Sockaddr) int {
	fd := r.socket(family, kind)
	r.check(unix.Bind(fd, to), "bind")
	return fd
}

func (r *role) listener(family int, to unix.Sockaddr, backlog int) int {
	fd := r.bound(family, unix.SOCK_STREAM, to)
	r.check(unix.Listen(fd, backlog), "listen")
	return fd
}

// nameOf returns a socket's own address; portOf its port.
func (r *role) nameOf(fd int) unix.Sockaddr {
	sa, err := unix.Getsockname(fd)
	r.check(err, "getsockname")
	return sa
}

func (r *role) portOf(fd int) int {
	switch a := r.nameOf(fd).(type) {
	case *unix.SockaddrInet4:
		return a.Port
	case *unix.SockaddrInet6:
		return a.Port
	}
	return 0
}

// connect returns both ends of a connection to a listener.
func (r *role) connect(listener, family int, to unix.Sockaddr) (client, server int) {
	client = r.socket(family, unix.SOCK_STREAM)
	r.check(unix.Connect(client, to), "connect")
	server, _, err := unix.Accept4(listener, unix.SOCK_CLOEXEC)
	r.check(err, "accept")
	return client, server
}

// many opens arg times one of each kind of socket that is common.
func (r *role) many() {
	n, err := strconv.Atoi(r.arg)
	r.check(err, "read count")
	for range n {
		l4 := r.listener(unix.AF_INET, addr4("127.0.0.1", 0), 8)
		r.has(l4, "listener on IPv4")
		l6 := r.listener(unix.AF_INET6, addr6("::1", 0), 8)
		r.has(l6, "listener on IPv6")
		dual := r.listener(unix.AF_INET6, addr6("::", 0), 8)
		r.has(dual, "listener on all")
		for range 3 {
			c, s := r.connect(l4, unix.AF_INET, r.nameOf(l4))
			r.has(c, "client on IPv4")
			r.has(s, "server on IPv4")
		}
		c, s := r.connect(l6, unix.AF_INET6, r.nameOf(l6))
		r.has(c, "client on IPv6")
		r.has(s, "server on IPv6")
		c, s = r.connect(dual, unix.AF_INET, addr4("127.0.0.1", r.portOf(dual)))
		r.has(c, "client of a dual-stack server")
		r.has(s, "dual-stack server")
		c, s = r.connect(dual, unix.AF_INET6, addr6("::ffff:127.0.0.1", r.portOf(dual)))
		r.has(c, "client on a mapped address")
		r.has(s, "server on a mapped address")
		r.has(r.bound(unix.AF_INET, unix.SOCK_STREAM, addr4("127.0.0.1", 0)), "bound, not listening")
		r.has(r.bound(unix.AF_INET6, unix.SOCK_STREAM, addr6("::1", 0)), "bound on IPv6, not listening")
		r.has(r.bound(unix.AF_INET6, unix.SOCK_DGRAM, addr6("::1", 0)), "UDP on IPv6")
		u := r.bound(unix.AF_INET, unix.SOCK_DGRAM, addr4("127.0.0.1", 0))
		r.has(u, "UDP")
		v := r.bound(unix.AF_INET, unix.SOCK_DGRAM, addr4("127.0.0.1", 0))
		r.check(unix.Connect(v, r.nameOf(u)), "connect UDP")
		r.has(v, "connected UDP")
		m := r.socket(unix.AF_INET6, unix.SOCK_DGRAM)
		r.check(unix.Connect(m, addr6("::ffff:127.0.0.1", r.portOf(u))), "connect UDP")
		r.has(m, "UDP on a mapped address")
		// Two descriptors of one socket are one holder.
		_, err := unix.Dup(l4)
		r.check(err, "dup")
	}
	r.ready()
	r.stay()
}

// fill writes until the other end takes no more.
func (r *role) fill(fd int) {
	r.check(unix.SetNonblock(fd, true), "set non-blocking")
	b := make([]byte, 64<<10)
	for {
		if _, err := unix.Write(fd, b); err != nil {
			return
		}
	}
}

// states brings sockets into the rarer states of TCP. Its network namespace has
// 10.9.9.1/24 on an interface that loses everything.
func (r *role) states() {
	l := r.listener(unix.AF_INET, addr4("127.0.0.1", 0), 64)
	r.has(l, "listener")
	shut := func(fd int) { r.check(unix.Shutdown(fd, unix.SHUT_WR), "shut down") }

	c, s := r.connect(l, unix.AF_INET, r.nameOf(l))
	r.check(unix.Close(c), "close") // the one that closes first waits
	r.check(unix.Close(s), "close")

	c, s = r.connect(l, unix.AF_INET, r.nameOf(l))
	shut(c)
	r.has(c, "FIN_WAIT_2")
	r.has(s, "CLOSE_WAIT")

	c, s = r.connect(l, unix.AF_INET, r.nameOf(l))
	r.fill(c)
	shut(c) // the FIN stands behind what the other end has no room for
	r.has(c, "FIN_WAIT_1")
	r.has(s, "the other end of FIN_WAIT_1")

	c, s = r.connect(l, unix.AF_INET, r.nameOf(l))
	shut(c)
	r.fill(s)
	shut(s)
	r.has(c, "the other end of LAST_ACK")
	r.has(s, "LAST_ACK")

	c, s = r.connect(l, unix.AF_INET, r.nameOf(l))
	r.fill(c)
	r.check(unix.Close(c), "close") // FIN_WAIT_1 without a process
	r.has(s, "the other end of an orphan")

	// Connected to itself.
	self := r.bound(unix.AF_INET, unix.SOCK_STREAM, addr4("127.0.0.1", 0))
	r.check(unix.Connect(self, r.nameOf(self)), "connect to itself")
	r.has(self, "connected to itself")

	// Nobody answers.
	lost := r.socket(unix.AF_INET, unix.SOCK_STREAM)
	r.check(unix.SetNonblock(lost, true), "set non-blocking")
	if err := unix.Connect(lost, addr4("10.9.9.9", 9)); err != unix.EINPROGRESS {
		r.check(fmt.Errorf("%v", err), "connect to nobody")
	}
	r.has(lost, "SYN_SENT")

	// Not accepted: no process has it yet.
	waiting := r.socket(unix.AF_INET, unix.SOCK_STREAM)
	r.check(unix.Connect(waiting, r.nameOf(l)), "connect")
	r.has(waiting, "client that waits for accept")

	// Half open: a SYN from somebody who does not exist.
	far := r.listener(unix.AF_INET, addr4("10.9.9.1", 7777), 8)
	r.has(far, "listener on the lost interface")
	raw, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
	r.check(err, "raw socket")
	r.check(unix.Sendto(raw, syn([4]byte{10, 9, 9, 8}, [4]byte{10, 9, 9, 1}, 40000, 7777), 0, addr4("10.9.9.1", 0)), "send SYN")
	r.ready()
	r.stay()
}

// syn makes an IPv4 packet with a TCP segment that asks for a connection.
func syn(from, to [4]byte, fromPort, toPort uint16) []byte {
	p := make([]byte, 40)
	p[0], p[8], p[9] = 0x45, 64, unix.IPPROTO_TCP // the kernel fills in the rest
	copy(p[12:], from[:])
	copy(p[16:], to[:])
	t := p[20:]
	t[0], t[1], t[2], t[3] = byte(fromPort>>8), byte(fromPort), byte(toPort>>8), byte(toPort)
	t[7], t[12], t[13], t[14] = 1, 5<<4, 2, 64
	sum := uint32(unix.IPPROTO_TCP) + 20
	for i := 12; i < 40; i += 2 {
		sum += uint32(p[i])<<8 | uint32(p[i+1])
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	t[16], t[17] = byte(^sum>>8), byte(^sum)
	return p
}

// inherit is the child of fork: it holds what it was given.
func (r *role) inherit() {
	for fd := 3; fd < 3+2; fd++ {
		r.has(fd, "inherited")
	}
	r.ready()
	r.stay()
}

// again runs this binary in another role, with descriptors.
func (r *role) again(text string, fds ...int) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), roleVariable+"="+text)
	cmd.Stdin, cmd.Stderr = os.Stdin, os.Stderr
	for _, fd := range fds {
		cmd.ExtraFiles = append(cmd.ExtraFiles, os.NewFile(uintptr(fd), ""))
	}
	return cmd
}

// fork holds a listener and a connection together with arg children.
func (r *role) fork() {
	n, err := strconv.Atoi(r.arg)
	r.check(err, "read count")
	l := r.listener(unix.AF_INET, addr4("127.0.0.1", 0), 8)
	c, s := r.connect(l, unix.AF_INET, r.nameOf(l))
	r.has(l, "shared")
	r.has(s, "shared")
	r.has(c, "not shared")
	for range n {
		cmd := r.again("inherit", l, s)
		out, err := cmd.StdoutPipe()
		r.check(err, "pipe")
		r.check(cmd.Start(), "start child")
		b := make([]byte, 0, 4096)
		for !strings.Contains(string(b), "ready\n") {
			k, err := out.Read(b[len(b):cap(b)])
			r.check(err, "hear child")
			b = b[:len(b)+k]
		}
		r.out.WriteString(strings.TrimSuffix(string(b), "ready\n"))
	}
	r.ready()
	r.stay()
}

// bind takes a listener, and keeps it also after sending it away if arg is
// keep. The other is receive.
func (r *role) bind() {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	r.check(err, "socketpair")
	l := r.listener(unix.AF_INET, addr4("127.0.0.1", 0), 8)
	cmd := r.again("receive", pair[1])
	out, err := cmd.StdoutPipe()
	r.check(err, "pipe")
	r.check(cmd.Start(), "start receiver")
	r.check(unix.Sendmsg(pair[0], []byte{0}, unix.UnixRights(l), nil, 0), "send descriptor")
	if r.arg == "keep" {
		r.has(l, "sent and kept")
	} else {
		r.check(unix.Close(l), "close")
	}
	b := make([]byte, 4096)
	n := 0
	for !strings.Contains(string(b[:n]), "ready\n") {
		k, err := out.Read(b[n:])
		r.check(err, "hear receiver")
		n += k
	}
	r.out.WriteString(strings.TrimSuffix(string(b[:n]), "ready\n"))
	r.ready()
	r.stay()
}

func (r *role) receive() {
	b, control := make([]byte, 1), make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(3, b, control, unix.MSG_CMSG_CLOEXEC)
	r.check(err, "receive")
	list, err := unix.ParseSocketControlMessage(control[:n])
	r.check(err, "parse")
	fds, err := unix.ParseUnixRights(&list[0])
	r.check(err, "parse")
	r.has(fds[0], "received")
	r.ready()
	r.stay()
}

// thread holds a socket in a thread that has a table of descriptors of its own.
func (r *role) thread() {
	done := make(chan struct{})
	go func() {
		runtime.LockOSThread()
		r.check(unix.Unshare(unix.CLONE_FILES), "unshare descriptors")
		r.has(r.listener(unix.AF_INET, addr4("127.0.0.1", 0), 8), "in a thread's own table")
		close(done)
		select {}
	}()
	<-done
	r.ready()
	r.stay()
}

// headless lets its first thread end: the process's own directory in /proc then
// shows no descriptor.
func (r *role) headless() {
	if unix.Gettid() != os.Getpid() {
		r.check(fmt.Errorf("thread %d", unix.Gettid()), "be on the first thread")
	}
	go func() {
		runtime.LockOSThread()
		r.has(r.listener(unix.AF_INET, addr4("127.0.0.1", 0), 8), "of a process without its first thread")
		stat := "/proc/self/task/" + strconv.Itoa(os.Getpid()) + "/stat"
		for {
			b, err := os.ReadFile(stat)
			r.check(err, "read state")
			if strings.Contains(string(b), ") Z ") {
				break
			}
			runtime.Gosched()
		}
		r.ready()
		r.stay()
		os.Exit(0)
	}()
	_, _, _ = syscall.Syscall(syscall.SYS_EXIT, 0, 0, 0)
}

// unixSockets opens Unix sockets, in the directory arg and abstract.
func (r *role) unixSockets() {
	l := r.socket(unix.AF_UNIX, unix.SOCK_STREAM)
	r.check(unix.Bind(l, &unix.SockaddrUnix{Name: r.arg + "/stream"}), "bind")
	r.check(unix.Listen(l, 5), "listen")
	r.has(l, "listener")
	c, s := r.connect(l, unix.AF_UNIX, &unix.SockaddrUnix{Name: r.arg + "/stream"})
	r.has(c, "client")
	r.has(s, "server")
	a := r.socket(unix.AF_UNIX, unix.SOCK_SEQPACKET)
	r.check(unix.Bind(a, &unix.SockaddrUnix{Name: "@lodge-test-" + strconv.Itoa(os.Getpid())}), "bind")
	r.has(a, "abstract")
	d := r.socket(unix.AF_UNIX, unix.SOCK_DGRAM)
	r.check(unix.Bind(d, &unix.SockaddrUnix{Name: r.arg + "/datagram"}), "bind")
	r.has(d, "datagram")
	e := r.socket(unix.AF_UNIX, unix.SOCK_DGRAM)
	r.check(unix.Connect(e, &unix.SockaddrUnix{Name: r.arg + "/datagram"}), "connect")
	r.has(e, "datagram client")
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	r.check(err, "socketpair")
	r.has(pair[0], "pair")
	r.has(pair[1], "pair")
	r.ready()
	r.stay()
}
