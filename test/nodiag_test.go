package test

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// withoutDiag starts all commands of an environment without sock_diag: with
// ebpf as on a kernel that lacks it, with seccomp as in a sandbox that forbids
// every netlink socket.
func withoutDiag(e *env) {
	e.prefix = []string{nodiagBin, "-uid", strconv.Itoa(e.uid)}
	if e.engine == seccomp {
		e.prefix = append(e.prefix, "-all", "-errno", strconv.Itoa(int(unix.EAFNOSUPPORT)))
	}
	e.prefix = append(e.prefix, "--")
}

// socketRow is what `lodge ports --json` prints of a socket, as far as it is
// looked at here.
type socketRow struct {
	Protocol     string          `json:"protocol"`
	State        string          `json:"state"`
	Local        *lsEndpoint     `json:"local"`
	Source       string          `json:"source"`
	Cookie       json.RawMessage `json:"cookie"`
	Cgroup       json.RawMessage `json:"cgroup_id"`
	BacklogLimit json.RawMessage `json:"backlog_limit"`
	Backlog      json.RawMessage `json:"backlog"`
	Project      string          `json:"project"`
	Service      string          `json:"service"`
	Processes    []struct {
		PID int `json:"pid"`
	} `json:"processes"`
}

// Where sock_diag is missing, what runs is still seen, named and reached, and
// lodge says what it cannot know.
func TestWithoutSockDiag(t *testing.T) {
	python(t)
	eachEngine(t, func(t *testing.T, e *env) {
		p := e.project("nodiag", "serve.py", restless, "listen", "", "lodge.toml",
			config("web", systemPython+" serve.py 28470")+`[services.six]
command = "`+systemPython+` -m http.server 28475 --bind ::1"
`)
		p.up()
		at := p.home("tcp", 28470)
		p.home("udp", 28471)
		if got, err := fetch(p.byName(2), p.urlOf("web")); err != nil || got != "the service" {
			t.Errorf("by its name: %q, %v", got, err)
		}
		for _, url := range []string{"http://localhost:28470", "http://127.0.0.1:28470", "http://[::1]:28475"} {
			if got := p.exec(systemPython, "-c", "import urllib.request as u; print(u.urlopen('"+url+"').status)"); strings.TrimSpace(got) != "200" {
				t.Errorf("inside, %s: %q", url, got)
			}
		}
		if svc, ok := p.service("six"); !ok || svc.State != "ready" || len(svc.Endpoints) != 1 || svc.Endpoints[0].Port != 28475 {
			t.Errorf("six: %+v", svc)
		}
		p.portsWithoutDiag(at)
		p.doctorWithoutDiag()
		if text := p.lodge("explain", at.String()).ok(t); !strings.Contains(text, "ervice web of project nodiag") || !strings.Contains(text, "/proc/net") {
			t.Errorf("explain: %s", text)
		}
		if text := p.lodge("probe", at.String()).ok(t); !strings.Contains(text, "HTTP") {
			t.Errorf("probe: %s", text)
		}
		before, _ := p.service("web")
		p.lodge("restart", "web").ok(t)
		if after, _ := p.service("web"); after.State != "ready" || after.PID == before.PID || p.home("tcp", 28470) != at {
			t.Errorf("restarted: %+v, before %+v", after, before)
		}
		p.lodge("down").ok(t)
	}, withoutDiag)
}

func (p *project) portsWithoutDiag(at netip.AddrPort) {
	p.t.Helper()
	var table struct {
		Sockets  []socketRow `json:"sockets"`
		Warnings []string    `json:"warnings"`
	}
	out := p.lodge("ports", "--json", fmt.Sprint(at.Port())).ok(p.t)
	if err := json.Unmarshal([]byte(out), &table); err != nil {
		p.t.Fatalf("read ports --json: %v\n%s", err, out)
	}
	if len(table.Warnings) == 0 || !strings.Contains(table.Warnings[0], "/proc/net") {
		p.t.Errorf("ports --json: warnings %q", table.Warnings)
	}
	svc, _ := p.service("web")
	found := false
	for _, r := range table.Sockets {
		if r.Source != "proc" || r.Cookie != nil || r.Cgroup != nil || r.BacklogLimit != nil {
			p.t.Errorf("ports --json tells what is not known: %+v", r)
		}
		if r.State == "listen" && r.Local != nil && netip.AddrPortFrom(r.Local.IP, r.Local.Port) == at {
			found = true
			if r.Project != p.name || r.Service != "web" || len(r.Processes) != 1 || r.Processes[0].PID != svc.PID || r.Backlog == nil {
				p.t.Errorf("listener %+v, want process %d", r, svc.PID)
			}
		}
	}
	if !found {
		p.t.Errorf("ports --json lacks %v: %s", at, out)
	}
	text := p.lodge("ports", fmt.Sprint(at.Port()))
	if text.ok(p.t); strings.Count(text.stderr, "/proc/net") != 1 {
		p.t.Errorf("ports says %q", text.stderr)
	}
}

func (p *project) doctorWithoutDiag() {
	p.t.Helper()
	var doctor struct {
		Capabilities []struct{ Name, Status, Reason, Hint string }
	}
	out := p.lodge("doctor", "--json").ok(p.t)
	if err := json.Unmarshal([]byte(out), &doctor); err != nil {
		p.t.Fatalf("read doctor --json: %v\n%s", err, out)
	}
	seen := 0
	for _, c := range doctor.Capabilities {
		switch {
		case strings.HasPrefix(c.Name, "sock_diag "):
			seen++
			if c.Status != "no" || !strings.Contains(c.Reason, "/proc/net/") || !strings.Contains(c.Hint, "AF_NETLINK") {
				p.t.Errorf("doctor: %+v", c)
			}
		case c.Name == "engine "+p.engine && c.Status != "yes":
			p.t.Errorf("doctor: %+v", c)
		}
	}
	if seen != 3 {
		p.t.Errorf("doctor has %d lines of sock_diag: %s", seen, out)
	}
}

// Nobody is led to another user's server for want of sock_diag.
func TestAnotherUserTakesAnAddressWithoutSockDiag(t *testing.T) {
	anotherTakesAll(t, 28480, withoutDiag)
}
