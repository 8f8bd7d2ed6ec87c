package ebpfhome

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"lodge/internal/home"
	"lodge/internal/loopback"
)

// connectRounds and connectEach bound the comparison of BenchmarkConnectCost.
const (
	connectRounds = 201
	connectEach   = 300
)

// beConnector measures connect+accept+close on localhost, in nanoseconds for
// one, for each line that it reads.
func beConnector() error {
	runtime.LockOSThread()
	l, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err != nil {
		return err
	}
	at := &unix.SockaddrInet4{Port: 26100, Addr: [4]byte{127, 0, 0, 1}}
	if os.Getenv("LODGE_TEST_PORT") != "" {
		at.Port = 26101
	}
	if err := unix.Bind(l, at); err != nil {
		return err
	}
	if err := unix.Listen(l, 16); err != nil {
		return err
	}
	linger := &unix.Linger{Onoff: 1} // no TIME_WAIT, which would fill up
	for {
		var word string
		if _, err := fmt.Scanln(&word); err != nil {
			return nil
		}
		begin, err := threadTime()
		if err != nil {
			return err
		}
		for range connectEach {
			c, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
			if err != nil {
				return err
			}
			if err := unix.Connect(c, at); err != nil {
				return err
			}
			a, _, err := unix.Accept(l)
			if err != nil {
				return err
			}
			if err := unix.SetsockoptLinger(c, unix.SOL_SOCKET, unix.SO_LINGER, linger); err != nil {
				return err
			}
			if err := unix.Close(c); err != nil {
				return err
			}
			if err := unix.Close(a); err != nil {
				return err
			}
		}
		end, err := threadTime()
		if err != nil {
			return err
		}
		fmt.Println((end - begin) / connectEach)
	}
}

// threadTime is this thread's time on the processor: over loopback, all of a
// connection is in it, and little of what else the machine does.
func threadTime() (int64, error) {
	var ts unix.Timespec
	err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &ts)
	return ts.Nano(), err
}

// BenchmarkConnectCost compares a connection inside with one of the same
// program outside, in interleaved pairs, and reports the ratio. One run is
// enough: go test -run - -bench ConnectCost -benchtime 1x.
func BenchmarkConnectCost(b *testing.B) {
	t := b
	c := spawn(t)
	h := newHome(t, c, loopback.Overlay)

	type side struct {
		ask  func() int64
		stop func()
	}
	pipes := func() (ours [2]*os.File, theirs []*os.File) {
		inR, inW, err := os.Pipe()
		must(t, err)
		outR, outW, err := os.Pipe()
		must(t, err)
		return [2]*os.File{inW, outR}, []*os.File{inR, outW, os.Stderr}
	}
	asker := func(ours [2]*os.File) func() int64 {
		return func() int64 {
			_, err := ours[0].WriteString("go\n")
			must(t, err)
			var ns int64
			_, err = fmt.Fscanln(ours[1], &ns)
			must(t, err)
			return ns
		}
	}
	var sides [2]side
	ours, theirs := pipes()
	cmd := exec.Command(exe(t), "connector")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs[0], theirs[1], theirs[2]
	cmd.Env = append(os.Environ(), "LODGE_TEST_PORT=1")
	must(t, cmd.Start())
	sides[0] = side{asker(ours), func() { must(t, ours[0].Close()); must(t, cmd.Wait()) }}
	ours2, theirs2 := pipes()
	pid, err := h.Start(home.Command{Service: "web", Path: exe(t), Args: []string{"x", "connector"}, Env: os.Environ(), Files: theirs2})
	must(t, err)
	sides[1] = side{asker(ours2), func() { must(t, ours2[0].Close()); reap(t, pid) }}
	for _, f := range append(theirs[:2:2], theirs2[:2]...) {
		must(t, f.Close())
	}
	var plain, inside []int64
	var ratios []float64
	for i := range connectRounds + 2 {
		first, second := 0, 1
		if i%2 == 1 {
			first, second = 1, 0
		}
		var ns [2]int64
		ns[first] = sides[first].ask()
		ns[second] = sides[second].ask()
		if i < 2 {
			continue
		}
		plain, inside = append(plain, ns[0]), append(inside, ns[1])
		ratios = append(ratios, float64(ns[1])/float64(ns[0]))
	}
	for _, s := range sides {
		s.stop()
	}
	slices.Sort(plain)
	slices.Sort(inside)
	slices.Sort(ratios)
	b.ReportMetric(ratios[len(ratios)/2], "inside/plain")
	b.ReportMetric(float64(inside[len(inside)/2])/float64(plain[len(plain)/2]), "medians")
	b.ReportMetric(0, "ns/op")
}
