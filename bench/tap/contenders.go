package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"lodge/bench/internal/scratch"
)

// contender is what captures.
type contender struct {
	name string
	argv []string // nil: nothing captures
	// counts reads what it said at its end: packets captured, packets lost (-1 where it
	// does not tell), and for lodge the share of ends that are attributed.
	counts func(said string) (captured, lost float64, attributed *float64)
	// begun is what it says on standard error when it captures; "": it is lodge, which
	// says nothing, and has the rings of its tap then.
	begun string
}

const (
	nothing     = "nothing"
	lodgeWrites = "lodge tap, packets"
	lodgeReads  = "lodge tap, decoding"
	lodgeUnix   = "lodge tap --unix"
	tcpdump     = "tcpdump -w"
	strace      = "strace -f"
)

// contenders are those of this machine.
func (b *bench) contenders(w workload) []contender {
	file := func(name string) string { return filepath.Join(b.w.Dir, name) }
	if w.unix {
		return b.unixContenders(w.name, file)
	}
	list := []contender{
		{name: nothing},
		{lodgeWrites, []string{b.opt.lodge, "tap", "--packets", "-o", file("lodge.pcapng"), "--json"}, lodgeCounts, ""},
		{lodgeReads, []string{b.opt.lodge, "tap", "--stat", "--json", "--body", "0"}, lodgeCounts, ""},
	}
	for _, c := range []contender{
		{tcpdump, []string{"tcpdump", "-i", "lo", "-w", file("tcpdump.pcap")}, wordCounts(`(\d+) packets captured`, `(\d+) packets dropped by kernel`), "listening on"},
		{"dumpcap -w", []string{"dumpcap", "-q", "-i", "lo", "-w", file("dumpcap.pcapng")}, wordCounts(`Packets captured: (\d+)`, `dropped on interface '[^']*\blo': \d+/(\d+)`), "Capturing on"},
		{"tshark, decoding", []string{"tshark", "-l", "-i", "lo"}, silentCounts(`(\d+) packets? captured`, `(\d+) packets? dropped`), "Capturing on"},
		{"ptcpdump -w", []string{"ptcpdump", "-i", "lo", "-w", file("ptcpdump.pcapng")}, wordCounts(`(\d+) packets captured`, `(\d+) packets dropped by kernel`), "capturing"},
	} {
		if _, err := exec.LookPath(c.argv[0]); err != nil {
			b.out.miss(w.name+": "+c.name, "it is not installed (hint: bench/install)")
			continue
		}
		list = append(list, c)
	}
	return list
}

// unixContenders are those that see what is sent by Unix sockets: nothing that captures
// packets does. strace shows the beginning of what each call reads and writes, of the
// server alone.
func (b *bench) unixContenders(workload string, file func(string) string) []contender {
	list := []contender{
		{name: nothing},
		{lodgeUnix, []string{b.opt.lodge, "tap", "--unix", "--stat", "--json", "--body", "0", "-o", file("unix.pcapng")}, lodgeCounts, ""},
	}
	if _, err := exec.LookPath("strace"); err != nil {
		b.out.miss(workload+": "+strace, "it is not installed (hint: bench/install)")
		return list
	}
	return append(list, contender{strace, []string{
		"strace", "-f", "-e", "trace=%network,read,write", "-o", file("strace.txt"), "-p", strconv.Itoa(b.pid),
	}, func(string) (captured, lost float64, attributed *float64) {
		text, err := os.ReadFile(file("strace.txt"))
		if err != nil {
			return -1, -1, nil
		}
		return float64(bytes.Count(text, []byte{'\n'})), -1, nil
	}, "attached"})
}

// wordCounts reads counts by regular expressions.
func wordCounts(captured, lost string) func(string) (float64, float64, *float64) {
	find := func(said, pattern string) float64 {
		m := regexp.MustCompile(pattern).FindStringSubmatch(said)
		if m == nil {
			return -1
		}
		n, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			return -1
		}
		return n
	}
	return func(said string) (float64, float64, *float64) { return find(said, captured), find(said, lost), nil }
}

// silentCounts is wordCounts for what says nothing of losses where there are none.
func silentCounts(captured, lost string) func(string) (float64, float64, *float64) {
	count := wordCounts(captured, lost)
	return func(said string) (float64, float64, *float64) {
		had, gone, _ := count(said)
		if had >= 0 {
			gone = max(0, gone)
		}
		return had, gone, nil
	}
}

