package main

import (
	"context"
	"errors"
	"fmt"

	"lodge/bench/internal/rounds"
)

// http1 measures requests over HTTP/1 with connections that are kept.
func (b *bench) http1(ctx context.Context, s *site) (err error) {
	if lacks := s.lacks(map[string]string{"http1: nginx": s.nginx, "http1: wrk": s.wrkPath}); len(lacks) > 0 {
		b.out.Missing = append(b.out.Missing, lacks...)
		return nil
	}
	for _, scheme := range []string{"http", "https"} {
		var cells []loadTable
		for _, conns := range []int{1, 64} {
			for _, size := range []int{100, 65536} {
				cells = append(cells, loadTable{Cell: fmt.Sprintf("%s, %d connections, %s", scheme, conns, sizeName(size)), Scheme: scheme, Conns: conns, Bytes: size})
			}
		}
		names := []string{directName, lodgeName, upName, nginxName, haproxyName, caddyName, portlessName, reverseName}
		err := s.compare(ctx, "http1", scheme, names, cells, func(ctx context.Context, c *contender, t *loadTable) (load, error) {
			return s.wrk(ctx, c.url(fmt.Sprintf("/%d", t.Bytes)), t.Conns, 1)
		})
		if err != nil {
			return err
		}
		b.out.HTTP1 = append(b.out.HTTP1, cells...)
	}
	return nil
}

// http2 measures the same over HTTP/2, to a server that speaks HTTP/1.
func (b *bench) http2(ctx context.Context, s *site) error {
	if lacks := s.lacks(map[string]string{"h2: nginx": s.nginx, "h2: h2load": s.h2loadPath}); len(lacks) > 0 {
		b.out.Missing = append(b.out.Missing, lacks...)
		return nil
	}
	var cells []loadTable
	for _, on := range []struct{ conns, streams int }{{1, 1}, {1, 32}, {64, 1}} {
		for _, size := range []int{100, 65536} {
			cells = append(cells, loadTable{
				Cell:   fmt.Sprintf("h2, %d connections of %d streams, %s", on.conns, on.streams, sizeName(size)),
				Scheme: "https", Conns: on.conns, Streams: on.streams, Bytes: size,
			})
		}
	}
	names := []string{directName, lodgeName, upName, nginxName, haproxyName, caddyName, portlessName, reverseName}
	err := s.compare(ctx, "h2", "https", names, cells, func(ctx context.Context, c *contender, t *loadTable) (load, error) {
		return s.h2load(ctx, fmt.Sprint(c.port), fmt.Sprintf("/%d", t.Bytes), t.Conns, t.Streams, 1)
	})
	b.out.HTTP2 = cells
	return err
}

func sizeName(bytes int) string {
	if bytes >= 1024 {
		return fmt.Sprintf("%d KiB", bytes/1024)
	}
	return fmt.Sprintf("%d B", bytes)
}

// compare has all contenders carry all cells in turns.
func (s *site) compare(ctx context.Context, part, scheme string, names []string, cells []loadTable, ask func(context.Context, *contender, *loadTable) (load, error)) (err error) {
	back, err := s.backend(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, fell(ctx, []*contender{back})) }()
	conf, err := s.files("home", fmt.Sprintf("listen 127.0.0.1:%d backlog=4096;", homePort))
	if err != nil {
		return err
	}
	to := behind{addr: s.address(backendPort), argv: []string{s.nginx, "-c", conf}, probe: "/100"}
	there, missing, err := s.stand(ctx, scheme, to, names...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, fell(ctx, there)) }()
	for _, m := range missing {
		s.b.out.Missing = append(s.b.out.Missing, rounds.Missing{Name: part + ": " + m.Name, Why: m.Why})
	}
	turns := s.b.opt.turns(9, 1)
	for i := range cells {
		cells[i].Rounds = turns
		for _, c := range there {
			cells[i].Rows = append(cells[i].Rows, loadRow{Name: c.name})
		}
	}
	for r := range turns {
		s.b.say("%s over %s: round %d of %d", part, scheme, r+1, turns)
		for i := range cells {
			t := &cells[i]
			for _, c := range rounds.Rotated(there, r+i) {
				if err := one(ctx, c, t, ask); err != nil {
					return fmt.Errorf("%s, %s: %w", c.name, t.Cell, err)
				}
			}
		}
	}
	for i := range cells {
		cells[i].sum()
	}
	if part == "http1" {
		for _, c := range there {
			if c.pids != nil {
				s.b.out.Memory = append(s.b.out.Memory, memoryRow{Name: c.name, Scheme: scheme, memory: memoryOf(c.pids())})
			}
		}
	}
	return nil
}

func one(ctx context.Context, c *contender, t *loadTable, ask func(context.Context, *contender, *loadTable) (load, error)) error {
	var pids []int
	if c.pids != nil {
		pids = c.pids()
	}
	before := cpuOf(pids)
	l, err := ask(ctx, c, t)
	if err != nil {
		return err
	}
	row := t.find(c.name)
	row.loads = append(row.loads, l)
	row.cpu = append(row.cpu, (cpuOf(pids)-before)/l.Requests)
	row.Errors += l.Errors
	return nil
}

// sum makes ratios of what was measured.
func (t *loadTable) sum() {
	direct, nginx := t.find(directName), t.find(nginxName)
	for i := range t.Rows {
		row := &t.Rows[i]
		if direct != nil {
			row.Share = row.to(direct, perSecond)
			row.P50 = row.to(direct, p50)
			row.P99 = row.to(direct, p99)
		}
		if nginx != nil && row.Name != directName {
			row.CPU = rounds.SpreadOf(rounds.Ratios(row.cpu, nginx.cpu))
		}
		row.CPUMicros = rounds.SpreadOf(row.cpu).Median * 1e6
		row.PerSecond = rounds.SpreadOf(row.of(perSecond)).Median
	}
}

func perSecond(l load) float64 { return l.PerSecond }
func p50(l load) float64       { return l.P50 }
func p99(l load) float64       { return l.P99 }

// of returns one figure of every round.
func (r *loadRow) of(f func(load) float64) []float64 {
	out := make([]float64, len(r.loads))
	for i, l := range r.loads {
		out[i] = f(l)
	}
	return out
}

// to returns the ratio of one figure to another row's, round by round.
func (r *loadRow) to(other *loadRow, f func(load) float64) rounds.Spread {
	return rounds.SpreadOf(rounds.Ratios(r.of(f), other.of(f)))
}
