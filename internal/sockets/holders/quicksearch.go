package holders

import (
	"bytes"
	"cmp"
	"context"
	"runtime"
	"slices"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"

	"lodge/internal/procfs"
)

// A quick search ends early. To look through all descriptors of all processes
// takes time that grows with sockets that are not wanted; but a process is
// mostly in the cgroup in which it made its socket, processes that were started
// one after the other mostly made their sockets so, and those that share a
// socket are mostly parent and child.

// quickBatch is how many processes a quick search looks through before it asks
// whether it has found enough.
const quickBatch = 16

// quickFirst is how many times a quick search does so before it asks which
// processes are in the cgroups of the wanted sockets.
const quickFirst = 4

// Hints remembers what quick searches found, for the next ones: which
// process had which socket, and the parent of each process. It is for one
// goroutine, and for a moment.
type Hints struct {
	makers  map[uint32]int
	parents map[int]int
}

// quickly looks through processes, the likeliest first, until each wanted socket
// has a holder, and then through the relatives of those.
func (s *search) quickly(ctx context.Context) error {
	pids, err := ListProcesses(s.proc)
	if err != nil {
		return err
	}
	seen := make(map[int]bool, len(pids))
	if err := s.recall(ctx, pids, seen); err != nil {
		return err
	}
	// What is asked about was mostly started not long ago.
	if err := s.hunt(ctx, pids, seen, quickFirst); err != nil {
		return err
	}
	if !s.Want.complete() {
		near, far := s.order(pids)
		for _, list := range [][]int{near, far} {
			if err := s.hunt(ctx, list, seen, len(list)); err != nil {
				return err
			}
		}
	}
	if s.Hints != nil {
		if s.Hints.makers == nil {
			s.Hints.makers = make(map[uint32]int)
		}
		for pid, list := range s.numbers {
			for _, inode := range list {
				s.Hints.makers[inode] = pid
			}
		}
	}
	if len(seen) == len(pids) {
		return nil
	}
	return s.round(ctx, s.relatives(pids, seen))
}

// recall looks through the processes that had wanted sockets before.
func (s *search) recall(ctx context.Context, pids []int, seen map[int]bool) error {
	if s.Hints == nil {
		return nil
	}
	var batch []int
	for _, inode := range s.Want.keys {
		pid, known := s.Hints.makers[inode]
		if _, there := slices.BinarySearch(pids, pid); known && there && !seen[pid] {
			seen[pid] = true
			batch = append(batch, pid)
		}
	}
	return s.round(ctx, batch)
}

// hunt looks through processes, which are in the order of their ids, until each
// wanted socket has a holder or none is left: the youngest first, and beside
// them those that one by one come nearer to the maker. It looks through at most
// so many batches.
func (s *search) hunt(ctx context.Context, pids []int, seen map[int]bool, batches int) error {
	pids = slices.DeleteFunc(slices.Clone(pids), func(pid int) bool { return seen[pid] && s.numbers[pid] == nil })
	for ; batches > 0 && !s.Want.complete(); batches-- {
		var batch []int
		add := func(i int) {
			if !seen[pids[i]] && len(batch) < quickBatch {
				seen[pids[i]] = true
				batch = append(batch, pids[i])
			}
		}
		around := len(pids) - 1 // where nothing is known: the youngest
		for _, inode := range s.Want.missing(1) {
			first, last := s.between(pids, inode)
			if last-first < len(pids) {
				around = (first + last) / 2
			}
			var could []int
			for i := first; i < last; i++ {
				if !seen[pids[i]] {
					could = append(could, i)
				}
			}
			n := min(quickBatch*3/4, len(could))
			for j := range n {
				add(could[len(could)*(2*j+1)/(2*n)])
			}
		}
		for i, n := len(pids)-1, 0; i >= 0 && n < quickBatch/4; i-- {
			if !seen[pids[i]] {
				add(i)
				n++
			}
		}
		for d := 0; d < len(pids) && len(batch) < quickBatch; d++ {
			for _, i := range []int{around + d, around - d} {
				if i >= 0 && i < len(pids) {
					add(i)
				}
			}
		}
		if len(batch) == 0 {
			return nil
		}
		if err := s.round(ctx, batch); err != nil {
			return err
		}
	}
	return nil
}

// inodeBlock is how many inode numbers a processor takes for itself at once
// (LAST_INO_BATCH of fs/inode.c). Within a block they are given out one after
// the other.
const inodeBlock = 1024

// between returns the range of pids in which the maker of a socket may be: around
// those of the processes that were looked through whose first sockets are the
// nearest to it. Processes that were started later have made theirs later, but
// those that start at the same time overtake each other.
func (s *search) between(pids []int, inode uint32) (first, last int) {
	type process struct {
		i    int
		away uint32
	}
	var list []process
	for i, pid := range pids {
		if len(s.numbers[pid]) == 0 {
			continue
		}
		if n := slices.Min(s.numbers[pid]); n/inodeBlock == inode/inodeBlock {
			list = append(list, process{i, max(n, inode) - min(n, inode)})
		}
	}
	if len(list) == 0 {
		return 0, len(pids)
	}
	slices.SortFunc(list, func(a, b process) int { return cmp.Compare(a.away, b.away) })
	first, last = len(pids), 0
	for _, p := range list[:min(len(list), quickBatch/2)] {
		first, last = min(first, p.i), max(last, p.i+1)
	}
	return max(first-quickBatch/2, 0), min(last+quickBatch/2, len(pids))
}

