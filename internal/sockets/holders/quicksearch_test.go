package holders

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

// sharedListener returns the file of a listening socket and its inode.
func sharedListener(t *testing.T) (*os.File, uint32) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f, err := l.(*net.TCPListener).File()
	_ = l.Close() // f is a duplicate
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	link, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(int(f.Fd())))
	inode, ok := ParseLink(link)
	if !ok {
		t.Fatalf("%q, %v", link, err)
	}
	return f, inode
}

// holdersOf searches for the holders of a socket.
func holdersOf(t *testing.T, inode uint32, f Request) []int {
	t.Helper()
	f.Want = NewInodeSet(1)
	f.Want.Add(inode)
	found, err := Search(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	var pids []int
	for _, p := range found.Processes {
		if p != nil {
			pids = append(pids, p.PID)
		}
	}
	slices.Sort(pids)
	return pids
}

// A quick search finds the same holders as a whole one, where they are one
// family.
func TestQuick(t *testing.T) {
	f, inode := sharedListener(t)
	shell := family(t, f, "sleep 600 & sleep 600 & sleep 600")
	quick := Request{Quick: true, Workers: true}
	whole := holdersOf(t, inode, Request{})
	if len(whole) != 5 || !slices.Contains(whole, os.Getpid()) || !slices.Contains(whole, shell) {
		t.Fatalf("held by %v", whole)
	}
	if got := holdersOf(t, inode, quick); !slices.Equal(got, whole) {
		t.Errorf("quick: %v, want %v", got, whole)
	}
	// Without this process the family is the shell and its children.
	_ = f.Close()
	whole = holdersOf(t, inode, Request{})
	if got := holdersOf(t, inode, quick); len(whole) != 4 || !slices.Equal(got, whole) {
		t.Errorf("quick: %v, want %v", got, whole)
	}
}

// The workers of a server that share its listener are found by one of them,
// though their parent has it no more.
func TestQuickWorkers(t *testing.T) {
	f, inode := sharedListener(t)
	shell := family(t, f, "sleep 600 & sleep 600 & exec 3<&-; sleep 600")
	_ = f.Close()
	proc, err := OpenProc()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(proc) }()
	pids, err := ListProcesses(proc)
	if err != nil {
		t.Fatal(err)
	}
	all := NewInodeSet(1)
	all.Add(inode)
	look := &search{Request: Request{Want: all}, proc: proc}
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
		s := &search{Request: Request{Want: all, Quick: true, Workers: workers}, proc: proc, processes: have[:1], firsts: map[uint32]at{0: {3, inode}}}
		got := s.relatives(pids, map[int]bool{have[0].PID: true})
		if !slices.Contains(got, shell) {
			t.Errorf("%v lacks the parent, %d", got, shell)
		}
		if slices.Contains(got, have[1].PID) != workers || len(got) > 12 {
			t.Errorf("workers %v: %v; the other is %d", workers, got, have[1].PID)
		}
	}
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

// A second search begins with what the first found.
func TestHints(t *testing.T) {
	f, inode := sharedListener(t)
	defer func() { _ = f.Close() }()
	h := new(Hints)
	want := []int{os.Getpid()}
	for range 2 {
		if got := holdersOf(t, inode, Request{Quick: true, Hints: h}); !slices.Equal(got, want) {
			t.Fatalf("held by %v, want %v", got, want)
		}
		if h.makers[inode] != os.Getpid() {
			t.Errorf("the hints do not have %d: %v", inode, h)
		}
	}
	// A hint that is wrong by now does no harm.
	for i := range h.makers {
		h.makers[i] = 1
	}
	if got := holdersOf(t, inode, Request{Quick: true, Hints: h}); !slices.Equal(got, want) {
		t.Errorf("held by %v, want %v", got, want)
	}
}
