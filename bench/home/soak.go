package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"lodge/bench/internal/scratch"
)

// soak restarts services by hand, by watch and with their whole project, for
// as long as it is told, and samples what must not grow.
func (b *bench) soak(ctx context.Context) error {
	ports, err := freePorts(ctx, 3)
	if err != nil {
		return err
	}
	l, err := b.standing(ctx, "soak")
	if err != nil {
		return err
	}
	s := &soaking{l: l, samples: newSamples()}
	// stay is up all the time; its services are restarted by hand and by watch.
	// come goes down and up again.
	if s.stay, err = b.w.Mkdir("soak/stay"); err != nil {
		return err
	}
	if s.come, err = b.w.Mkdir("soak/come"); err != nil {
		return err
	}
	engine, err := l.bestEngine(ctx, s.stay)
	if err != nil {
		return err
	}
	for _, dir := range []string{s.stay, s.come} {
		if err := writeProject(dir, filepath.Base(dir), b.tools.listener, ports); err != nil {
			return err
		}
	}
	conf, err := os.OpenFile(filepath.Join(s.stay, "lodge.toml"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	// The last service has no table after it: this key is its own.
	_, err = fmt.Fprintln(conf, `watch = ["*.txt"]`)
	if err = errors.Join(err, conf.Close()); err != nil {
		return err
	}
	if _, err := l.do(ctx, s.stay, "up", "-d", "--engine", engine); err != nil {
		return err
	}
	begin, told := time.Now(), time.Now()
	for time.Since(begin) < b.opt.soak {
		if time.Since(told) > time.Minute {
			told = time.Now()
			b.say("soak: %s of %s, %d rounds", time.Since(begin).Round(time.Second), b.opt.soak, s.rounds)
		}
		if err := s.round(ctx, engine); err != nil {
			return fmt.Errorf("round %d: %w", s.rounds, err)
		}
	}
	t := soakTable{Engine: engine, Seconds: time.Since(begin).Seconds(), Rounds: s.rounds}
	for _, name := range s.samples.names {
		slack := slackOfCount
		switch {
		case strings.HasSuffix(name, sizeSuffix):
			slack = slackOfSize
		case strings.HasSuffix(name, threadsSuffix):
			slack = slackOfThreads
		}
		t.Rows = append(t.Rows, growthOf(name, s.samples.of[name], slack))
	}
	// Nothing is left when all is down.
	if _, err := l.do(ctx, "/", "down", "--all"); err != nil {
		return err
	}
	pid := l.daemon()
	if err := l.end(ctx); err != nil {
		return err
	}
	t.LeftOver = leftOver(l, pid, s)
	b.out.Soak = &t
	return nil
}

type soaking struct {
	l          *lodge
	stay, come string
	groups     []string // the cgroups that daemons of this run had
	samples    *samples
	rounds     int
}

// round is one of everything.
func (s *soaking) round(ctx context.Context, engine string) error {
	if _, err := s.l.do(ctx, s.stay, "restart", "s0"); err != nil {
		return err
	}
	if err := s.change(ctx); err != nil {
		return err
	}
	if _, err := s.l.do(ctx, s.come, "up", "-d", "--engine", engine); err != nil {
		return err
	}
	if _, err := s.l.do(ctx, s.come, "exec", "--", "/bin/true"); err != nil {
		return err
	}
	if _, err := s.l.do(ctx, s.come, "down"); err != nil {
		return err
	}
	s.rounds++
	return s.sample(ctx)
}

// change writes to a watched file and waits until that restarted its service.
func (s *soaking) change(ctx context.Context) error {
	started := func() (string, string, error) {
		p, err := s.l.find(ctx, s.stay)
		if err != nil {
			return "", "", err
		}
		for _, v := range p.Services {
			if v.Name == "s2" {
				return v.StartedAt, v.State, nil
			}
		}
		return "", "", errors.New("find service s2: lodge ls has it not")
	}
	before, _, err := started()
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(s.stay, "changed.txt"), fmt.Appendln(nil, s.rounds), 0o644); err != nil {
		return err
	}
	return scratch.Eventually(ctx, poll, 60*time.Second, func() error {
		now, state, err := started()
		if err == nil && (now == before || state != "ready") {
			err = fmt.Errorf("wait for the restart by watch: s2 is %s since %s", state, now)
		}
		return err
	})
}

// sample looks at what must not grow.
func (s *soaking) sample(ctx context.Context) error {
	p, err := s.l.find(ctx, s.stay)
	if err != nil {
		return err
	}
	for _, who := range []struct {
		name string
		pid  int
	}{{"daemon", s.l.daemon()}, {"helper", s.l.helper()}, {"keeper", p.KeeperPID}} {
		if who.pid == 0 {
			continue // the seccomp engine has no helper
		}
		m, err := memoryOf(who.pid)
		if err != nil {
			return err
		}
		fds, bpf, err := descriptors(who.pid)
		if err != nil {
			return err
		}
		th, err := threads(who.pid)
		if err != nil {
			return err
		}
		s.samples.add(who.name+": descriptors", float64(fds))
		s.samples.add(who.name+": of eBPF", float64(bpf))
		s.samples.add(who.name+threadsSuffix, float64(th))
		s.samples.add(who.name+": children", float64(len(scratch.Children(who.pid))))
		s.samples.add(who.name+": memory"+sizeSuffix, m.pss/(1<<20))
	}
	group := groupOf(p.KeeperPID)
	if group != "" && (len(s.groups) == 0 || s.groups[len(s.groups)-1] != group) {
		s.groups = append(s.groups, group)
	}
	s.samples.add("cgroups", float64(countGroups(group)))
	s.samples.add("addresses on lo", float64(addressesOnLo()))
	s.samples.add("files in the runtime directory", float64(countFiles(s.l.runtime)))
	s.samples.add("files in the state directory", float64(countFiles(s.l.state)))
	return nil
}

// leftOver reports what is still there after everything was taken down.
func leftOver(l *lodge, daemon int, s *soaking) []string {
	var out []string
	for _, g := range s.groups {
		if _, err := os.Stat(g); err == nil {
			out = append(out, "cgroup "+g)
		}
	}
	if _, err := os.Stat(fmt.Sprintf("/proc/%d", daemon)); err == nil && l.daemon() != 0 {
		out = append(out, fmt.Sprintf("daemon %d", daemon))
	}
	for _, pid := range scratch.ProcessesOf(filepath.Dir(l.exe)) {
		out = append(out, fmt.Sprintf("process %d: %s", pid, strings.Join(cmdline(pid), " ")))
	}
	return out
}
