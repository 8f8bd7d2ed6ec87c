package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"lodge/bench/internal/rounds"
	"lodge/bench/internal/scratch"
)

// population is how many sockets are made: procs*(listeners+2*conns).
type population struct {
	name                    string
	procs, listeners, conns int
	rounds, slowRounds      int
}

func (p population) sockets() int { return p.procs * (p.listeners + 2*p.conns) }

func (b *bench) populations() []population {
	all := []population{
		{"200", 20, 2, 4, 21, 21},
		{"10000", 200, 2, 24, 11, 11},
		{"200000", 1000, 2, 99, 5, 2},
	}
	if b.opt.quick {
		all = []population{{"200", 20, 2, 4, 3, 3}, {"10000", 50, 2, 19, 2, 1}, {"200000", 100, 2, 49, 2, 1}}
	}
	if b.opt.rounds > 0 {
		for i := range all {
			all[i].rounds = b.opt.rounds
			all[i].slowRounds = min(all[i].slowRounds, b.opt.rounds)
		}
	}
	return all
}

// load makes a population in a namespace of its own, and gives who has what.
func (b *bench) load(ctx context.Context, p population) (*inside, map[ends]int, func() error, error) {
	n, err := b.newInside(ctx, p.name)
	if err != nil {
		return nil, nil, nil, err
	}
	path := b.w.Path("truth-" + p.name)
	var c *scratch.Child
	err = n.within(func() error {
		var err error
		c, err = scratch.Start(nil, b.w.Dir, b.sockload, "-procs", strconv.Itoa(p.procs), "-listeners", strconv.Itoa(p.listeners), "-conns", strconv.Itoa(p.conns), "-truth", path)
		return err
	})
	if err != nil {
		return nil, nil, nil, err
	}
	line, err := c.Line(ctx, 5*time.Minute)
	if err == nil && line != "ready "+strconv.Itoa(p.sockets()) {
		err = fmt.Errorf("make %d sockets: %q", p.sockets(), line)
	}
	var truth map[ends]int
	if err == nil {
		truth, err = readTruth(path)
	}
	if err != nil {
		_ = c.Close()
		return nil, nil, nil, err
	}
	return n, truth, c.Close, nil
}

// population measures all contenders on one population.
func (b *bench) population(ctx context.Context, p population) (err error) {
	b.say("%s: making %d sockets of %d processes", p.name, p.sockets(), p.procs)
	n, truth, end, err := b.load(ctx, p)
	if err != nil {
		return err
	}
	defer func() {
		if e := end(); err == nil {
			err = e
		}
	}()
	t := sizeTable{Sockets: p.sockets(), Processes: p.procs, Rounds: p.rounds}
	all := b.contenders(ctx)
	if err := b.turns(ctx, p, n, truth, all, &t); err != nil {
		return err
	}
	if err := b.live(ctx, p, n, truth, &t); err != nil {
		return err
	}
	b.out.Sizes = append(b.out.Sizes, t)
	return nil
}

// turns runs contenders one after the other, in an order that changes with
// every round, and adds their rows. The first is what the others are compared
// with.
func (b *bench) turns(ctx context.Context, p population, n *inside, truth map[ends]int, all []*contender, t *sizeTable) error {
	var here []*contender
	for _, c := range all {
		if c.missing != "" {
			t.Missing = append(t.Missing, rounds.Missing{Name: c.name, Why: c.missing})
		} else {
			here = append(here, c)
		}
	}
	// A number a round; a round in which one did not run has none.
	wall, cpu := make(map[string][]float64), make(map[string][]float64)
	for r := range p.rounds {
		b.say("%s: round %d of %d", p.name, r+1, p.rounds)
		for i := range here {
			c := here[(i+r)%len(here)]
			if c.slow && r >= p.slowRounds {
				continue
			}
			x, err := n.time(ctx, c)
			if err != nil {
				return err
			}
			wall[c.name] = append(wall[c.name], x.wall)
			cpu[c.name] = append(cpu[c.name], x.cpu)
		}
	}
	for _, c := range here {
		row := row{
			Name: c.name, Lodge: c.lodge, MS: rounds.SpreadOf(wall[c.name]).Median * 1000, Listed: -1, Right: -1, To: make(map[string]rounds.Spread),
			Wall: rounds.SpreadOf(rounds.Ratios(wall[c.name], wall[plainSS])), CPU: rounds.SpreadOf(rounds.Ratios(cpu[c.name], cpu[plainSS])),
		}
		for _, to := range c.to {
			if len(wall[to]) > 0 {
				row.To[to] = rounds.SpreadOf(rounds.Ratios(wall[c.name], wall[to]))
			}
		}
		b.say("%s: memory and attribution of %s", p.name, c.name)
		out, peak, err := n.look(ctx, c)
		if err != nil {
			return err
		}
		row.Memory = peak
		if c.read != nil {
			row.Listed, row.Right = shares(truth, c.read(out))
		}
		if at := t.find(c.name); at == nil { // ss -tan again, beside the live map, has its row already
			t.Rows = append(t.Rows, row)
		}
	}
	return nil
}

// live measures lodge with a daemon whose helper keeps the live map, beside
// ss -tan anew: the map costs every program of the machine a little.
func (b *bench) live(ctx context.Context, p population, n *inside, truth map[ends]int, t *sizeTable) (err error) {
	runtime, err := b.w.Mkdir("live-" + p.name)
	if err != nil {
		return err
	}
	env := b.lodgeEnv(runtime)
	daemon, err := scratch.Start(env, b.w.Dir, b.lodge, "daemon")
	if err != nil {
		return err
	}
	defer func() {
		if e := daemon.Terminate(); err == nil {
			err = e
		}
	}()
	if why := b.liveMap(ctx, n, env, runtime); why != "" {
		t.Missing = append(t.Missing, rounds.Missing{Name: liveText, Why: why})
		return nil
	}
	own := func(name string, read func(string) map[ends]int, args ...string) *contender {
		return &contender{name: name, argv: append([]string{b.lodge}, args...), env: env, lodge: true, read: read, to: []string{plainSS}}
	}
	ss := b.contenders(ctx)[0]
	all := []*contender{ss, own(liveText, readLodgeText, "ports"), own(liveJSON, readLodgeJSON, "ports", "--json")}
	return b.turns(ctx, p, n, truth, all, t)
}

// liveMap waits for the daemon and says why there is no live map, "" where
// there is one that is used.
func (b *bench) liveMap(ctx context.Context, n *inside, env []string, runtime string) string {
	if !appears(ctx, runtime+"/lodge/lodge.sock", 20*time.Second) {
		return "the daemon does not start"
	}
	out, _, err := n.look(ctx, &contender{argv: []string{b.lodge, "doctor", "--json"}, env: env})
	if err != nil {
		return err.Error()
	}
	if why := parseLive([]byte(out)); why != "" {
		return why
	}
	// The first question makes the map. What cannot be had is a warning.
	if out, _, err = n.look(ctx, &contender{argv: []string{b.lodge, "ports", "--json"}, env: env}); err != nil {
		return err.Error()
	}
	_, warnings, _ := strings.Cut(out, "\n],")
	if !strings.Contains(warnings, `"warnings":[]`) {
		return strings.TrimSpace(warnings)
	}
	return ""
}

// appears waits until a file is there.
func appears(ctx context.Context, path string, limit time.Duration) bool {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	end := time.NewTimer(limit)
	defer end.Stop()
	for {
		if _, err := os.Lstat(path); err == nil {
			return true
		}
		select {
		case <-tick.C:
		case <-end.C:
			return false
		case <-ctx.Done():
			return false
		}
	}
}
