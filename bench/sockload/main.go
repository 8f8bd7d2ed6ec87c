// Command sockload holds many loopback TCP sockets over many processes, for
// measuring what lists them. It is run in a network namespace of its own.
//
//	sockload -procs P -listeners L -conns K -truth FILE
//
// Each process i listens L times on an address of its own, opens K connections
// to the first listener of process i+1 and accepts K: P*(L+2K) sockets in all.
// FILE then has a line for each: pid, local address, remote address or "*".
// It prints "ready" and the number of sockets, and ends with its input.
package main

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"strings"

	"golang.org/x/sys/unix"
)

type load struct {
	procs, listeners, conns, port int
	truth                         string
	child                         int
}

func main() {
	l := load{}
	flag.IntVar(&l.procs, "procs", 20, "how many processes")
	flag.IntVar(&l.listeners, "listeners", 2, "listeners of each")
	flag.IntVar(&l.conns, "conns", 4, "connections that each opens, and accepts")
	flag.IntVar(&l.port, "port", 20000, "first port")
	flag.StringVar(&l.truth, "truth", "", "file to write")
	flag.IntVar(&l.child, "child", -1, "be the process of this number; not for people")
	flag.Parse()
	run := l.parent
	if l.child >= 0 {
		run = l.process
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "sockload:", err)
		os.Exit(1)
	}
}

// address returns a process's own: 127.10.0.1 and on, outside of where lodge
// makes homes.
func address(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{127, 10, byte(i / 240), byte(i%240 + 1)})
}

// member is a process as its parent sees it.
type member struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

func (l *load) parent() error {
	if err := raiseLimit(); err != nil {
		return err
	}
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	var all []*member
	defer func() {
		for _, m := range all {
			_ = m.in.Close() // it ends then
		}
		for _, m := range all {
			_ = m.cmd.Wait()
		}
	}()
	for i := range l.procs {
		m, err := l.start(exe, i)
		if err != nil {
			return err
		}
		all = append(all, m)
	}
	truth, err := os.Create(l.truth)
	if err != nil {
		return err
	}
	w := bufio.NewWriter(truth)
	sockets := 0
	// Listen everywhere, connect everywhere, accept everywhere: in step.
	for _, step := range []string{"listen", "connect", "accept"} {
		for _, m := range all {
			if _, err := io.WriteString(m.in, step+"\n"); err != nil {
				return fmt.Errorf("%s: %w", step, err)
			}
		}
		for _, m := range all {
			n, err := m.answer(w)
			if err != nil {
				return fmt.Errorf("%s: %w", step, err)
			}
			sockets += n
		}
	}
	if err := errors.Join(w.Flush(), truth.Close()); err != nil {
		return err
	}
	fmt.Println("ready", sockets)
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

func (l *load) start(exe string, i int) (*member, error) {
	m := &member{cmd: exec.Command(exe, "-child", fmt.Sprint(i), "-procs", fmt.Sprint(l.procs), "-listeners", fmt.Sprint(l.listeners),
		"-conns", fmt.Sprint(l.conns), "-port", fmt.Sprint(l.port))}
	m.cmd.Env = []string{"GOMAXPROCS=1", "GOGC=off"} // a thousand of them: few threads, no work
	m.cmd.Stderr = os.Stderr
	var err error
	if m.in, err = m.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := m.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	m.out = bufio.NewReader(out)
	return m, m.cmd.Start()
}

// answer copies the lines of a step, which an empty one ends, and counts them.
func (m *member) answer(w io.Writer) (int, error) {
	for n := 0; ; n++ {
		line, err := m.out.ReadString('\n')
		if err != nil {
			return n, err
		}
		if line == "\n" {
			return n, nil
		}
		if _, err := io.WriteString(w, line); err != nil {
			return n, err
		}
	}
}

// process does the steps that it is told, and ends with its input.
func (l *load) process() error {
	in, out := bufio.NewReader(os.Stdin), bufio.NewWriter(os.Stdout)
	var listeners []int
	for {
		step, err := in.ReadString('\n')
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		switch strings.TrimSpace(step) {
		case "listen":
			listeners, err = l.listen(out)
		case "connect":
			err = l.connect(out)
		case "accept":
			err = l.accept(out, listeners[0])
		default:
			err = fmt.Errorf("step %q: unknown", step)
		}
		if err != nil {
			return err
		}
		fmt.Fprintln(out)
		if err := out.Flush(); err != nil {
			return err
		}
	}
}

func (l *load) listen(out io.Writer) ([]int, error) {
	var fds []int
	for n := range l.listeners {
		port := l.port
		if n > 0 {
			port += 1000*n + l.child
		}
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return nil, os.NewSyscallError("socket", err)
		}
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1); err != nil {
			return nil, os.NewSyscallError("setsockopt", err)
		}
		if err := unix.Bind(fd, &unix.SockaddrInet4{Port: port, Addr: address(l.child).As4()}); err != nil {
			return nil, fmt.Errorf("bind %s:%d: %w", address(l.child), port, err)
		}
		if err := unix.Listen(fd, 4096); err != nil {
			return nil, os.NewSyscallError("listen", err)
		}
		fds = append(fds, fd)
		if err := tell(out, fd, false); err != nil {
			return nil, err
		}
	}
	return fds, nil
}

func (l *load) connect(out io.Writer) error {
	peer := &unix.SockaddrInet4{Port: l.port, Addr: address((l.child + 1) % l.procs).As4()}
	for range l.conns {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return os.NewSyscallError("socket", err)
		}
		if err := unix.Connect(fd, peer); err != nil {
			return os.NewSyscallError("connect", err)
		}
		if err := tell(out, fd, true); err != nil {
			return err
		}
	}
	return nil
}

func (l *load) accept(out io.Writer, listener int) error {
	for range l.conns {
		fd, _, err := unix.Accept4(listener, unix.SOCK_CLOEXEC)
		if err != nil {
			return os.NewSyscallError("accept", err)
		}
		if err := tell(out, fd, true); err != nil {
			return err
		}
	}
	return nil
}

// tell writes the line of a socket.
func tell(out io.Writer, fd int, connected bool) error {
	local, err := unix.Getsockname(fd)
	if err != nil {
		return os.NewSyscallError("getsockname", err)
	}
	remote := "*"
	if connected {
		sa, err := unix.Getpeername(fd)
		if err != nil {
			return os.NewSyscallError("getpeername", err)
		}
		remote = text(sa)
	}
	_, err = fmt.Fprintln(out, os.Getpid(), text(local), remote)
	return err
}

func text(sa unix.Sockaddr) string {
	in, ok := sa.(*unix.SockaddrInet4)
	if !ok {
		return "?"
	}
	return netip.AddrPortFrom(netip.AddrFrom4(in.Addr), uint16(in.Port)).String()
}

// raiseLimit lets each process have as many descriptors as it may.
func raiseLimit() error {
	var r unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &r); err != nil {
		return os.NewSyscallError("getrlimit", err)
	}
	r.Cur = r.Max
	return os.NewSyscallError("setrlimit", unix.Setrlimit(unix.RLIMIT_NOFILE, &r))
}
