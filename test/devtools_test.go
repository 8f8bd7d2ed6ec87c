package test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// browser is a headless Chromium that the test drives by the DevTools protocol
// (https://chromedevtools.github.io/devtools-protocol) through a pipe: JSON,
// with a zero byte after each message. A pipe needs no port, and no library.
type browser struct {
	t    *testing.T
	proc *process
	out  io.Writer

	mu      sync.Mutex // guards what follows, and writing
	last    int
	answers map[int]chan devtoolsMessage
	events  []devtoolsMessage
	changed chan struct{} // closed at the next event, and at the end
	ended   error
}

type devtoolsMessage struct {
	ID      int             `json:"id,omitempty"`
	Session string          `json:"sessionId,omitempty"`
	Method  string          `json:"method,omitempty"`
	Params  json.RawMessage `json:"params,omitempty"`
	Result  json.RawMessage `json:"result,omitempty"`
	Error   *struct {
		Message string `json:"message"`
	} `json:"error,omitempty"`
}

// chromium starts a browser of this environment's user, with that home
// directory and nothing else of a person's.
func (e *env) chromium(home string, flags ...string) *browser {
	e.t.Helper()
	path := need(e.t, "chromium")
	profile := filepath.Join(home, "profile")
	e.mkdir(profile)
	argv := append([]string{path, "--headless", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
		"--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
		"--disable-features=HttpsUpgrades,HttpsFirstBalancedMode,HttpsFirstBalancedModeAutoEnable", "--no-proxy-server",
		"--user-data-dir=" + profile}, flags...)
	cmd := e.command(context.Background(), home, argv...)
	cmd.Env = append(append([]string{}, e.environ...), "PATH="+testPath, "HOME="+home, "XDG_RUNTIME_DIR="+home)
	in, toBrowser, err := os.Pipe()
	if err != nil {
		e.t.Fatal(err)
	}
	fromBrowser, out, err := os.Pipe()
	if err != nil {
		e.t.Fatal(err)
	}
	cmd.ExtraFiles = []*os.File{in, out} // it reads from 3 and writes to 4
	b := &browser{t: e.t, out: toBrowser, answers: make(map[int]chan devtoolsMessage), changed: make(chan struct{})}
	b.proc = background(e.t, cmd)
	err = errors.Join(in.Close(), out.Close())
	read := make(chan struct{})
	go func() { defer close(read); b.read(fromBrowser) }()
	e.t.Cleanup(func() {
		// Its other processes are of the same group.
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-b.proc.done
		_ = toBrowser.Close()
		<-read
		_ = fromBrowser.Close()
		if e.t.Failed() {
			e.t.Logf("chromium:\n%s", b.proc.stderr())
		}
	})
	if err != nil {
		e.t.Fatal(err)
	}
	return b
}

