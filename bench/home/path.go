package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"lodge/bench/internal/rounds"
	"lodge/bench/internal/scratch"
)

// A cell of the data path: an order for pingpong.
type cell struct {
	name  string
	order string // with a place for milliseconds, client's CPU, server's CPU
	// apart puts client and server on two CPUs. On one, none of the time is spent
	// on waking a CPU that sleeps, which is many times as much as what is measured
	// and changes from moment to moment.
	apart bool
}

func cells() []cell {
	return []cell{
		{"round trip, 1 B", "rtt 1 %d %d %d", false},
		{"round trip, 1 KiB", "rtt 1024 %d %d %d", false},
		{"round trip, 16 KiB", "rtt 16384 %d %d %d", false},
		{"one way, 64 KiB writes", "tput %d %d %d", false},
		{"one way, two CPUs", "tput %d %d %d", true},
		{"connect, accept, close", "connect %d %d %d", false},
	}
}

// place is where the same two programs run: how they are started, and at which
// address the client is told that the server is.
type place struct {
	name    string
	missing string // why it cannot be had here
	env     []string
	dir     string
	server  []string // what stands before the program
	client  []string
	addr    string

	serve, ask *scratch.Child
}

// slice is how long one turn at a cell lasts.
const slice = 20 * time.Millisecond

const (
	plainName   = "plain loopback"
	againName   = "plain loopback again"
	groupsName  = "plain, in cgroups"
	ebpfName    = "home/ebpf"
	seccompName = "home/seccomp"
	vethName    = "veth namespaces"
)

// path measures the data path in every place.
func (b *bench) path(ctx context.Context) error {
	ports, err := freePorts(ctx, 3)
	if err != nil {
		return err
	}
	l, err := b.newLodge("path")
	if err != nil {
		return err
	}
	places, err := b.places(ctx, l, ports)
	if err != nil {
		return err
	}
	turns, passes := 21, 5
	if b.opt.quick {
		turns, passes = 3, 1
	}
	if b.opt.rounds > 0 {
		turns = b.opt.rounds
	}
	here := slices.DeleteFunc(slices.Clone(places), func(p *place) bool { return p.missing != "" })
	found := map[string]map[string][]float64{} // cell, place: one value a round
	for _, c := range cells() {
		found[c.name] = map[string][]float64{}
	}
	for r := range turns {
		b.say("path: round %d of %d", r+1, turns)
		// Every round has processes of its own: how one happens to lie in memory
		// is then part of the spread, and not a difference between places.
		if err := b.pathRound(ctx, here, r, passes, found); err != nil {
			return err
		}
	}
	t := pathTable{Rounds: turns}
	for _, c := range cells() {
		row := pathRow{Cell: c.name, Ratios: map[string]rounds.Spread{}}
		for _, p := range here {
			if p.name != plainName {
				row.Ratios[p.name] = rounds.SpreadOf(rounds.Ratios(found[c.name][p.name], found[c.name][plainName]))
			}
		}
		if v := rounds.Ratios(found[c.name][ebpfName], found[c.name][groupsName]); len(v) > 0 {
			s := rounds.SpreadOf(v)
			row.Lodge = &s
		}
		t.Rows = append(t.Rows, row)
	}
	for _, p := range places {
		if p.missing != "" {
			t.Missing = append(t.Missing, rounds.Missing{Name: p.name, Why: p.missing})
		}
		if p.name != plainName {
			t.Places = append(t.Places, p.name)
		}
	}
	b.out.Path = &t
	return l.end(ctx)
}

// places are all, with the reason where one cannot be had.
func (b *bench) places(ctx context.Context, l *lodge, ports []int) ([]*place, error) {
	localhost := fmt.Sprintf("127.0.0.1:%d", ports[0])
	out := []*place{
		{name: plainName, env: l.env, dir: b.w.Dir, addr: localhost},
		// The same once more: what differs here is what the run cannot tell.
		{name: againName, env: l.env, dir: b.w.Dir, addr: fmt.Sprintf("127.0.0.1:%d", ports[1])},
	}
	for _, e := range []string{"ebpf", "seccomp"} {
		dir, err := b.w.Mkdir("path/" + e)
		if err != nil {
			return nil, err
		}
		if e == "ebpf" {
			g := &place{name: groupsName, env: l.env, dir: b.w.Dir, addr: fmt.Sprintf("127.0.0.1:%d", ports[2])}
			out = append(out, g)
			if err := b.inGroups(ctx, l, dir, g); err != nil {
				return nil, err
			}
		}
		inside := []string{l.exe, "exec", "--engine", e, "--"}
		// Both homes have the port that the plain server has.
		out = append(out, &place{name: "home/" + e, env: l.env, dir: dir, server: inside, client: inside, addr: localhost, missing: l.works(ctx, e, dir)})
	}
	veth := &place{name: vethName, env: l.env, dir: b.w.Dir}
	n, err := b.newPair(ctx)
	var need *scratch.NeedError
	switch {
	case errors.As(err, &need):
		veth.missing = need.Error()
	case err != nil:
		return nil, err
	default:
		veth.server, veth.client = n.inA(), n.inB()
		veth.addr = fmt.Sprintf("%s:%d", n.addrA, ports[0])
	}
	return append(out, veth), nil
}

func (b *bench) pathRound(ctx context.Context, places []*place, round, passes int, found map[string]map[string][]float64) (err error) {
	defer func() {
		for _, p := range places {
			err = errors.Join(err, p.stop())
		}
	}()
	for _, p := range places {
		if err := p.start(ctx, b.tools.pingpong); err != nil {
			return err
		}
	}
	two := scratch.CPUs()
	first := two[0]
	last := two[len(two)-1]
	for _, c := range cells() {
		server := first
		if c.apart {
			server = last
		}
		order := fmt.Sprintf(c.order, slice.Milliseconds(), first, server)
		got := map[string][]float64{}
		// Many short turns, so that what else the machine does befalls all places
		// alike; once in one order and once in the opposite one, so that what
		// drifts steadily cancels out. Each round begins with another place.
		there := slices.Clip(rounds.Rotated(places, round))
		back := slices.Clone(there)
		slices.Reverse(back)
		for range passes {
			for _, p := range append(there, back...) {
				v, err := p.ask.Order(ctx, order)
				if err != nil {
					return fmt.Errorf("%s, %s: %w", p.name, c.name, err)
				}
				got[p.name] = append(got[p.name], v)
			}
		}
		for name, v := range got {
			found[c.name][name] = append(found[c.name][name], rounds.SpreadOf(v).Median)
		}
	}
	return nil
}

func (p *place) start(ctx context.Context, pingpong string) error {
	var err error
	if p.serve, err = scratch.Start(p.env, p.dir, append(slices.Clone(p.server), pingpong, "serve", p.addr)...); err != nil {
		return err
	}
	if word, err := p.serve.Line(ctx, 20*time.Second); err != nil {
		return fmt.Errorf("%s: %w", p.name, err)
	} else if word != "ready" {
		return fmt.Errorf("%s: the server says %q", p.name, word)
	}
	p.ask, err = scratch.Start(p.env, p.dir, append(slices.Clone(p.client), pingpong, "ask", p.addr)...)
	return err
}

func (p *place) stop() error {
	var errs []error
	for _, c := range []*scratch.Child{p.ask, p.serve} {
		if c != nil {
			errs = append(errs, c.Close())
		}
	}
	p.ask, p.serve = nil, nil
	return errors.Join(errs...)
}
