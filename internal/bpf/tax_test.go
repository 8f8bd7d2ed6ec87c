package bpf

import (
	"net"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// BenchmarkLiveTax says what everybody else pays while the live map runs, as a
// ratio to without. With and without take turns, what counts is processor time,
// and of each the least, since whatever else runs here only adds to it. Run it
// with -benchtime 40x or more.
func BenchmarkLiveTax(b *testing.B) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer ln.Close()
	pair := func() (net.Conn, net.Conn) {
		a, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		c, err := ln.Accept()
		if err != nil {
			b.Fatal(err)
		}
		return a, c
	}
	x, y := pair()
	defer x.Close()
	defer y.Close()
	fds := [2]int{fdOf(b, x), fdOf(b, y)}
	buf := make([]byte, 64)
	for _, work := range []struct {
		name string
		n    int
		f    func()
	}{
		{"system_call", 50000, func() { unix.Getppid() }},
		{"round_trip", 500, func() { roundTrip(b, fds, buf) }},
		{"connection", 200, func() {
			a, c := pair()
			_ = a.Close()
			_ = c.Close()
		}},
		{"program", 20, func() {
			if err := exec.Command("/bin/true").Run(); err != nil {
				b.Fatal(err)
			}
		}},
	} {
		b.Run(work.name, func(b *testing.B) {
			if os.Geteuid() != 0 {
				b.Skip("needs root: loads eBPF programs")
			}
			l := &Live{buf: make([]byte, scanSize)}
			if err := l.load(); err != nil {
				b.Fatal(err)
			}
			defer l.Close()
			compare(b, work.n, work.f, l.attach, l.detach)
		})
	}
	// What the map does without.
	b.Run("system_call_if_hooked", func(b *testing.B) {
		if os.Geteuid() != 0 {
			b.Skip("needs root: loads eBPF programs")
		}
		p, err := ebpf.NewProgram(&ebpf.ProgramSpec{
			Type: ebpf.RawTracepoint, License: "Dual MIT/GPL",
			Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()},
		})
		if err != nil {
			b.Fatal(err)
		}
		defer p.Close()
		var l link.Link
		attach := func() (err error) {
			l, err = link.AttachRawTracepoint(link.RawTracepointOptions{Name: "sys_exit", Program: p})
			return err
		}
		compare(b, 50000, func() { unix.Getppid() }, attach, func() error { return l.Close() })
	})
}

// compare does f n times without and with what attach attaches, in turns.
func compare(b *testing.B, n int, f func(), attach, detach func() error) {
	once := func() time.Duration {
		start := cpuTime(b)
		for range n {
			f()
		}
		return cpuTime(b) - start
	}
	var off, on []time.Duration
	for b.Loop() {
		off = append(off, once())
		if err := attach(); err != nil {
			b.Fatal(err)
		}
		on = append(on, once())
		if err := detach(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(slices.Min(on))/float64(slices.Min(off)), "ratio")
	b.ReportMetric(0, "ns/op")
}

// cpuTime is that of this process and of its children that ended.
func cpuTime(b *testing.B) (sum time.Duration) {
	for _, who := range []int{unix.RUSAGE_SELF, unix.RUSAGE_CHILDREN} {
		var u unix.Rusage
		if err := unix.Getrusage(who, &u); err != nil {
			b.Fatal(err)
		}
		sum += time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	return sum
}

func fdOf(b testing.TB, c net.Conn) (fd int) {
	b.Helper()
	raw, err := c.(syscall.Conn).SyscallConn()
	if err == nil {
		err = raw.Control(func(n uintptr) { fd = int(n) })
	}
	if err != nil {
		b.Fatal(err)
	}
	return fd
}

// roundTrip sends there and back, by both ends, without waiting: on loopback
// what was sent is there.
func roundTrip(b *testing.B, fds [2]int, buf []byte) {
	for i := range fds {
		if _, err := unix.Write(fds[i], buf); err != nil {
			b.Fatal(err)
		}
		if n, err := unix.Read(fds[1-i], buf); err != nil || n != len(buf) {
			b.Fatal(n, err)
		}
	}
}

// BenchmarkLivePrograms says how long the programs run for one connection, made
// and closed at both ends, as the kernel counts it (BPF_ENABLE_STATS). Others'
// connections of the same time are counted with their transitions.
func BenchmarkLivePrograms(b *testing.B) {
	l := openLive(b)
	stats, err := ebpf.EnableStats(unix.BPF_STATS_RUN_TIME)
	if err != nil {
		b.Fatal(err)
	}
	defer stats.Close()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer ln.Close()
	for b.Loop() {
		a, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			b.Fatal(err)
		}
		c, err := ln.Accept()
		if err != nil {
			b.Fatal(err)
		}
		_ = a.Close()
		_ = c.Close()
	}
	st, err := l.objects.LiveState.Stats()
	if err != nil {
		b.Fatal(err)
	}
	const transitions = 10 // of both ends together
	b.ReportMetric(transitions*float64(st.Runtime)/float64(st.RunCount), "program-ns/op")
}

// BenchmarkLiveOwners asks on this machine as it is: make a population first,
// such as with 200,000 sockets.
func BenchmarkLiveOwners(b *testing.B) {
	l := openLive(b)
	n := 0
	for b.Loop() {
		n = len(ask(b, l).Holdings)
	}
	b.ReportMetric(float64(n), "sockets")
}
