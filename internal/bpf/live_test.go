package bpf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"lodge/internal/owners"
)

func openLive(t testing.TB) *Live {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: loads eBPF programs")
	}
	l, err := OpenLive()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func ask(t testing.TB, l *Live) *owners.Table {
	t.Helper()
	table, err := l.Owners(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// holders returns the ids of the processes that hold a socket, in order.
func holders(t *owners.Table, inode uint32) []int {
	var pids []int
	for _, h := range t.Holdings {
		if h.Inode == inode {
			pids = append(pids, int(t.Processes[h.Process].PID))
		}
	}
	slices.Sort(pids)
	return pids
}

func inodeOf(t testing.TB, fd int) uint32 {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		t.Fatal(err)
	}
	return uint32(st.Ino)
}

func newSocket(t testing.TB, typ int) int {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, typ|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	return fd
}

// TestLiveDescriptors: what happens to a descriptor, and who holds the socket
// then.
func TestLiveDescriptors(t *testing.T) {
	l := openLive(t)
	me := os.Getpid()
	check := func(what string, inode uint32, want ...int) {
		t.Helper()
		slices.Sort(want)
		if got := holders(ask(t, l), inode); !slices.Equal(got, want) {
			t.Errorf("%s: held by %v, want %v", what, got, want)
		}
	}
	udp := newSocket(t, unix.SOCK_DGRAM)
	inode := inodeOf(t, udp)
	check("socket", inode, me)

	double, err := unix.FcntlInt(uintptr(udp), unix.F_DUPFD_CLOEXEC, 700)
	if err != nil {
		t.Fatal(err)
	}
	check("two descriptors", inode, me)
	if err := unix.Close(double); err != nil {
		t.Fatal(err)
	}
	check("one of two closed", inode, me)

	// A child that inherits it: two holders, then only the child, then nobody.
	// cat ends when its input does.
	child := start(t, []*os.File{os.NewFile(uintptr(dup2(t, udp)), "socket")}, "cat")
	check("inherited", inode, me, child.pid)
	other := start(t, nil, "cat")
	check("another child of this process, closed on exec", inode, me, child.pid)
	if err := unix.Close(udp); err != nil {
		t.Fatal(err)
	}
	check("closed here", inode, child.pid)
	child.end(t)
	check("closed everywhere", inode)
	other.end(t)

	// In flight between two processes it is nobody's; then the receiver's.
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[1])
	defer unix.Close(pair[0])
	passed := newSocket(t, unix.SOCK_STREAM)
	inode = inodeOf(t, passed)
	if err := unix.Sendmsg(pair[0], []byte{0}, unix.UnixRights(passed), nil, 0); err != nil {
		t.Fatal(err)
	}
	if err := unix.Close(passed); err != nil {
		t.Fatal(err)
	}
	check("in flight", inode)
	oob := make([]byte, unix.CmsgSpace(4))
	if _, _, _, _, err := unix.Recvmsg(pair[1], make([]byte, 1), oob, unix.MSG_CMSG_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	check("received", inode, me)
}

// dup2 returns another descriptor of the same file.
func dup2(t testing.TB, fd int) int {
	t.Helper()
	n, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// process is a child that runs until its input ends.
type process struct {
	pid   int
	cmd   *exec.Cmd
	input *os.File
}

// start starts a program that says so by a line, with files as its descriptors
// from 3 on. It closes the files.
func start(t testing.TB, files []*os.File, name string, args ...string) *process {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(name, args...)
	cmd.Stdin, cmd.ExtraFiles, cmd.Stderr = r, files, os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for _, f := range append(files, r) {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
	p := &process{cmd.Process.Pid, cmd, w}
	t.Cleanup(func() { p.end(t) })
	return p
}

func (p *process) end(t testing.TB) {
	t.Helper()
	if p.cmd == nil {
		return
	}
	if err := errors.Join(p.input.Close(), p.cmd.Wait()); err != nil {
		t.Error(err)
	}
	p.cmd = nil
}

// TestLiveThread: a thread with a table of descriptors of its own, which
// /proc/PID/fd does not show.
func TestLiveThread(t *testing.T) {
	l := openLive(t)
	type answer struct {
		inode uint32
		err   error
	}
	made, leave := make(chan answer), make(chan struct{})
	ended := make(chan error, 1)
	offFirstThread(func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with this
		var a answer
		fd := -1
		if a.err = unix.Unshare(unix.CLONE_FILES); a.err == nil {
			if fd, a.err = unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0); a.err == nil {
				var st unix.Stat_t
				a.err = unix.Fstat(fd, &st)
				a.inode = uint32(st.Ino)
			}
		}
		made <- a
		<-leave
		ended <- unix.Close(fd)
	})
	a := <-made
	if a.err != nil {
		t.Fatal(a.err)
	}
	if got := holders(ask(t, l), a.inode); !slices.Equal(got, []int{os.Getpid()}) {
		t.Errorf("held by %v, want %d", got, os.Getpid())
	}
	close(leave)
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// offFirstThread runs f in a goroutine that is not on the process's first thread: what f
// unshares, /proc/self would have lost for all tests after it, since Go never ends that
// thread.
func offFirstThread(f func()) {
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() != unix.Getpid() {
			f()
			return
		}
		other := make(chan struct{})
		go func() {
			defer close(other)
			f()
		}()
		<-other
		runtime.UnlockOSThread()
	}()
}

// TestLiveManySockets: more than one run can take, all in one process.
func TestLiveManySockets(t *testing.T) {
	l := openLive(t)
	const n = maxHoldings + 1500
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if limit.Cur < n+200 {
		t.Skipf("needs %d descriptors, has %d", n+200, limit.Cur)
	}
	want := map[uint32]bool{}
	for range n {
		want[inodeOf(t, newSocket(t, unix.SOCK_DGRAM))] = true
	}
	table := ask(t, l)
	seen := map[uint32]int{}
	for _, h := range table.Holdings {
		if want[h.Inode] {
			seen[h.Inode]++
			if p := table.Processes[h.Process]; int(p.PID) != os.Getpid() {
				t.Fatalf("socket %d: held by %+v", h.Inode, p)
			}
		}
	}
	for inode := range want {
		if seen[inode] != 1 {
			t.Fatalf("socket %d: told %d times", inode, seen[inode])
		}
	}
	count := 0
	for _, p := range table.Processes {
		if int(p.PID) == os.Getpid() {
			count++
		}
	}
	if count != 1 {
		t.Errorf("this process is told %d times", count)
	}
}

// TestLiveManyProcesses: a thousand processes share a socket.
func TestLiveManyProcesses(t *testing.T) {
	l := openLive(t)
	fd := newSocket(t, unix.SOCK_DGRAM)
	inode := inodeOf(t, fd)
	shared := os.NewFile(uintptr(dup2(t, fd)), "socket")
	ready, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer ready.Close()
	// Each is a copy of the shell that waits for the end of the input.
	start(t, []*os.File{shared, w}, "sh", "-c", `
		exec 5<&0
		i=0; while [ $i -lt 1000 ]; do { read x <&5; } & i=$((i+1)); done
		echo ready >&4; exec 4>&-; wait`)
	if _, err := ready.Read(make([]byte, 16)); err != nil {
		t.Fatal(err)
	}
	if got := slices.Compact(holders(ask(t, l), inode)); len(got) != 1002 {
		t.Errorf("held by %d processes, want 1,002", len(got))
	}
}

// TestLiveEqualsProc compares with /proc what this process and init hold, and
// every process whose sockets do not change meanwhile.
func TestLiveEqualsProc(t *testing.T) {
	l := openLive(t)
	l2, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l2.Close()
	// What a process had for a moment between two readings, and a parent that
	// ended meanwhile, are no difference: one that is real comes again.
	var wrong map[string]string
	for range 10 {
		now := differences(t, l)
		for key := range wrong {
			if _, again := now[key]; !again {
				delete(wrong, key)
			}
		}
		if wrong == nil {
			wrong = now
		}
		if len(wrong) == 0 {
			return
		}
	}
	for _, w := range wrong {
		t.Error(w)
	}
}

// differences returns, by process, what the map and /proc say differently.
func differences(t *testing.T, l *Live) map[string]string {
	t.Helper()
	out := map[string]string{}
	compared := 0
	before := procSockets(t)
	table := ask(t, l)
	after := procSockets(t)
	live := map[int][]uint32{}
	for _, h := range table.Holdings {
		pid := int(table.Processes[h.Process].PID)
		live[pid] = append(live[pid], h.Inode)
	}
	for pid, want := range before {
		if !slices.Equal(want, after[pid]) {
			continue
		}
		compared++
		got := live[pid]
		slices.Sort(got)
		if got = slices.Compact(got); !slices.Equal(got, want) {
			out[fmt.Sprint("sockets of ", pid)] = fmt.Sprintf("process %d: %v, want %v", pid, got, want)
		}
	}
	if compared == 0 || len(live[os.Getpid()]) == 0 {
		t.Errorf("%d processes compared, %d sockets here", compared, len(live[os.Getpid()]))
	}
	for _, p := range table.Processes {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.PID))
		if err != nil {
			continue // it ended
		}
		_, rest, _ := strings.Cut(string(b), "(")
		i := strings.LastIndexByte(rest, ')')
		f := strings.Fields(rest[i+1:])
		if start, _ := strconv.ParseUint(f[19], 10, 64); start != p.Start || f[1] != fmt.Sprint(p.Parent) || rest[:i] != p.Name {
			out[fmt.Sprint("process ", p.PID)] = fmt.Sprintf("%+v, where /proc says %s", p, b)
		}
	}
	return out
}

