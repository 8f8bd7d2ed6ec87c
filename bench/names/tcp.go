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

// tcpCells are orders for pingpong: milliseconds, and the CPU of both ends,
// since waking another one takes many times as long as what is measured.
var tcpCells = []struct{ name, order string }{
	{"round trip, 1 B", "rtt 1 20 %d %[1]d"},
	{"round trip, 16 KiB", "rtt 16384 20 %d %[1]d"},
	{"connect, accept, close", "connect 20 %d %[1]d"},
}

const (
	plainName = "plain loopback"
	againName = "plain loopback again"
	tcpPort   = 9500
)

// place is where pingpong serves; it is always asked from outside.
type place struct {
	name       string
	dir        string
	env        []string
	before     []string // what stands before the server
	bind, addr string   // where the server is told to be, and where it is
	serve, ask *scratch.Child
}

// tcp compares what a TCP name leads to, the home's address, with plain
// loopback.
func (b *bench) tcp(ctx context.Context, s *site) error {
	l, err := b.newLodge("tcp")
	if err != nil {
		return err
	}
	t := &tcpTable{Rounds: b.opt.turns(21, 3)}
	places := []*place{
		{name: plainName, dir: b.w.Dir, env: l.env, bind: s.address(tcpPort), addr: s.address(tcpPort)},
		{name: againName, dir: b.w.Dir, env: l.env, bind: s.address(tcpPort + 1), addr: s.address(tcpPort + 1)},
	}
	for _, engine := range []string{"ebpf", "seccomp"} {
		p, err := b.homePlace(ctx, l, engine)
		if err != nil {
			t.Missing = append(t.Missing, rounds.Missing{Name: "home/" + engine, Why: err.Error()})
			continue
		}
		places = append(places, p)
	}
	found := map[string]map[string][]float64{} // cell, place: one value a round
	for r := range t.Rounds {
		b.say("tcp: round %d of %d", r+1, t.Rounds)
		if err := b.tcpRound(ctx, places, r, found); err != nil {
			return err
		}
	}
	for _, c := range tcpCells {
		row := tcpRow{Cell: c.name, Ratios: map[string]rounds.Spread{}}
		for _, p := range places[1:] {
			row.Ratios[p.name] = rounds.SpreadOf(rounds.Ratios(found[c.name][p.name], found[c.name][plainName]))
		}
		t.Rows = append(t.Rows, row)
	}
	for _, p := range places[1:] {
		t.Places = append(t.Places, p.name)
	}
	b.out.TCP = t
	return l.end(ctx)
}

func (b *bench) homePlace(ctx context.Context, l *lodge, engine string) (*place, error) {
	dir, err := b.w.Mkdir("tcp/" + engine)
	if err != nil {
		return nil, err
	}
	inside := []string{l.exe, "exec", "--engine", engine, "--"}
	home, err := l.do(ctx, dir, append(inside[1:], "/bin/sh", "-c", `printf %s "$LODGE_HOME"`)...)
	if err != nil {
		return nil, err
	}
	return &place{
		name: "home/" + engine, dir: dir, env: l.env, before: inside,
		bind: fmt.Sprintf("127.0.0.1:%d", tcpPort), addr: fmt.Sprintf("%s:%d", home, tcpPort),
	}, nil
}

func (b *bench) tcpRound(ctx context.Context, places []*place, round int, found map[string]map[string][]float64) (err error) {
	defer func() {
		for _, p := range places {
			err = errors.Join(err, p.stop())
		}
	}()
	for _, p := range places {
		if err := p.start(ctx, b.tools.pingpong); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	there := rounds.Rotated(places, round)
	back := slices.Clone(there)
	slices.Reverse(back)
	passes := 5
	if b.opt.quick {
		passes = 1
	}
	for _, c := range tcpCells {
		got := map[string][]float64{}
		for range passes {
			for _, p := range slices.Concat(there, back) {
				v, err := p.ask.Order(ctx, fmt.Sprintf(c.order, scratch.CPUs()[0]))
				if err != nil {
					return fmt.Errorf("%s, %s: %w", p.name, c.name, err)
				}
				got[p.name] = append(got[p.name], v)
			}
		}
		for name, v := range got {
			if found[c.name] == nil {
				found[c.name] = map[string][]float64{}
			}
			found[c.name][name] = append(found[c.name][name], rounds.SpreadOf(v).Median)
		}
	}
	return nil
}

func (p *place) start(ctx context.Context, pingpong string) (err error) {
	if p.serve, err = scratch.Start(p.env, p.dir, append(slices.Clone(p.before), pingpong, "serve", p.bind)...); err != nil {
		return err
	}
	if word, err := p.serve.Line(ctx, 20*time.Second); err != nil {
		return err
	} else if word != "ready" {
		return fmt.Errorf("the server says %q", word)
	}
	p.ask, err = scratch.Start(p.env, p.dir, pingpong, "ask", p.addr)
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
