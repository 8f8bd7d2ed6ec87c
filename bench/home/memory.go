package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"lodge/bench/internal/rounds"
)

// holders are what lodge itself has in memory; services are not counted.
type holders struct {
	daemon, helper, keepers memory
	keeperCount             int
}

func (l *lodge) holders(ctx context.Context) (holders, error) {
	var h holders
	ps, err := l.ls(ctx)
	if err != nil {
		return h, err
	}
	for _, p := range ps {
		if p.KeeperPID == 0 {
			continue
		}
		m, err := memoryOf(p.KeeperPID)
		if err != nil {
			return h, fmt.Errorf("keeper of %s: %w", p.Path, err)
		}
		h.keepers.add(m)
		h.keeperCount++
	}
	if h.daemon, err = memoryOf(l.daemon()); err != nil {
		return h, fmt.Errorf("daemon: %w", err)
	}
	if pid := l.helper(); pid != 0 {
		h.helper, err = memoryOf(pid)
	}
	return h, err
}

func (h holders) row(what string) memoryRow {
	return memoryRow{
		What: what, DaemonPSS: h.daemon.pss, DaemonRSS: h.daemon.rss, HelperPSS: h.helper.pss,
		Keepers: h.keeperCount, KeepersPSS: h.keepers.pss, KeepersRSS: h.keepers.rss,
	}
}

// bestEngine is what lodge chooses by itself here.
func (l *lodge) bestEngine(ctx context.Context, dir string) (string, error) {
	for _, e := range []string{"ebpf", "seccomp"} {
		if l.works(ctx, e, dir) == "" {
			return e, nil
		}
	}
	return "", errors.New("find an engine: none works here (lodge doctor says why)")
}

// standing starts a daemon that stays, so that there is one with nothing up.
func (b *bench) standing(ctx context.Context, name string) (*lodge, error) {
	l, err := b.newLodge(name)
	if err != nil {
		return nil, err
	}
	log, err := os.Create(b.w.Path(name + "/daemon.log"))
	if err != nil {
		return nil, err
	}
	return l, errors.Join(l.startDaemon(ctx, log), log.Close())
}

// memory measures daemon, helper and keeper of one project of 0, 10 and 200
// services, with every engine that works here.
func (b *bench) memory(ctx context.Context) error {
	counts := []int{0, 10, 200}
	if b.opt.quick {
		counts = []int{0, 10}
	}
	ports, err := freePorts(ctx, counts[len(counts)-1])
	if err != nil {
		return err
	}
	t := memoryTable{}
	for _, engine := range []string{"ebpf", "seccomp"} {
		l, err := b.standing(ctx, "memory-"+engine)
		if err != nil {
			return err
		}
		dir, err := b.w.Mkdir("memory-" + engine + "/project")
		if err != nil {
			return err
		}
		b.say("memory: %s", engine)
		for _, n := range counts {
			if n > 0 {
				if why := l.works(ctx, engine, dir); why != "" {
					t.Missing = append(t.Missing, rounds.Missing{Name: "home/" + engine, Why: why})
					break
				}
				if err := writeProject(dir, "memory", b.tools.listener, ports[:n]); err != nil {
					return err
				}
				if _, err := l.do(ctx, dir, "up", "-d", "--engine", engine); err != nil {
					return err
				}
			}
			h, err := l.holders(ctx)
			if err != nil {
				return err
			}
			row := h.row(fmt.Sprintf("home/%s, %d services", engine, n))
			row.Services = n
			t.Rows = append(t.Rows, row)
			if n > 0 {
				if _, err := l.do(ctx, dir, "down"); err != nil {
					return err
				}
			}
		}
		if err := l.end(ctx); err != nil {
			return err
		}
	}
	b.out.Memory = &t
	return nil
}

// many brings up 100 projects of 3 services, all at once.
func (b *bench) many(ctx context.Context) error {
	projects, each := 100, 3
	if b.opt.quick {
		projects = 10
	}
	ports, err := freePorts(ctx, each)
	if err != nil {
		return err
	}
	for _, engine := range []string{"ebpf", "seccomp"} {
		l, err := b.standing(ctx, "many-"+engine)
		if err != nil {
			return err
		}
		var dirs []string
		for i := range projects {
			dir, err := b.w.Mkdir(fmt.Sprintf("many-%s/p%d", engine, i))
			if err != nil {
				return err
			}
			// The same ports in all of them.
			if err := writeProject(dir, fmt.Sprintf("p%d", i), b.tools.listener, ports); err != nil {
				return err
			}
			dirs = append(dirs, dir)
		}
		t := manyTable{Engine: engine, Projects: projects, Services: each}
		if t.Missing = l.works(ctx, engine, dirs[0]); t.Missing == "" {
			b.say("many: %d projects of %d services, %s", projects, each, engine)
			// The project that was tried has ended.
			if _, err := l.do(ctx, dirs[0], "down"); err != nil {
				return err
			}
			begin := time.Now()
			errs := make([]error, projects)
			var wg sync.WaitGroup
			for i, dir := range dirs {
				wg.Go(func() { _, errs[i] = l.do(ctx, dir, "up", "-d", "--engine", engine) })
			}
			wg.Wait()
			took := time.Since(begin)
			if err := errors.Join(errs...); err != nil {
				return err
			}
			t.Seconds = took.Seconds()
			ready, err := l.ready(ctx)
			if err != nil {
				return err
			}
			if ready != projects*each {
				return fmt.Errorf("up returned everywhere, and %d of %d services are ready", ready, projects*each)
			}
			h, err := l.holders(ctx)
			if err != nil {
				return err
			}
			t.Memory = h.row("")
			begin = time.Now()
			if _, err := l.do(ctx, "/", "down", "--all"); err != nil {
				return err
			}
			t.DownSeconds = time.Since(begin).Seconds()
		}
		b.out.Many = append(b.out.Many, t)
		if err := l.end(ctx); err != nil {
			return err
		}
	}
	return nil
}

// ready counts the services that are ready in all projects.
func (l *lodge) ready(ctx context.Context) (int, error) {
	ps, err := l.ls(ctx)
	n := 0
	for _, p := range ps {
		for _, s := range p.Services {
			if s.State == "ready" {
				n++
			}
		}
	}
	return n, err
}