// procSockets returns the socket inodes of every process, in order.
func procSockets(t *testing.T) map[int][]uint32 {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	out := map[int][]uint32{}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		fds, err := os.ReadDir("/proc/" + e.Name() + "/fd")
		if err != nil {
			continue
		}
		var list []uint32
		for _, fd := range fds {
			to, _ := os.Readlink("/proc/" + e.Name() + "/fd/" + fd.Name())
			var inode uint32
			if n, _ := fmt.Sscanf(to, "socket:[%d]", &inode); n == 1 {
				list = append(list, inode)
			}
		}
		slices.Sort(list)
		if list = slices.Compact(list); len(list) > 0 {
			out[pid] = list
		}
	}
	return out
}

func TestParseEnd(t *testing.T) {
	words := func(s string) (w [4]uint32) {
		b := netip.MustParseAddr(s).AsSlice()
		for i := range len(b) / 4 {
			w[i] = word([4]byte(b[4*i:]))
		}
		return w
	}
	port := binary.NativeEndian.Uint16([]byte{0x0b, 0xb8}) // 3000, as on the wire
	for _, tc := range []struct {
		family   uint16
		in, want string
	}{
		{unix.AF_INET, "127.83.20.7", "127.83.20.7:3000"},
		{unix.AF_INET6, "::ffff:127.0.0.1", "127.0.0.1:3000"},
		{unix.AF_INET6, "::1", "[::1]:3000"},
		{unix.AF_INET6, "fd6c::7f53:1407", "[fd6c::7f53:1407]:3000"},
	} {
		if got := parseEnd(tc.family, words(tc.in), port); got.String() != tc.want {
			t.Errorf("%s: %s, want %s", tc.in, got, tc.want)
		}
	}
}