// lodgeCounts reads the account.
func lodgeCounts(said string) (captured, lost float64, attributed *float64) {
	type count struct{ Packets float64 }
	type capture struct {
		Delivered count
		Lost      map[string]count
	}
	type account struct {
		Kind          string
		Capture, Unix capture
		Records       struct{ Ends, Attributed float64 }
	}
	var a account
	i := strings.LastIndex(said, `"kind":"account"`)
	if i >= 0 { // the last line
		i = strings.LastIndexByte(said[:i], '\n') + 1
		if json.Unmarshal([]byte(said[i:]), &a) != nil {
			return -1, -1, nil
		}
	} else {
		var table struct{ Account account }
		if json.Unmarshal([]byte(said), &table) != nil {
			return -1, -1, nil
		}
		a = table.Account
	}
	for _, part := range []capture{a.Capture, a.Unix} {
		captured += part.Delivered.Packets
		for _, c := range part.Lost {
			lost += c.Packets
		}
	}
	if a.Records.Ends > 0 {
		share := a.Records.Attributed / a.Records.Ends
		attributed = &share
	}
	return captured, lost, attributed
}

// tapper is a contender that runs.
type tapper struct {
	cmd  *exec.Cmd
	out  bytes.Buffer
	err  said
	done chan error
}

// said is what a program has said so far.
type said struct {
	mu sync.Mutex // guards b
	b  bytes.Buffer
}

// Write implements [io.Writer].
func (s *said) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(b)
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

const (
	// patience is how long a contender may take to begin: tshark takes seconds where
	// others use the processors.
	patience = time.Minute
	// settling is how long it has after that: what says that it captures says so a
	// moment before.
	settling = 300 * time.Millisecond
)

// captures reports, as no error, that a contender captures.
func (t *tapper) captures(c contender) error {
	if c.begun != "" {
		if !strings.Contains(t.err.String(), c.begun) {
			return fmt.Errorf("it does not say %q: %s", c.begun, strings.TrimSpace(t.err.String()))
		}
		return nil
	}
	fds, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", t.cmd.Process.Pid))
	if err != nil {
		return err
	}
	for _, fd := range fds {
		// The name of a map of eBPF (kernel/bpf/syscall.c, bpf_map_new_fd).
		if to, err := os.Readlink(fd); err == nil && strings.Contains(to, "bpf-map") {
			return nil
		}
	}
	return errors.New("it has no rings of a tap")
}

func startTapper(ctx context.Context, b *bench, c contender) (*tapper, error) {
	t := &tapper{cmd: exec.Command(c.argv[0], c.argv[1:]...), done: make(chan error, 1)}
	t.cmd.Env = append(os.Environ(), "XDG_RUNTIME_DIR="+b.w.Dir, "XDG_STATE_HOME="+b.w.Dir)
	t.cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true, Pdeathsig: unix.SIGTERM}
	t.cmd.Stdout, t.cmd.Stderr = &t.out, &t.err
	if strings.HasPrefix(c.name, "tshark") {
		null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
		if err != nil {
			return nil, err
		}
		defer func() { _ = null.Close() }() // it is the child's
		t.cmd.Stdout = null
	}
	if err := t.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { t.done <- t.cmd.Wait() }()
	begun := scratch.Eventually(ctx, 20*time.Millisecond, patience, func() error {
		select {
		case err := <-t.done:
			t.done <- err
			return nil // see below
		default:
			return t.captures(c)
		}
	})
	select {
	case err := <-t.done:
		return nil, fmt.Errorf("it ended: %w: %s", err, strings.TrimSpace(t.err.String()))
	case <-ctx.Done():
		begun = ctx.Err()
	case <-time.After(settling):
	}
	if begun != nil {
		_ = unix.Kill(-t.cmd.Process.Pid, unix.SIGTERM)
		<-t.done
		return nil, begun
	}
	return t, nil
}

// end ends a contender, and returns what it took and what it said.
func (t *tapper) end(ctx context.Context, c contender) (s sample, err error) {
	pids := append([]int{t.cmd.Process.Pid}, scratch.Children(t.cmd.Process.Pid)...)
	for _, pid := range pids {
		if cpu, err := scratch.CPU(pid); err == nil {
			s.cpu += cpu
		}
		s.memory += highWater(pid)
	}
	_ = unix.Kill(t.cmd.Process.Pid, unix.SIGINT) // it may have ended
	var ended error
	select {
	case ended = <-t.done:
	case <-time.After(60 * time.Second):
		_ = unix.Kill(-t.cmd.Process.Pid, unix.SIGKILL)
		<-t.done
		return s, errors.New("it does not end")
	}
	s.captured, s.lost, s.attributed = c.counts(t.out.String() + t.err.String())
	if strings.HasPrefix(c.name, "lodge") {
		s.captured, s.lost, s.attributed = c.counts(t.out.String())
	}
	if s.captured < 0 {
		out := t.out.String()
		return s, fmt.Errorf("it did not say what it captured (%v): %s%s", ended, out[max(0, len(out)-300):], strings.TrimSpace(t.err.String()))
	}
	return s, ctx.Err()
}

// highWater is the most memory that a process had, in bytes (VmHWM of proc(5)).
func highWater(pid int) float64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			n, err := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 64)
			if err == nil {
				return n * 1024
			}
		}
	}
	return 0
}
