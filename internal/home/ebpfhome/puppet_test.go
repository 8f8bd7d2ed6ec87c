package ebpfhome

import (
	"bufio"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"lodge/internal/helper"
	"lodge/internal/helperapi"
	"lodge/internal/home"
	"lodge/internal/unixsock"
)

// A puppet is this test binary in another process, inside a home or outside.
// It makes one system call for each line that it reads, so that a test can say
// exactly what a program does.

// order is one system call.
type order struct {
	Op     string
	FD     int
	Family int
	Type   int
	Proto  int
	Level  int
	Name   int
	Value  int
	Addr   netip.AddrPort
	Data   string
}

// result is what it gave. Err is the errno's name, "" for none.
type result struct {
	FD    int
	Value int
	Addr  netip.AddrPort
	Data  string
	Err   string
}

func TestMain(m *testing.M) {
	if len(os.Args) == 2 && !strings.HasPrefix(os.Args[1], "-") {
		if err := beOther(os.Args[1]); err != nil {
			fmt.Fprintln(os.Stderr, os.Args[1]+":", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func beOther(role string) error {
	switch role {
	case "puppet":
		bePuppet()
		return nil
	case "helper":
		return beHelper()
	case "keeper":
		return beKeeper()
	case "connector":
		return beConnector()
	case "serve":
		// Descriptors beyond the first three would be the keeper's.
		for fd := 3; fd < 40; fd++ {
			path, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
			if err == nil && (strings.Contains(path, "bpf") || strings.Contains(path, "/lodge-")) {
				return fmt.Errorf("a service has the keeper's descriptor %d: %s", fd, path)
			}
		}
		l, err := net.Listen("tcp", "localhost:51004")
		if err != nil {
			return err
		}
		if _, err := os.Stdout.Write([]byte(".")); err != nil {
			return err
		}
		_, err = l.Accept()
		return err
	}
	return errors.New("no such role")
}

func bePuppet() {
	// Namespaces belong to a thread.
	runtime.LockOSThread()
	in := json.NewDecoder(bufio.NewReader(os.Stdin))
	out := json.NewEncoder(os.Stdout)
	for {
		var o order
		if err := in.Decode(&o); err != nil {
			return
		}
		r, err := obey(o)
		if err != nil {
			r.Err = err.Error()
			var errno unix.Errno
			if errors.As(err, &errno) {
				r.Err = unix.ErrnoName(errno)
			}
		}
		if err := out.Encode(r); err != nil {
			return
		}
	}
}

func obey(o order) (r result, err error) {
	buf := make([]byte, 1500)
	switch o.Op {
	case "socket":
		r.FD, err = unix.Socket(o.Family, o.Type, o.Proto)
		if err == nil {
			err = unix.SetsockoptTimeval(r.FD, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 3})
		}
	case "set":
		err = unix.SetsockoptInt(o.FD, o.Level, o.Name, o.Value)
	case "get":
		r.Value, err = unix.GetsockoptInt(o.FD, o.Level, o.Name)
	case "device":
		err = unix.BindToDevice(o.FD, o.Data)
	case "getdevice":
		r.Data, err = unix.GetsockoptString(o.FD, unix.SOL_SOCKET, unix.SO_BINDTODEVICE)
	case "bind":
		err = unix.Bind(o.FD, sockaddr(o.Family, o.Addr))
	case "bindunspec":
		raw := unix.RawSockaddrInet4{Addr: o.Addr.Addr().As4()}
		binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(&raw.Port))[:], o.Addr.Port())
		_, _, errno := unix.Syscall(unix.SYS_BIND, uintptr(o.FD), uintptr(unsafe.Pointer(&raw)), unsafe.Sizeof(raw))
		if errno != 0 {
			err = errno
		}
	case "listen":
		err = unix.Listen(o.FD, 16)
	case "connect":
		err = unix.Connect(o.FD, sockaddr(o.Family, o.Addr))
	case "accept":
		var sa unix.Sockaddr
		if r.FD, sa, err = unix.Accept(o.FD); err == nil {
			r.Addr = addrPort(sa)
		}
	case "sendto":
		err = unix.Sendto(o.FD, []byte(o.Data), 0, sockaddr(o.Family, o.Addr))
	case "send":
		_, err = unix.Write(o.FD, []byte(o.Data))
	case "recv":
		var n int
		var sa unix.Sockaddr
		if n, sa, err = unix.Recvfrom(o.FD, buf, 0); err == nil {
			r.Data = string(buf[:n])
			if sa != nil {
				r.Addr = addrPort(sa)
			}
		}
	case "recv1":
		// Waits a short time: veth delivers from another context.
		err = unix.SetsockoptTimeval(o.FD, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Usec: 300000})
		if err == nil {
			_, _, err = unix.Recvfrom(o.FD, buf, 0)
		}
	case "recvnow":
		// Loopback delivers within the send: what is not there does not come.
		var n int
		var sa unix.Sockaddr
		if n, sa, err = unix.Recvfrom(o.FD, buf, unix.MSG_DONTWAIT); err == nil {
			r.Data = string(buf[:n])
			if sa != nil {
				r.Addr = addrPort(sa)
			}
		}
	case "sockname", "peername":
		var sa unix.Sockaddr
		if o.Op == "sockname" {
			sa, err = unix.Getsockname(o.FD)
		} else {
			sa, err = unix.Getpeername(o.FD)
		}
		if err == nil {
			r.Addr = addrPort(sa)
		}
	case "close":
		err = unix.Close(o.FD)
	case "setuid":
		if err = unix.Setgroups(nil); err == nil {
			if err = unix.Setresgid(o.Value, o.Value, o.Value); err == nil {
				err = unix.Setresuid(o.Value, o.Value, o.Value)
			}
		}
	case "setns":
		var f *os.File
		if f, err = os.Open(o.Data); err == nil {
			err = errors.Join(unix.Setns(int(f.Fd()), unix.CLONE_NEWNET), f.Close())
		}
	case "unshare":
		if err = unix.Unshare(unix.CLONE_NEWNET); err == nil {
			err = loUp()
			r.Value = unix.Gettid()
		}
	default:
		err = fmt.Errorf("no such order: %s", o.Op)
	}
	return r, err
}

