package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"lodge/bench/internal/rounds"
	"lodge/bench/internal/scratch"
)

// contender starts n services and ends them.
type contender struct {
	name    string
	missing string
	peer    bool   // lodge must be ahead of it
	ip      string // where the services listen
	// before brings the contender into the state in which it is measured.
	before func(context.Context) error
	// command starts everything. It returns by itself where returns is true, and
	// else stays until it is told to end.
	command func(n int) *exec.Cmd
	returns bool
	after   func(context.Context) error
}

const (
	floorName = "shell loop"
	// A contender's row of its own: when `up -d` has returned.
	returnedSuffix = ", up -d returned"
)

func sizes(quick bool) []int {
	if quick {
		return []int{1, 10}
	}
	return []int{1, 10, 50}
}

// start measures the time until n services listen.
func (b *bench) start(ctx context.Context) error {
	ns := sizes(b.opt.quick)
	ports, err := freePorts(ctx, ns[len(ns)-1])
	if err != nil {
		return err
	}
	turns := 9
	if b.opt.quick {
		turns = 2
	}
	if b.opt.rounds > 0 {
		turns = b.opt.rounds
	}
	t := startTable{Rounds: turns, Sizes: ns}
	all, err := b.contenders(ctx, ns, ports)
	if err != nil {
		return err
	}
	var here []*contender
	for _, c := range all {
		if c.missing != "" {
			t.Missing = append(t.Missing, rounds.Missing{Name: c.name, Why: c.missing})
			continue
		}
		here = append(here, c)
	}
	found := map[string]map[int][]float64{} // contender, n: seconds, one a round
	note := func(name string, n int, d time.Duration) {
		if found[name] == nil {
			found[name] = map[int][]float64{}
		}
		found[name][n] = append(found[name][n], d.Seconds())
	}
	for r := range turns {
		b.say("start: round %d of %d", r+1, turns)
		for _, n := range ns {
			for _, c := range rounds.Rotated(here, r) {
				listening, returned, err := b.launch(ctx, c, n, ports[:n])
				if err != nil {
					return fmt.Errorf("%s, %d services: %w", c.name, n, err)
				}
				note(c.name, n, listening)
				if c.returns {
					note(c.name+returnedSuffix, n, returned)
				}
			}
		}
	}
	for _, c := range here {
		names := []string{c.name}
		if c.returns {
			names = append(names, c.name+returnedSuffix)
		}
		for _, name := range names {
			row := startRow{Name: name, Peer: c.peer, Lodge: c.returns}
			for _, n := range ns {
				v, floor := found[name][n], found[floorName][n]
				added := make([]float64, 0, len(v))
				for i := range min(len(v), len(floor)) {
					added = append(added, (v[i]-floor[i])*1e3/float64(n))
				}
				row.Cells = append(row.Cells, startCell{
					Services: n, Ratio: rounds.SpreadOf(rounds.Ratios(v, floor)), AddedMS: rounds.SpreadOf(added).Median,
				})
			}
			t.Rows = append(t.Rows, row)
		}
	}
	// Ahead or not is a question of pairs too: lodge to each peer.
	for _, c := range here {
		for _, p := range here {
			if c.returns && p.peer {
				for _, n := range ns {
					t.Ahead = append(t.Ahead, ahead{c.name, p.name, n, rounds.SpreadOf(rounds.Ratios(found[c.name+returnedSuffix][n], found[p.name][n]))})
				}
			}
		}
	}
	b.out.Start = &t
	return nil
}

// launch is one start: it gives the time until all listen, and until the
// command returned where it does.
func (b *bench) launch(ctx context.Context, c *contender, n int, ports []int) (listening, returned time.Duration, err error) {
	if c.before != nil {
		if err := c.before(ctx); err != nil {
			return 0, 0, err
		}
	}
	cmd := c.command(n)
	var said strings.Builder
	cmd.Stderr, cmd.Stdout = &said, nil
	if !c.returns {
		cmd.Stderr = nil // a peer's own output is not read
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = time.Second
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		return 0, 0, err
	}
	ended := make(chan error, 1)
	var at time.Duration
	go func() {
		err := cmd.Wait()
		at = time.Since(begin)
		ended <- err
	}()
	err = untilListening(ctx, c.ip, ports, 60*time.Second)
	listening = time.Since(begin)
	if c.returns {
		if werr := <-ended; werr != nil {
			err = errors.Join(fmt.Errorf("start: %w: %s", werr, strings.TrimSpace(said.String())), err)
		}
		returned = at
	} else {
		// The whole group: a shell that waits does not pass a signal on.
		err = errors.Join(err, syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM))
		kill := time.AfterFunc(15*time.Second, func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) })
		<-ended
		kill.Stop()
	}
	end := context.WithoutCancel(ctx)
	if c.after != nil {
		err = errors.Join(err, c.after(end))
	}
	return listening, returned, errors.Join(err, untilSilent(end, c.ip, ports, 30*time.Second))
}

