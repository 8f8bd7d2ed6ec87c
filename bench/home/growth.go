package main

import (
	"bufio"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"

	"lodge/bench/internal/rounds"
)

// samples are rows of numbers by name, in the order in which the names came.
type samples struct {
	names []string
	of    map[string][]float64
}

func newSamples() *samples { return &samples{of: map[string][]float64{}} }

func (s *samples) add(name string, v float64) {
	if _, ok := s.of[name]; !ok {
		s.names = append(s.names, name)
	}
	s.of[name] = append(s.of[name], v)
}

// sizeSuffix marks what is a size in MiB, and no count; threadsSuffix what is
// a Go program's threads.
const (
	sizeSuffix    = " (MiB)"
	threadsSuffix = ": threads"
)

// slack is how much more the last quarter may have than the first and still be
// called steady.
type slack struct{ absolute, relative float64 }

// A count that grows does so by one a round, or by one in some rounds: half of
// one over a whole run is chance. A Go program's memory moves with its
// collector; its runtime keeps every thread that it ever started, and starts
// one more when by chance all others wait in the kernel.
var (
	slackOfCount   = slack{absolute: 0.75, relative: 0.02}
	slackOfThreads = slack{absolute: 3}
	slackOfSize    = slack{absolute: 1, relative: 0.05}
)

// growth compares the mean of the first quarter of samples with that of the
// last. The first tenth is left out: buffers and caches are filled there.
type growth struct {
	What  string  `json:"what"`
	First float64 `json:"first_quarter"`
	Last  float64 `json:"last_quarter"`
	Grows bool    `json:"grows"`
}

func growthOf(name string, v []float64, s slack) growth {
	v = v[len(v)/10:]
	q := max(len(v)/4, min(len(v), 1))
	g := growth{What: name, First: rounds.Mean(v[:q]), Last: rounds.Mean(v[len(v)-q:])}
	g.Grows = g.Last-g.First > max(s.absolute, g.First*s.relative)
	return g
}

// groupOf returns the cgroup2 directory of the daemon that a keeper belongs to:
// <mount>/lodge-…, or "" where it is in none.
func groupOf(pid int) string {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		return ""
	}
	rest, ok := strings.CutPrefix(ownGroup(string(b)), "/")
	if !ok || !strings.HasPrefix(rest, "lodge-") {
		return ""
	}
	top, _, _ := strings.Cut(rest, "/")
	if m := cgroupMount(); m != "" {
		return filepath.Join(m, top)
	}
	return ""
}

// cgroupMount finds where cgroup2 is mounted (proc_pid_mountinfo(5)).
func cgroupMount() string {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return ""
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		head, tail, ok := strings.Cut(lines.Text(), " - ")
		h := strings.Fields(head)
		if ok && len(h) > 4 && strings.HasPrefix(tail, "cgroup2 ") {
			return h[4]
		}
	}
	return ""
}

func countGroups(dir string) int {
	if dir == "" {
		return 0
	}
	return len(groupsBelow(dir))
}

func countFiles(dir string) int {
	n := 0
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			n++
		}
		return nil
	})
	return n
}

func addressesOnLo() int {
	ifi, err := net.InterfaceByName("lo")
	if err != nil {
		return 0
	}
	as, err := ifi.Addrs()
	if err != nil {
		return 0
	}
	return len(as)
}
