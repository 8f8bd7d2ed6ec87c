package machine

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// site is a project of an ordinary user with one service, as `lodge ls --json`
// prints it.
type site struct {
	*user
	lodge, name string
}

type listed struct {
	Path     string `json:"path"`
	Engine   string `json:"engine"`
	Reason   string `json:"engine_reason"`
	Services []struct {
		PID   int    `json:"pid"`
		State string `json:"state"`
		URL   string `json:"url"`
	} `json:"services"`
}

// newSite makes a project whose only service lists its directory on port 5000.
func newSite(u *user, lodge, name string) *site {
	u.t.Helper()
	u.mkdir(name)
	config := "version = 1\nname = \"" + name + "\"\n[services.store]\ncommand = \"/usr/bin/python3 -m http.server 5000\"\n"
	if err := os.WriteFile(filepath.Join(u.path(name), "lodge.toml"), []byte(config), 0o644); err != nil {
		u.t.Fatal(err)
	}
	return &site{u, lodge, name}
}

func (s *site) up() { s.t.Helper(); s.do(s.name, s.lodge, "up", "-d") }

func (s *site) down() { s.t.Helper(); s.do(s.name, s.lodge, "down") }

// ls returns the project as it is listed.
func (s *site) ls() listed {
	s.t.Helper()
	var a struct {
		Projects []listed `json:"projects"`
	}
	out := s.do(s.name, s.lodge, "ls", "--json")
	if err := json.Unmarshal([]byte(out), &a); err != nil {
		s.t.Fatalf("read ls --json: %v\n%s", err, out)
	}
	for _, p := range a.Projects {
		if p.Path == s.path(s.name) {
			return p
		}
	}
	s.t.Fatalf("ls does not list %s:\n%s", s.name, out)
	return listed{}
}

// get fetches a URL of which only the authority of the certificate is not
// known here, and returns the status, or what went wrong.
func get(url string) string {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err.Error()
	}
	tr := &http.Transport{
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true},
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			host, port, err := net.SplitHostPort(addr)
			if err == nil && strings.HasSuffix(host, ".localhost") {
				addr = net.JoinHostPort("127.0.0.1", port) // as browsers do (RFC 6761)
			}
			var d net.Dialer
			return d.DialContext(ctx, network, addr)
		},
	}
	defer tr.CloseIdleConnections()
	res, err := tr.RoundTrip(req)
	if err != nil {
		return err.Error()
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return err.Error()
	}
	return fmt.Sprint(res.StatusCode)
}

// served checks that the project runs with ebpf, and is at its names: on 443
// and 80 without a port in the URL, and below .test straight at its home.
func (s *site) served() {
	s.t.Helper()
	p := s.ls()
	if p.Engine != "ebpf" || len(p.Services) != 1 || p.Services[0].State != "ready" {
		s.t.Fatalf("ls lists %+v, want engine ebpf and one service that is ready", p)
	}
	want := "https://store." + s.name + ".localhost"
	if p.Services[0].URL != want {
		s.t.Errorf("url %s, want %s", p.Services[0].URL, want)
	}
	for _, url := range []string{want + "/", "http://store." + s.name + ".localhost/", "http://store." + s.name + ".test:5000/"} {
		eventually(s.t, func() string {
			if got := get(url); got != "200" {
				return url + ": " + got
			}
			return ""
		})
	}
}

func systemctl(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command("systemctl", args...).CombinedOutput(); err != nil {
		t.Fatalf("systemctl %s: %v: %s", strings.Join(args, " "), err, out)
	}
}

// An administrator sets lodge up, an ordinary user has all of it, also after
// the helper was ended in any way, and nothing is left when it is taken away.
func TestSetup(t *testing.T) {
	lodge := filepath.Join(programs(t), "lodge")
	if out, err := exec.Command("systemctl", "is-system-running").Output(); err != nil && len(out) == 0 {
		t.Fatalf("this machine was not booted with systemd: %v", err)
	}
	// Whatever systemctl makes at its first use is made now.
	systemctl(t, "daemon-reload")
	root := newUser(t, 0)
	u := newUser(t, 12345)
	before := snapshot(t)

	root.do("", lodge, "setup")
	one := newSite(u, lodge, "one")
	one.up()
	one.served()
	pid := one.ls().Services[0].PID

	for _, end := range [][]string{{"restart", "lodge-helper.service"}, {"kill", "--signal=SIGKILL", "lodge-helper.service"}, {"stop", "lodge-helper.service"}} {
		systemctl(t, end...)
		if now := one.ls().Services[0]; now.PID != pid || now.State != "ready" {
			t.Errorf("after systemctl %s: %+v, want process %d as before", strings.Join(end, " "), now, pid)
		}
		two := newSite(u, lodge, "two-"+end[0])
		two.up()
		two.served()
		two.down()
		t.Logf("after systemctl %s all is served", strings.Join(end, " "))
	}
	one.served()
	// Set up again over itself, as after an update: what runs goes on.
	root.do("", lodge, "setup")
	if now := one.ls().Services[0]; now.PID != pid || now.State != "ready" {
		t.Errorf("after a second setup: %+v, want process %d as before", now, pid)
	}
	one.down()

	// Nor does a helper leave anything that ended as failed just before.
	eventually(t, func() string {
		if exec.Command("systemctl", "is-failed", "--quiet", "lodge-helper.service").Run() == nil {
			return ""
		}
		systemctl(t, "start", "lodge-helper.service")
		systemctl(t, "kill", "--signal=SIGKILL", "lodge-helper.service")
		return "lodge-helper.service has not failed"
	})
	root.do("", lodge, "setup", "--uninstall")
	eventually(t, func() string {
		if left := differences(before, snapshot(t)); len(left) > 0 {
			return "left by setup --uninstall:\n" + strings.Join(left, "\n")
		}
		return ""
	})
	// A second time it has nothing to do, and says nothing.
	if out := root.do("", lodge, "setup", "--uninstall"); out != "" {
		t.Errorf("a second --uninstall: %q", out)
	}
}