// read takes what the browser says, until it ends.
func (b *browser) read(from io.Reader) {
	r := bufio.NewReader(from)
	for {
		line, err := r.ReadBytes(0)
		var m devtoolsMessage
		if err == nil {
			err = json.Unmarshal(bytes.TrimSuffix(line, []byte{0}), &m)
		}
		b.mu.Lock()
		switch ch := b.answers[m.ID]; {
		case err != nil:
			b.ended = fmt.Errorf("the browser ended: %w", err)
		case ch != nil:
			ch <- m // it has room
			delete(b.answers, m.ID)
		default:
			b.events = append(b.events, m)
		}
		close(b.changed)
		b.changed = make(chan struct{})
		b.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// call asks the browser, or a page of it, and reads the answer into result
// unless that is nil.
func (b *browser) call(session, method string, params, result any) error {
	ch := make(chan devtoolsMessage, 1)
	p, err := json.Marshal(params)
	if err != nil {
		return err
	}
	b.mu.Lock()
	b.last++
	id := b.last
	b.answers[id] = ch
	m, err := json.Marshal(devtoolsMessage{ID: id, Session: session, Method: method, Params: p})
	if err == nil {
		_, err = b.out.Write(append(m, 0))
	}
	changed := b.changed
	b.mu.Unlock()
	if err != nil {
		return fmt.Errorf("%s: %w", method, err)
	}
	end := time.NewTimer(limit)
	defer end.Stop()
	for {
		select {
		case m := <-ch:
			if m.Error != nil {
				return fmt.Errorf("%s: %s", method, m.Error.Message)
			}
			if result == nil {
				return nil
			}
			return json.Unmarshal(m.Result, result)
		case <-changed:
			b.mu.Lock()
			changed, err = b.changed, b.ended
			b.mu.Unlock()
			if err != nil && len(ch) == 0 {
				return fmt.Errorf("%s: %w", method, err)
			}
		case <-end.C:
			return fmt.Errorf("%s: no answer after %s", method, limit)
		}
	}
}

// page is a tab of the browser.
type page struct {
	*browser
	session string
	from    int // events before this one are of earlier pages
}

func (b *browser) page() *page {
	b.t.Helper()
	var target struct {
		TargetID string `json:"targetId"`
	}
	var session struct {
		SessionID string `json:"sessionId"`
	}
	err := b.call("", "Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	if err == nil {
		err = b.call("", "Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &session)
	}
	p := &page{browser: b, session: session.SessionID}
	for _, domain := range []string{"Page", "Network", "Security", "Runtime"} {
		if err == nil {
			err = p.call(domain+".enable", map[string]any{}, nil)
		}
	}
	if err != nil {
		b.t.Fatal(err)
	}
	return p
}

func (p *page) call(method string, params, result any) error {
	return p.browser.call(p.session, method, params, result)
}

// open goes to an address and waits until it is loaded. It gives what the
// browser says where it cannot, such as net::ERR_CERT_AUTHORITY_INVALID.
func (p *page) open(url string) string {
	p.t.Helper()
	p.begin()
	var r struct {
		ErrorText string `json:"errorText"`
	}
	if err := p.call("Page.navigate", map[string]any{"url": url}, &r); err != nil {
		p.t.Fatalf("open %s: %v", url, err)
	}
	if r.ErrorText == "" {
		p.await("Page.loadEventFired", nil)
	}
	return r.ErrorText
}

// begin lets await see only what happens from now on.
func (p *page) begin() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.from = len(p.events)
}

// await waits for an event of this page for which match, if any, is true.
func (p *page) await(method string, match func(params json.RawMessage) bool) {
	p.t.Helper()
	end := time.NewTimer(limit)
	defer end.Stop()
	for next := p.from; ; {
		p.mu.Lock()
		news, changed, err := p.events[next:], p.changed, p.ended
		next = len(p.events)
		p.mu.Unlock()
		for _, m := range news {
			if m.Session == p.session && m.Method == method && (match == nil || match(m.Params)) {
				return
			}
		}
		if err != nil {
			p.t.Fatal(err)
		}
		select {
		case <-changed:
		case <-end.C:
			var seen []string
			for _, m := range p.events[p.from:] {
				seen = append(seen, m.Method+" "+string(m.Params))
			}
			p.t.Fatalf("no fitting %s after %s; there were\n%s", method, limit, strings.Join(seen, "\n"))
		}
	}
}

// eval returns the value of an expression, or what its promise gives, as text.
func (p *page) eval(expression string) string {
	p.t.Helper()
	out, err := p.try(expression)
	if err != nil {
		p.t.Fatal(err)
	}
	return out
}

func (p *page) try(expression string) (string, error) {
	var r struct {
		Result struct {
			Value any `json:"value"`
		} `json:"result"`
		Exception *struct {
			Text      string `json:"text"`
			Exception struct {
				Description string `json:"description"`
			} `json:"exception"`
		} `json:"exceptionDetails"`
	}
	err := p.call("Runtime.evaluate", map[string]any{"expression": expression, "awaitPromise": true, "returnByValue": true}, &r)
	switch {
	case err != nil:
		return "", err
	case r.Exception != nil:
		return "", fmt.Errorf("%s: %s %s", expression, r.Exception.Text, r.Exception.Exception.Description)
	}
	return fmt.Sprint(r.Result.Value), nil
}

// becomesBy is becomes for what a change leads to, which is made again now and
// then: a watcher may leave out one that comes soon after another (chokidar,
// which Vite uses, does for 50 ms).
func (p *page) becomesBy(change func(), expression, want string) {
	p.t.Helper()
	var made time.Time
	eventually(p.t, func() string {
		if time.Since(made) > time.Second {
			made = time.Now()
			change()
		}
		if got, err := p.try(expression); err != nil || got != want {
			return fmt.Sprintf("%s is %q (%v), want %q", expression, got, err, want)
		}
		return ""
	})
}

// becomes waits until an expression has a value. The page may be loaded anew
// meanwhile.
func (p *page) becomes(expression, want string) {
	p.t.Helper()
	eventually(p.t, func() string {
		if got, err := p.try(expression); err != nil || got != want {
			return fmt.Sprintf("%s is %q (%v), want %q", expression, got, err, want)
		}
		return ""
	})
}