// contenders are all that can start services, lodge among them, each with what
// it reads written for every size.
func (b *bench) contenders(ctx context.Context, ns, ports []int) ([]*contender, error) {
	dir, err := b.w.Mkdir("start")
	if err != nil {
		return nil, err
	}
	service := func(p int) string { return fmt.Sprintf("%s %d", b.tools.listener, p) }
	file := func(name string, n int, each func(w io.Writer, i, port int), head, tail string) error {
		var s strings.Builder
		s.WriteString(head)
		for i, p := range ports[:n] {
			each(&s, i, p)
		}
		s.WriteString(tail)
		return os.WriteFile(b.w.Path(fmt.Sprintf("start/%s-%d", name, n)), []byte(s.String()), 0o644)
	}
	for _, n := range ns {
		err := errors.Join(
			file("loop", n, func(w io.Writer, _, p int) { fmt.Fprintf(w, "%s &\n", service(p)) }, "", "wait\n"),
			file("procfile", n, func(w io.Writer, i, p int) { fmt.Fprintf(w, "s%d: %s\n", i, service(p)) }, "", ""),
			file("supervisor", n, func(w io.Writer, i, p int) {
				fmt.Fprintf(w, "[program:s%d]\ncommand=%s\nstdout_logfile=NONE\nstderr_logfile=NONE\n", i, service(p))
			}, fmt.Sprintf("[supervisord]\nnodaemon=true\nlogfile=/dev/null\nlogfile_maxbytes=0\npidfile=%s/supervisord.pid\n", dir), ""),
		)
		if err != nil {
			return nil, err
		}
	}
	at := func(name string, n int) string { return filepath.Join(dir, fmt.Sprintf("%s-%d", name, n)) }
	peer := func(name string, find func() ([]string, []string, error), args func(n int) []string) *contender {
		argv, env, err := find()
		c := &contender{name: name, peer: true, ip: "127.0.0.1"}
		if err != nil {
			c.missing = err.Error()
			return c
		}
		c.command = func(n int) *exec.Cmd {
			cmd := exec.Command(argv[0], append(argv[1:len(argv):len(argv)], args(n)...)...)
			cmd.Env, cmd.Dir = append(os.Environ(), env...), dir
			return cmd
		}
		return c
	}
	out := []*contender{
		{name: floorName, ip: "127.0.0.1", command: func(n int) *exec.Cmd { return exec.Command("/bin/sh", at("loop", n)) }},
		peer("foreman", b.foreman, func(n int) []string { return []string{"start", "-d", dir, "-f", at("procfile", n)} }),
		peer("concurrently", b.concurrently, func(n int) []string {
			var cmds []string
			for _, p := range ports[:n] {
				cmds = append(cmds, service(p))
			}
			return cmds
		}),
		peer("supervisor", b.supervisor, func(n int) []string { return []string{"-n", "-c", at("supervisor", n)} }),
	}
	for _, engine := range []string{"ebpf", "seccomp"} {
		for _, warm := range []bool{false, true} {
			c, err := b.lodgeContender(ctx, engine, warm, ns, ports)
			if err != nil {
				return nil, err
			}
			out = append(out, c)
		}
	}
	return out, nil
}

// lodgeContender is lodge with one engine, whose daemon runs already or must be
// started first.
func (b *bench) lodgeContender(ctx context.Context, engine string, warm bool, ns, ports []int) (*contender, error) {
	state := "cold"
	if warm {
		state = "warm"
	}
	c := &contender{name: fmt.Sprintf("lodge/%s, daemon %s", engine, state), returns: true}
	base := "start-" + engine + "-" + state
	l, err := b.newLodge(base)
	if err != nil {
		return nil, err
	}
	dir, err := b.w.Mkdir(base + "/project")
	if err != nil {
		return nil, err
	}
	if c.missing = l.works(ctx, engine, dir); c.missing != "" {
		return c, nil
	}
	write := func(n int) error { return writeProject(dir, "start", b.tools.listener, ports[:n]) }
	down := func(ctx context.Context) error {
		_, err := l.do(ctx, dir, "down")
		return err
	}
	// The home is the same every time: learn it once.
	if err := write(ns[0]); err != nil {
		return nil, err
	}
	if _, err := l.do(ctx, dir, "up", "-d", "--engine", engine); err != nil {
		return nil, err
	}
	p, err := l.find(ctx, dir)
	if err != nil {
		return nil, err
	}
	c.ip = p.Home
	if err := down(ctx); err != nil {
		return nil, err
	}
	if warm {
		if err := l.stopDaemon(ctx); err != nil {
			return nil, err
		}
		log, err := os.Create(b.w.Path(base + "/daemon.log"))
		if err != nil {
			return nil, err
		}
		err = errors.Join(l.startDaemon(ctx, log), log.Close())
		if err != nil {
			return nil, err
		}
		// Its first project loads what all others share.
		if _, err := l.do(ctx, dir, "exec", "--engine", engine, "--", "/bin/true"); err != nil {
			return nil, err
		}
	}
	c.before = func(ctx context.Context) error {
		// No keeper is left of the round before.
		err := scratch.Eventually(ctx, poll, 10*time.Second, func() error {
			if l.daemon() == 0 {
				return nil
			}
			ps, err := l.ls(ctx)
			if err == nil && len(ps) > 0 {
				err = errors.New("wait for the last round's end: it is still up")
			}
			return err
		})
		if err == nil && !warm {
			err = l.stopDaemon(ctx)
		}
		return err
	}
	c.command = func(n int) *exec.Cmd {
		cmd := exec.Command(l.exe, "up", "-d", "--engine", engine)
		cmd.Env, cmd.Dir = l.env, dir
		if err := write(n); err != nil {
			cmd.Err = err
		}
		return cmd
	}
	c.after = down
	return c, nil
}

// writeProject writes a lodge.toml with a service for each port.
func writeProject(dir, name, listener string, ports []int) error {
	var s strings.Builder
	fmt.Fprintf(&s, "version = 1\nname = %q\n", name)
	for i, p := range ports {
		fmt.Fprintf(&s, "\n[services.s%d]\ncommand = [%q, \"%d\"]\n", i, listener, p)
	}
	return os.WriteFile(filepath.Join(dir, "lodge.toml"), []byte(s.String()), 0o644)
}