// order divides processes into those in a wanted socket's cgroup and the
// others.
func (s *search) order(pids []int) (near, far []int) {
	mount := unifiedMount()
	if mount == "" || len(s.Cgroups) == 0 {
		return nil, pids
	}
	paths := make([]string, len(pids))
	s.share(len(pids), func(i int) { paths[i] = s.unifiedPath(pids[i]) })
	ids := make(map[string]uint64)
	for i, pid := range pids {
		path := paths[i]
		id, known := ids[path]
		if path != "" && !known {
			var st unix.Stat_t
			if unix.Stat(mount+path, &st) == nil {
				id = st.Ino
			}
			ids[path] = id
		}
		if s.Cgroups[id] {
			near = append(near, pid)
		} else {
			far = append(far, pid)
		}
	}
	return near, far
}

// unifiedMount returns where the cgroup2 hierarchy is mounted, or "".
func unifiedMount() string {
	for _, dir := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
		var st unix.Statfs_t
		if unix.Statfs(dir, &st) == nil && st.Type == unix.CGROUP2_SUPER_MAGIC {
			return dir
		}
	}
	return ""
}

// unifiedPath returns a process's cgroup in the cgroup2 hierarchy (cgroups(7)),
// or "".
func (s *search) unifiedPath(pid int) string {
	var buf [4096]byte // a path is no longer
	b, err := s.read(pid, "cgroup", buf[:])
	if err != nil {
		return ""
	}
	for line := range bytes.Lines(b) {
		if path, ok := bytes.CutPrefix(line, []byte("0::")); ok {
			return string(bytes.TrimSuffix(path, []byte("\n")))
		}
	}
	return ""
}

// relatives returns the processes that may share what was found and that were not
// looked through: the ancestors of each holder, its children and theirs, and
// those of its brothers, such as the workers of a server, that have the holder's
// first socket at the same number, as those have that got it from their parent.
func (s *search) relatives(pids []int, seen map[int]bool) []int {
	var out []int
	add := func(pid int) {
		if _, there := slices.BinarySearch(pids, pid); there && !seen[pid] {
			seen[pid] = true
			out = append(out, pid)
		}
	}
	parents := s.parents(pids)
	children := make(map[int][]int)
	for _, pid := range pids {
		children[parents[pid]] = append(children[parents[pid]], pid)
	}
	asked := make(map[int]bool)
	for i, p := range s.processes {
		if p == nil {
			continue
		}
		for _, pid := range procfs.Below(children, p.PID) {
			add(pid)
		}
		parent := parents[p.PID]
		if s.Workers && parent > 1 && !asked[parent] {
			asked[parent] = true
			var same []int
			for _, pid := range children[parent] {
				if !seen[pid] {
					same = append(same, pid)
				}
			}
			for _, pid := range s.have(same, s.firsts[uint32(i)]) {
				add(pid)
			}
		}
		for ; parent > 0 && !asked[-parent]; parent = parents[parent] {
			asked[-parent] = true
			add(parent)
		}
	}
	return out
}

// parents reads the parent of each process. Hints keep it.
func (s *search) parents(pids []int) map[int]int {
	if s.Hints != nil && s.Hints.parents != nil {
		return s.Hints.parents
	}
	list := make([]int, len(pids))
	s.share(len(pids), func(i int) {
		var buf [1024]byte // more than a line of stat has
		b, err := s.read(pids[i], "stat", buf[:])
		if err != nil {
			return
		}
		if st, err := procfs.ParseStat(b); err == nil {
			list[i] = st.Parent
		}
	})
	out := make(map[int]int, len(pids))
	for i, pid := range pids {
		out[pid] = list[i]
	}
	if s.Hints != nil {
		s.Hints.parents = out
	}
	return out
}

// share calls f for 0 to n-1, on all processors where that is worth it.
func (s *search) share(n int, f func(i int)) {
	workers := min(runtime.GOMAXPROCS(0), (n+15)/16)
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := w; i < n; i += workers {
				f(i)
			}
		})
	}
	wg.Wait()
}

// read reads a small file of a process into buf.
func (s *search) read(pid int, name string, buf []byte) ([]byte, error) {
	return procfs.ReadSmall(s.proc, strconv.Itoa(pid)+"/"+name, buf)
}

// at is where a process has a socket.
type at struct {
	fd    int64
	inode uint32
}

// have returns the processes that have the socket at the same number.
func (s *search) have(pids []int, a at) []int {
	has := make([]bool, len(pids))
	s.share(len(pids), func(i int) {
		var link [64]byte
		n, err := unix.Readlinkat(s.proc, strconv.Itoa(pids[i])+"/fd/"+strconv.FormatInt(a.fd, 10), link[:])
		if err == nil {
			inode, ok := ParseLink(string(link[:n]))
			has[i] = ok && inode == a.inode
		}
	})
	var out []int
	for i, pid := range pids {
		if has[i] {
			out = append(out, pid)
		}
	}
	return out
}
