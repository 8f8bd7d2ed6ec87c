package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// modules is how many modules the page has, in a tree of which each module
// imports fanout others.
const (
	modules = 1500
	fanout  = 6
)

// pageConns is how many connections a browser opens to one origin with
// HTTP/1.
const pageConns = 6

// page measures a cold page of many modules, served by Vite: direct, through
// lodge, and through portless.
func (b *bench) page(ctx context.Context) error {
	vite := filepath.Join(b.modules(), "vite/bin/vite.js")
	t := &pageTable{Modules: modules, Rounds: b.opt.rounds, Ratios: map[string]spread{}}
	b.out.Page = t
	if _, err := os.Stat(vite); err != nil {
		t.Missing = errNotHere.Error()
		return nil
	}
	node, err := b.find("node")
	if err != nil {
		t.Missing = "needs node"
		return nil
	}
	dir := filepath.Join(b.dir, "page")
	if err := writeModules(dir); err != nil {
		return err
	}
	times := map[string][]float64{}
	columns := []struct {
		name, proxy string
		w           way
	}{{direct, direct, way{}}, {"lodge, http", lodgeName, way{}}, {"lodge, h2", lodgeName, way{tls: true, h2: true}}, {"portless, http", portlessName, way{}}, {"portless, h2", portlessName, way{tls: true, h2: true}}}
	for r := range b.opt.rounds {
		b.say("a cold page, round %d", r+1)
		for i := range columns {
			c := columns[(i+r)%len(columns)]
			seconds, err := b.coldPage(ctx, node, vite, dir, c.proxy, c.w)
			if errors.Is(err, errNotHere) {
				continue
			}
			if err != nil {
				if c.proxy == lodgeName || c.proxy == direct || ctx.Err() != nil {
					return err
				}
				b.out.miss(c.name+", page", err.Error())
				continue
			}
			times[c.name] = append(times[c.name], seconds)
		}
	}
	for _, c := range columns {
		if len(times[c.name]) == len(times[direct]) {
			t.Names = append(t.Names, c.name)
			t.Ratios[c.name] = spreadOf(ratios(times[c.name], times[direct]))
		}
	}
	return nil
}

// coldPage starts Vite anew, and gives the time until all of the page is here.
func (b *bench) coldPage(ctx context.Context, node, vite, dir, proxy string, w way) (float64, error) {
	port, err := freePort()
	if err != nil {
		return 0, err
	}
	p, err := b.start(dir, nil, node, vite, "--port", strconv.Itoa(port), "--strictPort", "--host", "127.0.0.1")
	if err != nil {
		return 0, err
	}
	defer p.end()
	if err := p.ready(ctx, "127.0.0.1:"+strconv.Itoa(port)); err != nil {
		return 0, err
	}
	c, err := b.launch(ctx, proxy, w, port)
	if err != nil {
		return 0, err
	}
	defer c.end()
	// Vite has done nothing of the page for this yet.
	if proxy != direct {
		if err := b.untilAnswers(ctx, c, w, "/ready"); err != nil {
			return 0, err
		}
	}
	start := time.Now()
	n, err := fetchPage(ctx, c, w)
	if err == nil && n < modules {
		err = fmt.Errorf("fetch page through %s: it has %d modules", proxy, n)
	}
	return time.Since(start).Seconds(), err
}

// writeModules makes the page: module i imports those from i·fanout+1 on.
func writeModules(dir string) error {
	files := map[string]string{
		"package.json":   `{"private":true,"type":"module"}`,
		"vite.config.js": `export default { server: { hmr: false, watch: null, allowedHosts: true }, optimizeDeps: { noDiscovery: true }, clearScreen: false, logLevel: "error" }`,
		"public/ready":   "ready\n",
		"index.html":     `<!doctype html><script type="module" src="/src/m0.js"></script>`,
	}
	for i := range modules {
		var s strings.Builder
		for j := i*fanout + 1; j <= i*fanout+fanout && j < modules; j++ {
			fmt.Fprintf(&s, "import { v as v%d } from \"./m%d.js\"\n", j, j)
		}
		fmt.Fprintf(&s, "export const v = %d\n%s", i, strings.Repeat("// a line of a module as people write them, with some words in it\n", 10))
		files[fmt.Sprintf("src/m%d.js", i)] = s.String()
	}
	for name, text := range files {
		f := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(f), 0o755), os.WriteFile(f, []byte(text), 0o644)); err != nil {
			return err
		}
	}
	return nil
}

var imported = regexp.MustCompile(`"(/src/m\d+\.js)"`)

// fetchPage fetches the page as a browser does: a module is asked for as soon
// as one that imports it is here, over six connections, or over one with
// HTTP/2.
func fetchPage(ctx context.Context, c *contender, w way) (int, error) {
	t := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "tcp", c.addr())
		},
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: w.h2,
		MaxConnsPerHost: pageConns, MaxIdleConnsPerHost: pageConns,
	}
	defer t.CloseIdleConnections()
	client := &http.Client{Transport: t, Timeout: 2 * time.Minute}
	name := host
	if c.name == direct {
		name = "127.0.0.1"
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var (
		mu   sync.Mutex
		seen = map[string]bool{}
		wg   sync.WaitGroup
	)
	var get func(path string)
	get = func(path string) {
		mu.Lock()
		had := seen[path]
		seen[path] = true
		mu.Unlock()
		if had || ctx.Err() != nil {
			return
		}
		wg.Go(func() {
			body, err := fetch(ctx, client, w.scheme()+"://"+name+path)
			if err != nil {
				cancel(err)
				return
			}
			for _, m := range imported.FindAllSubmatch(body, -1) {
				get(string(m[1]))
			}
		})
	}
	get("/")
	wg.Wait()
	if err := context.Cause(ctx); err != nil {
		return 0, fmt.Errorf("fetch page through %s: %w", c.name, err)
	}
	return len(seen) - 1, nil
}

func fetch(ctx context.Context, client *http.Client, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, "GET", url, nil)
	if err != nil {
		return nil, err
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode != 200 {
		err = fmt.Errorf("%s: %s", url, res.Status)
	}
	return b, err
}