// loUp sets the device lo of this namespace up (netdevice(7), SIOCSIFFLAGS).
func loUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	ifr, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	ifr.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, ifr)
}

func sockaddr(family int, a netip.AddrPort) unix.Sockaddr {
	if family == unix.AF_INET {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}

func addrPort(sa unix.Sockaddr) netip.AddrPort {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr), uint16(sa.Port))
	}
	return netip.AddrPort{}
}

// puppet is the test's side.
type puppet struct {
	t   testing.TB
	pid int
	mu  sync.Mutex
	in  *json.Encoder
	out *json.Decoder
	end func()
}

// outside starts a puppet that is in no home.
func outside(t testing.TB) *puppet {
	t.Helper()
	cmd := exec.Command(exe(t), "puppet")
	cmd.Stderr = os.Stderr
	w, err := cmd.StdinPipe()
	must(t, err)
	r, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	p := &puppet{t: t, pid: cmd.Process.Pid, in: json.NewEncoder(w), out: json.NewDecoder(r)}
	p.end = sync.OnceFunc(func() {
		must(t, w.Close())
		must(t, cmd.Wait())
	})
	t.Cleanup(p.end)
	return p
}

// puppetIn starts a puppet inside a home.
func puppetIn(t testing.TB, h home.Inside, service string) *puppet {
	t.Helper()
	theirIn, ourIn, err := os.Pipe()
	must(t, err)
	ourOut, theirOut, err := os.Pipe()
	must(t, err)
	pid, err := h.Start(home.Command{
		Service: service, Path: exe(t), Args: []string{"puppet", "puppet"}, Dir: "/",
		Files: []*os.File{theirIn, theirOut, os.Stderr},
	})
	must(t, err)
	must(t, errors.Join(theirIn.Close(), theirOut.Close()))
	p := &puppet{t: t, pid: pid, in: json.NewEncoder(ourIn), out: json.NewDecoder(ourOut)}
	p.end = sync.OnceFunc(func() {
		must(t, ourIn.Close())
		_, err := io.Copy(io.Discard, ourOut)
		must(t, err)
		must(t, ourOut.Close())
		reap(t, pid)
	})
	t.Cleanup(p.end)
	return p
}

