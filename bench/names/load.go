package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// sizes are those of the bodies that are asked for.
func sizes() []int { return []int{100, 65536} }

// backend starts nginx with one worker and a file of each size.
func (b *bench) backend(ctx context.Context) (int, error) {
	port, err := freePort()
	if err != nil {
		return 0, err
	}
	dir := filepath.Join(b.dir, "backend")
	if err := os.MkdirAll(filepath.Join(dir, "www"), 0o755); err != nil {
		return 0, err
	}
	for _, n := range sizes() {
		if err := os.WriteFile(filepath.Join(dir, "www", strconv.Itoa(n)), []byte(strings.Repeat("x", n)), 0o644); err != nil {
			return 0, err
		}
	}
	p, err := b.nginx(dir, fmt.Sprintf(" sendfile on; open_file_cache max=10; server { listen 127.0.0.1:%d backlog=4096; root %s/www; }", port, dir))
	if err != nil {
		return 0, fmt.Errorf("start the backend, nginx: %w", err)
	}
	return port, p.ready(ctx, "127.0.0.1:"+strconv.Itoa(port))
}

// untilAnswers asks until the answer is right: some proxies listen before they
// know their names.
func (b *bench) untilAnswers(ctx context.Context, c *contender, w way, path string) error {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		err := b.answers(ctx, c, w, path)
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return err
		}
	}
}

