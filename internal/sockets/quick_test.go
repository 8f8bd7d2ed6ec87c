package sockets

import (
	"net"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"
)

// family starts a shell that has f as descriptor 3, runs commands in the
// background, and ends them at the test's end. It gives the shell's id.
func family(t *testing.T, f *os.File, commands string) int {
	t.Helper()
	cmd := exec.Command("/bin/sh", "-c", commands+" & echo ready; read x; kill $(jobs -p)")
	cmd.ExtraFiles = []*os.File{f}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = in.Close(); _ = cmd.Wait() })
	if n, err := out.Read(make([]byte, 16)); n == 0 {
		t.Fatal(err)
	}
	return cmd.Process.Pid
}

// A quick search finds the same holders as a whole one, where they are one
// family.
func TestQuick(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := uint16(l.Addr().(*net.TCPAddr).Port)
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	shell := family(t, f, "sleep 600 & sleep 600 & sleep 600")
	holders := func(quick bool) []int {
		t.Helper()
		tb, err := List(t.Context(), Query{Quick: quick, Protocols: []string{"tcp"}, States: []string{"listen"}, Filter: Filter{Ports: []uint16{port}}})
		if err != nil || len(tb.Rows) != 1 {
			t.Fatalf("%+v, %v", tb, err)
		}
		var pids []int
		for _, p := range tb.Rows[0].Processes {
			pids = append(pids, p.PID)
		}
		return pids
	}
	whole := holders(false)
	if len(whole) != 5 || !slices.Contains(whole, os.Getpid()) || !slices.Contains(whole, shell) {
		t.Fatalf("held by %v", whole)
	}
	if got := holders(true); !slices.Equal(got, whole) {
		t.Errorf("quick: %v, want %v", got, whole)
	}
	// Without this process the family is the shell and its children.
	_, _ = f.Close(), l.Close()
	whole = holders(false)
	if got := holders(true); len(whole) != 4 || !slices.Equal(got, whole) {
		t.Errorf("quick: %v, want %v", got, whole)
	}
}

// Where nobody can be found, a quick search is a whole one.
func TestQuickOfNobody(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	port := uint16(l.Addr().(*net.TCPAddr).Port)
	tb, err := List(t.Context(), Query{Quick: true, Filter: Filter{Ports: []uint16{port}}})
	if err != nil {
		t.Fatal(err)
	}
	// Another program's connection may have had that port a while ago.
	rows := slices.DeleteFunc(tb.Rows, func(r Row) bool { return r.State == "time_wait" })
	if len(rows) != 3 {
		t.Fatalf("%+v", rows)
	}
	for _, r := range rows {
		waits := r.State == "established" && r.Local.Port == port // not accepted: nobody's yet
		if waits != (len(r.Processes) == 0) || r.Unknown {
			t.Errorf("%+v", r)
		}
	}
	_ = l.Close()
}

// The workers of a server that share its listener are found by one of them,
// though their parent has it no more.
func TestQuickWorkers(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	inode, _ := ParseLink(must(os.Readlink("/proc/self/fd/" + strconv.Itoa(int(f.Fd())))))
	shell := family(t, f, "sleep 600 & sleep 600 & exec 3<&-; sleep 600")
	_, _ = f.Close(), l.Close()
	proc, err := openProc()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(proc) }()
	pids, err := listProcesses(proc)
	if err != nil {
		t.Fatal(err)
	}
	all := newInodeSet(1)
	all.add(inode)
	look := &search{searchFor: searchFor{want: all}, proc: proc}
	if err := look.round(t.Context(), pids); err != nil {
		t.Fatal(err)
	}
	var have []*Process
	for _, p := range look.processes {
		if p != nil {
			have = append(have, p)
		}
	}
	if len(have) != 2 {
		t.Fatalf("held by %+v, want two", have)
	}
	for _, workers := range []bool{true, false} {
		s := &search{searchFor: searchFor{want: all, quick: true, workers: workers}, proc: proc, processes: have[:1], firsts: map[uint32]at{0: {3, inode}}}
		got := s.relatives(pids, map[int]bool{have[0].PID: true})
		if !slices.Contains(got, shell) {
			t.Errorf("%v lacks the parent, %d", got, shell)
		}
		if slices.Contains(got, have[1].PID) != workers || len(got) > 12 {
			t.Errorf("workers %v: %v; the other is %d", workers, got, have[1].PID)
		}
	}
}

func must(s string, err error) string {
	if err != nil {
		panic(err)
	}
	return s
}

// Who made a socket is looked for near those that made the numbers around its.
func TestBetween(t *testing.T) {
	pids := make([]int, 200)
	s := &search{numbers: map[int][]uint32{}}
	for i := range pids {
		pids[i] = 1000 + i
		if i%10 == 0 { // those that were looked through: two sockets each, and later ones
			s.numbers[pids[i]] = []uint32{900_000, 5*inodeBlock + uint32(2*i), 5*inodeBlock + uint32(2*i) + 1}
		}
	}
	for _, i := range []int{0, 5, 77, 123, 195} {
		first, last := s.between(pids, 5*inodeBlock+uint32(2*i))
		if i < first || i >= last || last-first > 100 {
			t.Errorf("%d is not in %d to %d", i, first, last)
		}
	}
	if first, last := s.between(pids, 50*inodeBlock); first != 0 || last != len(pids) {
		t.Errorf("what is not known: %d to %d", first, last)
	}
}

// A second search begins with what the first came upon.
func TestHints(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	q := Query{Quick: true, Hints: new(Hints), Protocols: []string{"tcp"}, States: []string{"listen"}, Filter: Filter{Ports: []uint16{uint16(l.Addr().(*net.TCPAddr).Port)}}}
	for range 2 {
		tb, err := List(t.Context(), q)
		if err != nil || len(tb.Rows) != 1 || len(tb.Rows[0].Processes) != 1 || tb.Rows[0].Processes[0].PID != os.Getpid() {
			t.Fatalf("%+v, %v", tb, err)
		}
		if q.Hints.makers[tb.Rows[0].Inode] != os.Getpid() {
			t.Errorf("the hints do not have %d: %v", tb.Rows[0].Inode, q.Hints)
		}
	}
	// A hint that is wrong by now does no harm.
	for inode := range q.Hints.makers {
		q.Hints.makers[inode] = 1
	}
	if tb, err := List(t.Context(), q); err != nil || len(tb.Rows) != 1 || len(tb.Rows[0].Processes) != 1 || tb.Rows[0].Processes[0].PID != os.Getpid() {
		t.Errorf("%+v, %v", tb, err)
	}
}
