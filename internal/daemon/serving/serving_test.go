package serving

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/keeperapi"
	"lodge/internal/localapi"
	"lodge/internal/loopback"
	"lodge/internal/names"
	"lodge/internal/proxy"
	"lodge/internal/service"
)

// rig is a server of names on a port of its own, with names of the test's.
type rig struct {
	*opened
	t     *testing.T
	addr  string
	table *fakeNames
	trust string
}

// fakeNames is a table of names that the test sets.
type fakeNames struct {
	mu      sync.Mutex // guards what follows
	table   *names.Table
	changed chan struct{}
}

func (n *fakeNames) Table() *names.Table {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.table
}

func (n *fakeNames) Changed() <-chan struct{} {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.changed
}

// noProjects has no project, so that no keeper is asked.
type noProjects struct{}

func (noProjects) Has(string) bool                        { return false }
func (noProjects) Client(string) (keeperapi.Client, bool) { return keeperapi.Client{}, false }
func (noProjects) State(string) (localapi.Project, bool)  { return localapi.Project{}, false }
func (noProjects) Look(context.Context, string)           {}
func (noProjects) Gone(string) (<-chan struct{}, bool)    { return nil, false }

func newRig(t *testing.T) *rig {
	t.Helper()
	lns, err := listenLoopback(0)
	if err != nil {
		t.Fatal(err)
	}
	for _, ln := range lns[1:] { // ::1 has another port
		_ = ln.Close()
	}
	port := uint16(lns[0].Addr().(*net.TCPAddr).Port)
	table := &fakeNames{table: names.New(nil), changed: make(chan struct{})}
	trust := filepath.Join(t.TempDir(), "state", "trust")
	s := New(Options{Names: table, Projects: noProjects{}, TrustDir: trust, Log: slog.New(slog.DiscardHandler)})
	if err := s.serve(&Web{https: lns[:1], http: lns[:1], httpsPort: port, httpPort: port}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return &rig{opened: s.opened.Load(), t: t, addr: lns[0].Addr().String(), table: table, trust: trust}
}

// names makes the table anew, as the daemon does when a keeper tells something.
func (r *rig) names(list ...names.Project) {
	r.table.mu.Lock()
	r.table.table = names.New(list)
	r.table.mu.Unlock()
	r.server.Update()
	r.table.mu.Lock()
	close(r.table.changed)
	r.table.changed = make(chan struct{})
	r.table.mu.Unlock()
}

func (r *rig) ask(host string) (int, string) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, "http://"+r.addr+"/", nil)
	if err != nil {
		r.t.Fatal(err)
	}
	req.Host = host
	tr := &http.Transport{DisableKeepAlives: true}
	resp, err := (&http.Client{Transport: tr, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}).Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// What a request gets depends on what the service is doing. pages answers 418.
func TestWhatARequestGets(t *testing.T) {
	r := newRig(t)
	up, mail := listening(t, "web", 1, pages), listening(t, "mail", 2, banner)
	socket := filepath.Join(t.TempDir(), "s")
	ln, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { defer close(done); pages(ln) }()
	t.Cleanup(func() { _ = ln.Close(); <-done })
	closed := []loopback.Endpoint{{Protocol: loopback.TCP, IP: netip.MustParseAddr("127.0.0.1"), Port: 1}}
	for i, c := range []struct {
		what   string
		st     service.Status
		status int
		says   string
	}{
		{"ready", service.Status{State: service.Up, Endpoints: up.Endpoints}, 418, ""},
		{"ready, on a Unix socket", service.Status{State: service.Up, Naming: service.Naming{}, HTTPSocket: socket}, 418, ""},
		{"ready, with a port that the file gives", service.Status{State: service.Up, HTTP: up.Endpoints[0].Port, Endpoints: append(closed, up.Endpoints...)}, 418, ""},
		{"ready, but not on the port that the file gives", service.Status{State: service.Up, HTTP: 1, Endpoints: up.Endpoints}, 502, "shop/web runs, and does not listen on port 1, which http"},
		{"ready, and one of its ports is closed", service.Status{State: service.Up, Endpoints: append(closed, up.Endpoints...)}, 418, ""},
		{"redirected", service.Status{State: service.Up, Endpoints: up.Endpoints, Naming: service.Naming{PlainHTTP: "redirect"}}, 307, "https://web.shop.localhost"},
		{"stopped", service.Status{State: service.Stopped}, 502, "lodge up web"},
		{"failed", service.Status{State: service.Failed, Reason: "exit status 3"}, 502, "exit status 3"},
		{"a command that failed", service.Status{State: service.Failed, Kind: service.KindRun, Command: "npm run dev"}, 502, "lodge run -- npm run dev"},
		{"a command that ended", service.Status{State: service.Exited, Reason: "ended with status 0"}, 404, "shop/web has ended with status 0"},
		{"a worker", service.Status{State: service.Up}, 404, "shop/web runs, and listens nowhere"},
		{"a database", service.Status{State: service.Up, Scheme: "postgres", Endpoints: up.Endpoints}, 404, "does not speak HTTP"},
		{"of another protocol by its word", service.Status{State: service.Up, Endpoints: up.Endpoints, Naming: service.Naming{NoHTTP: true}}, 404, "connect to web.shop.test:"},
		{"of another protocol, as asking shows", service.Status{State: service.Up, Endpoints: mail.Endpoints}, 404, "does not speak HTTP"},
		{"ready, on a control port below its page", service.Status{State: service.Up, Endpoints: append(mail.Endpoints, up.Endpoints...)}, 418, ""},
	} {
		c.st.Name, c.st.Restarts = "web", i
		r.names(names.Project{ID: "1", Label: "shop", Services: []service.Status{c.st}})
		if status, body := r.ask("web.shop.localhost"); status != c.status || !strings.Contains(body, c.says) {
			t.Errorf("%s: %d, %q; want %d, %q", c.what, status, body, c.status, c.says)
		}
	}
}