// answers asks once, and checks that the answer is the backend's.
func (b *bench) answers(ctx context.Context, c *contender, w way, path string) error {
	t := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "tcp", c.addr())
		},
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: w.h2, DisableKeepAlives: true,
	}
	req, err := http.NewRequestWithContext(ctx, "GET", w.scheme()+"://"+host+path, nil)
	if err != nil {
		return err
	}
	res, err := (&http.Client{Transport: t, Timeout: 20 * time.Second}).Do(req)
	if err != nil {
		return fmt.Errorf("ask %s: %w", c.name, err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err == nil && (res.StatusCode != 200 || len(body) == 0) {
		err = fmt.Errorf("it answered %s", res.Status)
	}
	if err == nil && w.h2 != (res.ProtoMajor == 2) {
		err = fmt.Errorf("it answered in %s", res.Proto)
	}
	if err != nil {
		return fmt.Errorf("ask %s: %w", c.name, err)
	}
	return nil
}

// sample is one measurement of one contender.
type sample struct {
	rps, p50, p99 float64 // requests a second; µs
	cpu           float64 // of the proxy, s a request
	pss           float64
}

// wrkScript makes wrk print what it found as JSON.
const wrkScript = `done = function(s, l, r)
 io.write(string.format('{"rps":%.1f,"p50":%d,"p99":%d,"requests":%d,"errors":%d}\n', s.requests/(s.duration/1e6), l:percentile(50), l:percentile(99), s.requests, s.errors.connect+s.errors.read+s.errors.write+s.errors.status+s.errors.timeout))
end
`

func (b *bench) wrk(ctx context.Context, c *contender, w way, conns, size int) (sample, error) {
	bin, err := b.find("wrk")
	if err != nil {
		return sample{}, fmt.Errorf("find wrk: %w", err)
	}
	script := filepath.Join(b.dir, "wrk.lua")
	if err := os.WriteFile(script, []byte(wrkScript), 0o600); err != nil {
		return sample{}, err
	}
	return b.measure(ctx, c, func() (s sample, requests float64, err error) {
		out, err := exec.CommandContext(ctx, bin, "-t1", "-c"+strconv.Itoa(conns), "-d"+strconv.Itoa(int(b.opt.duration.Seconds()))+"s",
			"-s", script, "-H", "Host: "+host, fmt.Sprintf("%s://%s/%d", w.scheme(), c.addr(), size)).Output()
		if err != nil {
			return s, 0, err
		}
		for l := range strings.Lines(string(out)) {
			var j struct{ RPS, P50, P99, Requests, Errors float64 }
			if strings.HasPrefix(l, "{") && json.Unmarshal([]byte(l), &j) == nil {
				if j.Errors > 0 {
					return s, 0, fmt.Errorf("%.0f of %.0f requests failed", j.Errors, j.Requests)
				}
				return sample{rps: j.RPS, p50: j.P50, p99: j.P99}, j.Requests, nil
			}
		}
		return s, 0, errors.New("wrk said nothing")
	})
}

// measure takes what the proxy used while f ran.
func (b *bench) measure(ctx context.Context, c *contender, f func() (sample, float64, error)) (sample, error) {
	before := 0.0
	if c.pid != 0 {
		before = cpuOf(c.pid)
	}
	s, requests, err := f()
	if err != nil {
		return s, fmt.Errorf("load %s: %w", c.name, err)
	}
	if c.pid != 0 && requests > 0 {
		s.cpu, s.pss = (cpuOf(c.pid)-before)/requests, pssOf(c.pid)
	}
	return s, ctx.Err()
}

// h2load's lines: "finished in 2.00s, 1234.5 req/s, …", "status codes: 2469
// 2xx, 0 3xx, …", and the table's "time for request: min max mean sd +/-".
var (
	h2Rate   = regexp.MustCompile(`finished in [^,]*, ([0-9.]+) req/s`)
	h2Status = regexp.MustCompile(`status codes: (\d+) 2xx, (\d+) 3xx, (\d+) 4xx, (\d+) 5xx`)
)

func (b *bench) h2load(ctx context.Context, c *contender, conns, streams, size int) (sample, error) {
	bin, err := b.find("h2load")
	if err != nil {
		return sample{}, fmt.Errorf("find h2load: %w", err)
	}
	return b.measure(ctx, c, func() (s sample, requests float64, err error) {
		out, err := exec.CommandContext(ctx, bin, "-c", strconv.Itoa(conns), "-m", strconv.Itoa(streams), "-D", strconv.Itoa(int(b.opt.duration.Seconds())),
			"--connect-to", c.addr(), fmt.Sprintf("https://%s:%d/%d", host, c.port, size)).Output()
		if err != nil {
			return s, 0, err
		}
		rate, status := h2Rate.FindSubmatch(out), h2Status.FindSubmatch(out)
		if rate == nil || status == nil || string(status[3]) != "0" || string(status[4]) != "0" {
			return s, 0, fmt.Errorf("h2load said: %s", out)
		}
		s.rps, _ = strconv.ParseFloat(string(rate[1]), 64)
		requests, _ = strconv.ParseFloat(string(status[1]), 64)
		return s, requests, nil
	})
}

// load fills the table of HTTP/1.
func (b *bench) load(ctx context.Context) error {
	backend, err := b.backend(ctx)
	if err != nil {
		return err
	}
	names := []string{direct, lodgeName, nginxName, haproxyName, reverseName, caddyName, portlessName}
	t := &loadTable{Title: "HTTP/1: requests a second to those without a proxy (without TLS, in every row)", Base: direct, Names: names, Rounds: b.opt.rounds}
	b.out.Load = append(b.out.Load, t)
	for _, w := range []way{{}, {tls: true}} {
		b.say("HTTP/1, %s", w.scheme())
		cs, err := b.launchAll(ctx, names, w, backend, "/100")
		if err != nil {
			return err
		}
		for _, conns := range []int{1, 64} {
			for _, size := range sizes() {
				cell := fmt.Sprintf("%s, %d conn, %d B", w.scheme(), conns, size)
				if err := b.cell(ctx, t, cell, cs, func(c *contender) (sample, error) {
					if c.name == direct {
						return b.wrk(ctx, c, way{}, conns, size)
					}
					return b.wrk(ctx, c, w, conns, size)
				}); err != nil {
					return err
				}
			}
		}
		for _, c := range cs {
			c.end()
		}
	}
	return nil
}

// h2 fills the table of HTTP/2, which the backend does not speak.
func (b *bench) h2(ctx context.Context) error {
	backend, err := b.backend(ctx)
	if err != nil {
		return err
	}
	names := []string{reverseName, lodgeName, nginxName, haproxyName, caddyName}
	t := &loadTable{Title: "HTTP/2 over TLS: requests a second to those of net/http's ReverseProxy", Base: reverseName, Names: names, Rounds: b.opt.rounds}
	b.out.Load = append(b.out.Load, t)
	b.say("HTTP/2")
	cs, err := b.launchAll(ctx, names, way{tls: true, h2: true}, backend, "/100")
	if err != nil {
		return err
	}
	for _, cm := range [][2]int{{1, 1}, {64, 1}, {8, 16}} {
		for _, size := range sizes() {
			cell := fmt.Sprintf("h2, %d conn, %d streams each, %d B", cm[0], cm[1], size)
			if err := b.cell(ctx, t, cell, cs, func(c *contender) (sample, error) { return b.h2load(ctx, c, cm[0], cm[1], size) }); err != nil {
				return err
			}
		}
	}
	for _, c := range cs {
		c.end()
	}
	return nil
}

// cell measures all contenders in turns, in an order that changes with every
// round.
func (b *bench) cell(ctx context.Context, t *loadTable, name string, cs []*contender, one func(*contender) (sample, error)) error {
	if !strings.Contains(name, b.opt.cells) {
		return nil
	}
	b.say("  %s", name)
	got := map[string][]sample{}
	for r := range b.opt.rounds {
		for i := range cs {
			c := cs[(i+r)%len(cs)]
			s, err := one(c)
			if err != nil {
				return err
			}
			got[c.name] = append(got[c.name], s)
		}
	}
	t.add(name, got)
	return ctx.Err()
}