func reap(t testing.TB, pid int) {
	t.Helper()
	var st unix.WaitStatus
	for {
		_, err := unix.Wait4(pid, &st, 0, nil)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil && !errors.Is(err, unix.ECHILD) {
			t.Errorf("reap %d: %v", pid, err)
		}
		return
	}
}

func (p *puppet) do(o order) result {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	must(p.t, p.in.Encode(o))
	var r result
	must(p.t, p.out.Decode(&r))
	return r
}

// ok obeys an order that must succeed.
func (p *puppet) ok(o order) result {
	p.t.Helper()
	r := p.do(o)
	if r.Err != "" {
		p.t.Fatalf("%+v: %s", o, r.Err)
	}
	return r
}

func (p *puppet) socket(family, typ int) int {
	p.t.Helper()
	return p.ok(order{Op: "socket", Family: family, Type: typ}).FD
}

func (p *puppet) close(fd int) { p.t.Helper(); p.ok(order{Op: "close", FD: fd}) }

func (p *puppet) bind(fd, family int, addr string) result {
	p.t.Helper()
	return p.do(order{Op: "bind", FD: fd, Family: family, Addr: netip.MustParseAddrPort(addr)})
}

func (p *puppet) connect(fd, family int, addr string) result {
	p.t.Helper()
	return p.do(order{Op: "connect", FD: fd, Family: family, Addr: netip.MustParseAddrPort(addr)})
}

func (p *puppet) sockname(fd int) string {
	p.t.Helper()
	return p.ok(order{Op: "sockname", FD: fd}).Addr.String()
}

func (p *puppet) peername(fd int) string {
	p.t.Helper()
	return p.ok(order{Op: "peername", FD: fd}).Addr.String()
}

// server makes a socket, binds it and, for TCP, listens. fd is -1 on error.
func (p *puppet) server(network, addr string) (fd int, errno string) {
	p.t.Helper()
	family, typ := familyOf(network)
	fd = p.socket(family, typ)
	if strings.HasSuffix(network, "only") {
		p.ok(order{Op: "set", FD: fd, Level: unix.IPPROTO_IPV6, Name: unix.IPV6_V6ONLY, Value: 1})
	}
	r := p.bind(fd, family, addr)
	if r.Err == "" && typ == unix.SOCK_STREAM {
		r = p.do(order{Op: "listen", FD: fd})
	}
	if r.Err != "" {
		p.close(fd)
		return -1, r.Err
	}
	return fd, ""
}

// leaveNetns returns the puppet a network namespace of its own, and returns its
// path. That is of the thread which obeys, and need not be the process's first.
func (p *puppet) leaveNetns() string {
	p.t.Helper()
	return fmt.Sprintf("/proc/%d/task/%d/ns/net", p.pid, p.ok(order{Op: "unshare"}).Value)
}

func (p *puppet) mustServe(network, addr string) int {
	p.t.Helper()
	fd, errno := p.server(network, addr)
	if errno != "" {
		p.t.Fatalf("serve %s %s: %s", network, addr, errno)
	}
	return fd
}

// familyOf reads tcp4, tcp6, tcp6only, udp4, udp6, udp6only.
func familyOf(network string) (family, typ int) {
	family, typ = unix.AF_INET, unix.SOCK_STREAM
	if strings.Contains(network, "6") {
		family = unix.AF_INET6
	}
	if strings.HasPrefix(network, "udp") {
		typ = unix.SOCK_DGRAM
	}
	return family, typ
}

func beHelper() error {
	conn, err := helperapi.FromFile(os.NewFile(3, "client"))
	if err != nil {
		return err
	}
	cred, err := unixsock.Peer(conn)
	if err != nil {
		return err
	}
	return helper.Serve(helperContext(), conn, cred.Uid, cred.Gid, helper.Options{})
}