// A request for a service that starts waits until it has, or has failed.
func TestARequestWaits(t *testing.T) {
	r := newRig(t)
	up := listening(t, "web", 1, pages)
	for _, c := range []struct {
		from   service.State
		to     service.Status
		status int
	}{
		{service.Starting, *up, 418},
		{service.Waiting, *up, 418},
		{service.Backoff, *up, 418},
		{service.Stopping, *up, 418}, // a restart, most likely
		{service.Starting, service.Status{Name: "web", State: service.Failed}, 502},
	} {
		r.names(names.Project{ID: "1", Label: "shop", Services: []service.Status{{Name: "web", State: c.from}}})
		before := r.engine.Usage("shop/web").Requests
		got := make(chan string, 1)
		go func() {
			req, _ := http.NewRequest(http.MethodGet, "http://"+r.addr, nil)
			req.Host = "web.shop.localhost"
			resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
			if err != nil {
				got <- err.Error()
				return
			}
			_ = resp.Body.Close()
			got <- fmt.Sprint(resp.StatusCode)
		}()
		// Through the states in between, nothing is answered.
		for _, st := range []service.State{service.Starting, service.Waiting, service.Starting} {
			r.names(names.Project{ID: "1", Label: "shop", Services: []service.Status{{Name: "web", State: st}}})
		}
		select {
		case s := <-got:
			t.Errorf("while it is %s: %s", c.from, s)
			continue
		default:
		}
		if n := r.engine.Usage("shop/web").Requests; n != before {
			t.Errorf("while it is %s, a request was carried to it", c.from)
		}
		r.names(names.Project{ID: "1", Label: "shop", Services: []service.Status{c.to}})
		if s := <-got; s != fmt.Sprint(c.status) {
			t.Errorf("from %s to %s: %s, want %d", c.from, c.to.State, s, c.status)
		}
	}
}

// A project's own name: its default service, or the only one that speaks HTTP.
func TestAProjectsOwnName(t *testing.T) {
	r := newRig(t)
	web, other, mail := listening(t, "web", 1, pages), listening(t, "admin", 2, pages), listening(t, "mail", 3, banner)
	chosen := *other
	chosen.Default = true
	for _, c := range []struct {
		what     string
		services []service.Status
		status   int
		says     string
	}{
		{"one", []service.Status{*web}, 418, ""},
		{"one, and a server of another protocol", []service.Status{*mail, *web}, 418, ""},
		{"two", []service.Status{*web, *other, *mail}, 502, "shop.localhost could mean several services"},
		{"two, by their addresses", []service.Status{*web, *other, *mail}, 502, "://admin.shop.localhost"},
		{"two, and one is the default", []service.Status{*web, chosen}, 418, ""},
		{"none", []service.Status{*mail}, 404, "does not speak HTTP"},
		{"nothing", nil, 404, ""},
	} {
		r.names(names.Project{ID: "1", Label: "shop", Services: c.services})
		status, body := r.ask("shop.localhost")
		if status != c.status || !strings.Contains(body, c.says) || status != 404 && strings.Contains(body, "mail.shop") {
			t.Errorf("%s: %d, %q; want %d, %q", c.what, status, body, c.status, c.says)
		}
	}
}

// Two projects that want one name: the first has it, and the others' names go
// on to lead somewhere.
func TestTwoOfOneLabel(t *testing.T) {
	r := newRig(t)
	web := listening(t, "web", 1, pages)
	r.names(names.Project{ID: "1", Label: "shop", Services: []service.Status{*web}},
		names.Project{ID: "2", Label: "shop", Services: []service.Status{{Name: "web", State: service.Failed}}},
		names.Project{ID: "3", Label: "third", Services: []service.Status{*web}})
	for _, host := range []string{"web.shop.localhost", "web.third.localhost"} {
		if status, body := r.ask(host); status != 418 {
			t.Errorf("%s: %d, %s", host, status, body)
		}
	}
}

