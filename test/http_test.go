package test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// get fetches a page from outside. Servers that look at the name by which they
// are called see localhost, as in a browser.
func get(at netip.AddrPort, path string) (string, error) {
	client := &http.Client{
		Timeout: 20 * time.Second,
		Transport: &http.Transport{
			DisableKeepAlives: true,
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return (&net.Dialer{}).DialContext(ctx, "tcp", at.String())
			},
		},
	}
	resp, err := client.Get(fmt.Sprintf("http://localhost:%d%s", at.Port(), path))
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %s", resp.Status)
	}
	return string(b), err
}

// shows waits until the page, fetched from outside, contains the text.
func shows(t *testing.T, at netip.AddrPort, path, text string) {
	t.Helper()
	eventually(t, func() string {
		got, err := get(at, path)
		if err != nil {
			return fmt.Sprintf("fetch %s%s from outside: %v", at, path, err)
		}
		if !strings.Contains(got, text) {
			return fmt.Sprintf("%s%s from outside shows %q, want %q", at, path, got, text)
		}
		return ""
	})
}

// curl fetches a page from inside, which must contain the text.
func (p *project) curl(url, text string) {
	p.t.Helper()
	need(p.t, "curl")
	if got := p.exec("curl", "-sS", "--max-time", "20", "--noproxy", "*", url); !strings.Contains(got, text) {
		p.t.Fatalf("curl %s inside %s: %q, want %q", url, p.name, got, text)
	}
}

// serves brings up both projects and checks that each serves its own page:
// inside by every name of localhost that is given, outside by its home.
func serves(t *testing.T, ps [2]*project, port uint16, path string, text func(*project) string, hosts ...string) {
	t.Helper()
	for _, p := range ps {
		p.up()
	}
	check(t, ps, port, path, text, hosts...)
}

func check(t *testing.T, ps [2]*project, port uint16, path string, text func(*project) string, hosts ...string) {
	t.Helper()
	var at [2]netip.AddrPort
	for i, p := range ps {
		at[i] = p.home("tcp", port)
	}
	differ(t, at[0], at[1])
	for i, p := range ps {
		shows(t, at[i], path, text(p))
		for _, h := range hosts {
			p.curl(fmt.Sprintf("http://%s:%d%s", h, port, path), text(p))
		}
	}
}

// says returns a text that tells the two projects apart.
func says(prefix string) func(*project) string {
	return func(p *project) string { return prefix + " " + p.name }
}

// localhosts are the names by which a dual or IPv4 server is reached inside.
var localhosts = []string{"localhost", "127.0.0.1", "[::1]", "0.0.0.0"}
