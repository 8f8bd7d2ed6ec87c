package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"lodge/bench/internal/rounds"
)

// tabs is how many connections a browser opens to one host over HTTP/1;
// streams how many requests are under way at once over HTTP/2.
const (
	tabs    = 6
	streams = 100
)

// page measures a page of many modules that the browser has none of: as files,
// and as Vite gives them. What Vite made of a module it has kept from a page
// before, so that the road is as much of the time as it can be.
func (b *bench) page(ctx context.Context, s *site) error {
	t := &pageTable{Modules: modules, Rounds: b.opt.turns(9, 1)}
	b.out.Page = t
	if s.nginx == "" {
		t.Missing = append(t.Missing, rounds.Missing{Name: "files", Why: notHere})
	} else if err := s.pageOfFiles(ctx, t); err != nil {
		return err
	}
	if s.vite == "" || s.node == "" {
		t.Missing = append(t.Missing, rounds.Missing{Name: "Vite", Why: notHere})
		return nil
	}
	return s.pageOfVite(ctx, t)
}

func (s *site) pageOfFiles(ctx context.Context, t *pageTable) (err error) {
	back, err := s.backend(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, fell(ctx, []*contender{back})) }()
	conf, err := s.files("home", fmt.Sprintf("listen 127.0.0.1:%d backlog=4096;", homePort))
	if err != nil {
		return err
	}
	back.name = directName
	return s.pages(ctx, t, "files", back, behind{addr: s.address(backendPort), argv: []string{s.nginx, "-c", conf}, probe: "/src/m0.js"})
}

func (s *site) pageOfVite(ctx context.Context, t *pageTable) (err error) {
	argv := func(port int) []string {
		return []string{s.node, s.vite, s.www, "--host", "127.0.0.1", "--port", fmt.Sprint(port), "--strictPort", "--logLevel", "error"}
	}
	if err := os.WriteFile(s.www+"/package.json", []byte(`{"private":true,"type":"module"}`), 0o644); err != nil {
		return err
	}
	c := &contender{name: directName, scheme: "http", port: vitePort, probe: "/src/m0.js"}
	if _, err := s.up(ctx, c, nil, argv(vitePort)...); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, fell(ctx, []*contender{c})) }()
	return s.pages(ctx, t, "Vite", c, behind{addr: s.address(vitePort), argv: argv(homePort), probe: "/src/m0.js"})
}

// road is one way to a page.
type road struct {
	c  *contender
	h2 bool
}

func (r road) how() string {
	if r.h2 {
		return "h2, 1 connection"
	}
	return fmt.Sprintf("%s, %d connections", r.c.scheme, tabs)
}

// pages measures one server, directly and by the contenders.
func (s *site) pages(ctx context.Context, t *pageTable, server string, direct *contender, to behind) error {
	for _, scheme := range []string{"http", "https"} {
		there, missing, err := s.stand(ctx, scheme, to, lodgeName, upName, portlessName)
		if err != nil {
			return err
		}
		t.Missing = append(t.Missing, missing...)
		all := []road{{direct, false}}
		for _, c := range there {
			all = append(all, road{c, false})
			if scheme == "https" {
				all = append(all, road{c, true})
			}
		}
		if err := errors.Join(s.turns(ctx, t, server+", "+scheme, all), fell(ctx, there)); err != nil {
			return err
		}
	}
	return nil
}

// turns has all roads fetch the page in turns. The first is direct.
func (s *site) turns(ctx context.Context, t *pageTable, server string, all []road) error {
	rows := make([]pageRow, len(all))
	for i, r := range all {
		rows[i] = pageRow{
			Server: server, Name: r.c.name, How: r.how(),
			held: strings.HasPrefix(server, "Vite") && (r.c.name == lodgeName || r.c.name == upName),
		}
		if _, err := r.load(ctx); err != nil { // what a server makes at the first request
			return fmt.Errorf("%s, %s: %w", r.c.name, r.how(), err)
		}
	}
	for n := range t.Rounds {
		s.b.say("page of %s: round %d of %d", server, n+1, t.Rounds)
		for i := range all {
			i = (i + n) % len(all)
			took, err := all[i].load(ctx)
			if err != nil {
				return fmt.Errorf("%s, %s: %w", all[i].c.name, all[i].how(), err)
			}
			rows[i].took = append(rows[i].took, took.Seconds()*1000)
		}
	}
	for i := range rows {
		rows[i].Ratio = rounds.SpreadOf(rounds.Ratios(rows[i].took, rows[0].took))
		rows[i].MS = rounds.SpreadOf(rows[i].took).Median
	}
	t.Rows = append(t.Rows, rows...)
	return nil
}

// load fetches all modules with new connections.
func (r road) load(ctx context.Context) (time.Duration, error) {
	conns, workers := tabs, tabs
	if r.h2 {
		conns, workers = 1, streams
	}
	client := &http.Client{Transport: r.c.transport(conns, r.h2), Timeout: time.Minute}
	defer client.CloseIdleConnections()
	start := time.Now()
	if _, err := get(ctx, client, r.c.url("/src/main.js")); err != nil {
		return 0, err
	}
	var next atomic.Int64
	var group sync.WaitGroup
	errs := make([]error, workers)
	for w := range workers {
		group.Go(func() {
			for {
				i := next.Add(1) - 1
				if i >= modules {
					return
				}
				if _, err := get(ctx, client, r.c.url(fmt.Sprintf("/src/m%d.js", i))); err != nil {
					errs[w] = err
					return
				}
			}
		})
	}
	group.Wait()
	return time.Since(start), errors.Join(errs...)
}