// There is a certificate for names that lead somewhere, and for no others. An
// authority that could not be opened is tried again.
func TestCertificatesForNames(t *testing.T) {
	r := newRig(t)
	web := listening(t, "web", 1, pages)
	r.names(names.Project{ID: "1", Label: "shop", Services: []service.Status{*web}})
	hello := func(name string) (*x509.Certificate, error) {
		c, err := tls.Dial("tcp", r.addr, &tls.Config{ServerName: name, InsecureSkipVerify: true})
		if err != nil {
			return nil, err
		}
		defer c.Close()
		return c.ConnectionState().PeerCertificates[0], nil
	}
	state := filepath.Dir(r.trust)
	if err := os.WriteFile(state, nil, 0o600); err != nil { // in the way of the directory
		t.Fatal(err)
	}
	if _, err := hello("web.shop.localhost"); err == nil {
		t.Fatal("a certificate without an authority")
	}
	if err := os.Remove(state); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"web.shop.localhost", "x.web.shop.localhost", "shop.localhost", "localhost"} {
		if c, err := hello(name); err != nil || len(c.DNSNames) != 1 || c.DNSNames[0] != name {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, name := range []string{"api.shop.localhost", "evil.example", "web.shop.test"} {
		if c, err := hello(name); err == nil {
			t.Errorf("%s has a certificate for %v", name, c.DNSNames)
		}
	}
}

// When a service was used last: requests, connections to it, or its start.
func TestUsed(t *testing.T) {
	r := newRig(t)
	web := listening(t, "web", 1, func(ln net.Listener) {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			_, _ = io.Copy(io.Discard, c) // until the client closes
			_ = c.Close()
		}
	})
	started := time.Now().Add(-time.Hour)
	web.StartedAt = &started
	r.names(names.Project{ID: "1", Label: "shop", Services: []service.Status{*web}})
	if got := r.used("shop/web", web, time.Time{}, new(connections)); !got.Equal(started) {
		t.Errorf("never asked: %s, want its start %s", got, started)
	}
	seen := started.Add(time.Minute)
	if got := r.used("shop/web", web, seen, new(connections)); !got.Equal(seen) {
		t.Errorf("seen in use once: %s, want %s", got, seen)
	}
	c, err := net.Dial("tcp", web.Endpoints[0].AddrPort().String())
	if err != nil {
		t.Fatal(err)
	}
	if got := r.used("shop/web", web, seen, new(connections)); !got.After(seen) {
		t.Errorf("with a connection: %s", got)
	}
	_ = c.Close()
	if !within(func() bool { return r.used("shop/web", web, seen, new(connections)).Equal(seen) }) {
		t.Error("a connection that was closed counts")
	}
}

// The ports of names: both halves of localhost, or none.
func TestListenLoopback(t *testing.T) {
	lns, err := listenLoopback(0)
	if err != nil {
		t.Fatal(err)
	}
	port := uint16(lns[0].Addr().(*net.TCPAddr).Port)
	if _, err := listenLoopback(port); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("listen on port %d: address already in use", port)) {
		t.Errorf("a port that is taken: %v", err)
	}
	if len(lns) < 2 {
		t.Skip("there is no IPv6 on this machine")
	}
	six := uint16(lns[1].Addr().(*net.TCPAddr).Port)
	if got, err := listenLoopback(six); err == nil {
		t.Errorf("half of localhost: %v", got)
	}
	// What it opened before it saw that is closed again.
	ln, err := net.Listen("tcp4", fmt.Sprintf("127.0.0.1:%d", six))
	if err != nil {
		t.Error(err)
	} else {
		_ = ln.Close()
	}
	w := &Web{https: lns, http: lns, httpsPort: port, httpPort: port}
	if got := w.listeners(); len(got) != 2 || got[0].Scheme != proxy.Both {
		t.Errorf("listeners %+v", got)
	}
	if got := w.URL("web.shop.localhost"); got != fmt.Sprintf("https://web.shop.localhost:%d", port) {
		t.Error(got)
	}
	usual := &Web{https: lns[:1], http: lns[1:], httpsPort: 443, httpPort: 80}
	if got := usual.listeners(); len(got) != 2 || got[0].Scheme != proxy.TLS || got[1].Scheme != proxy.Plain {
		t.Errorf("listeners %+v", got)
	}
	if got := usual.URL("shop.localhost"); got != "https://shop.localhost" {
		t.Error(got)
	}
	for range 2 { // the proxy may have closed them already
		if err := w.close(); err != nil {
			t.Error(err)
		}
	}
	if got := (*Web)(nil).URL("x") + (&Web{}).URL("x"); got != "" {
		t.Error(got)
	}
	// Below 1024, and without the right to it, the error is what it is.
	if os.Geteuid() != 0 {
		if _, err := listenLoopback(1); err == nil || !strings.Contains(err.Error(), unix.EACCES.Error()) {
			t.Errorf("port 1: %v", err)
		}
	}
}
