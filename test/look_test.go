package test

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"
)

// portsSocket is a socket as `lodge ports --json` prints it. The names of the
// fields are written out here once more: they are a promise.
type portsSocket struct {
	Protocol  string         `json:"protocol"`
	State     string         `json:"state"`
	Local     *portsAddress  `json:"local"`
	Remote    *portsAddress  `json:"remote"`
	Scope     string         `json:"scope"`
	Processes []portsProcess `json:"processes"`
	Unknown   bool           `json:"owner_unknown"`
	Project   string         `json:"project"`
	Service   string         `json:"service"`
	Peer      *struct {
		Processes []portsProcess `json:"processes"`
		Project   string         `json:"project"`
		Service   string         `json:"service"`
	} `json:"peer"`
}

type portsAddress struct {
	IP   netip.Addr `json:"ip"`
	Port uint16     `json:"port"`
}

type portsProcess struct {
	PID        int       `json:"pid"`
	Name       string    `json:"name"`
	Command    string    `json:"command"`
	Executable string    `json:"executable"`
	Directory  string    `json:"directory"`
	StartedAt  time.Time `json:"started_at"`
}

// ports returns what `lodge ports --json` prints.
func (p *project) ports(args ...string) []portsSocket {
	p.t.Helper()
	out := p.lodge(append([]string{"ports", "--json"}, args...)...).ok(p.t)
	var a struct {
		Sockets []portsSocket `json:"sockets"`
		Unknown *int          `json:"unknown_owners"`
	}
	if err := json.Unmarshal([]byte(out), &a); err != nil {
		p.t.Fatalf("read ports --json: %v\n%.2000s", err, out)
	}
	if a.Unknown == nil {
		p.t.Errorf("ports --json does not say how many owners are unknown")
	}
	return a.Sockets
}

// talker holds a connection to the API of its own project.
const talker = `
import socket, time
while True:
    try:
        s = socket.create_connection(("localhost", 4100))
        break
    except OSError:
        time.sleep(0.02)
print("connected", s.getsockname()[1], flush=True)
s.recv(1)
`

// holder accepts and says nothing.
const holder = `
import socket
l = socket.create_server(("127.0.0.1", 4100))
print("listening", flush=True)
held = []
while True:
    held.append(l.accept())
`

// Two projects on the same port: who listens and who is connected is told with
// the project, the service and both ends.
func TestPortsOfProjects(t *testing.T) {
	python(t)
	eachEngine(t, func(t *testing.T, e *env) {
		ps := e.pair("api.py", holder, "talk.py", talker, "lodge.toml", `version = 1
[services.api]
command = "`+systemPython+` api.py"
[services.talk]
command = "`+systemPython+` talk.py"
needs = ["api"]
ready = { log = "connected" }
`)
		for _, p := range ps {
			p.up()
			home := p.home("tcp", 4100)
			var listener, client, server *portsSocket
			sockets := p.ports("4100", "--project", p.name)
			for i := range sockets {
				switch s := &sockets[i]; {
				case s.State == "listen":
					listener = s
				case s.State == "established" && s.Remote.Port == 4100:
					client = s
				case s.State == "established" && s.Local.Port == 4100:
					server = s
				}
			}
			if len(sockets) != 3 || listener == nil || client == nil || server == nil {
				t.Fatalf("%s: %d sockets: %+v", p.name, len(sockets), sockets)
			}
			if netip.AddrPortFrom(listener.Local.IP, listener.Local.Port) != home || listener.Scope != "home" || listener.Project != p.name || listener.Service != "api" {
				t.Errorf("the listener at %s: %+v", home, listener)
			}
			api, _ := p.service("api")
			talk, _ := p.service("talk")
			if len(listener.Processes) != 1 || listener.Processes[0].PID != api.PID || listener.Processes[0].Directory != p.dir ||
				!strings.Contains(listener.Processes[0].Command, "api.py") || listener.Processes[0].StartedAt.IsZero() {
				t.Errorf("who listens: %+v, want process %d", listener.Processes, api.PID)
			}
			for _, end := range []struct {
				name           string
				s              *portsSocket
				own, other     string
				ownPID, theirs int
			}{{"client", client, "talk", "api", talk.PID, api.PID}, {"server", server, "api", "talk", api.PID, talk.PID}} {
				s := end.s
				if s.Project != p.name || s.Service != end.own || len(s.Processes) != 1 || s.Processes[0].PID != end.ownPID {
					t.Errorf("the %s's end: %+v", end.name, s)
				}
				if s.Peer == nil || s.Peer.Project != p.name || s.Peer.Service != end.other || len(s.Peer.Processes) != 1 || s.Peer.Processes[0].PID != end.theirs {
					t.Errorf("the %s's other end: %+v", end.name, s.Peer)
				}
			}
			// The same by PROJECT/SERVICE, for people.
			text := p.lodge("ports", p.name+"/talk").ok(t)
			want := p.name + "/talk"
			if !strings.Contains(text, "→") || !strings.Contains(text, want) || !strings.Contains(text, p.name+"/api") || !strings.Contains(text, home.String()) {
				t.Errorf("ports %s for people:\n%s", want, text)
			}
			// A service alone is no filter: whose would it be?
			if r := p.lodge("ports", "talk"); r.code != 1 || r.stdout != "" || !strings.Contains(r.stderr, `no socket matches a process or project "talk" (hint: lodge ports `) || !strings.Contains(r.stderr, "/talk)") {
				t.Error(r)
			}
			if strings.Contains(text, "\x1b") {
				t.Errorf("colour in a pipe: %q", text)
			}
		}
		differ(t, ps[0].home("tcp", 4100), ps[1].home("tcp", 4100))
	})
}

// Root who was called by sudo sees the names of that user's projects.
func TestPortsBySudo(t *testing.T) {
	needRoot(t)
	t.Parallel()
	e := newEnv(t, seccomp)
	e.environ = []string{} // as sudo finds it: the user's daemon is in its usual place
	run, state := fmt.Sprintf("/tmp/lodge-%d", e.uid), fmt.Sprintf("/var/tmp/lodge-%d", e.uid)
	for _, d := range []string{run, state} {
		t.Cleanup(func() {
			if err := os.RemoveAll(d); err != nil {
				t.Error(err)
			}
		})
	}
	t.Cleanup(func() { e.lodge(e.base, "down", "--all").ok(t); e.gone() })
	p := e.project("theirs", "lodge.toml", config("web", peerBin+" http localhost:4300 page"))
	p.up()
	home := p.home("tcp", 4300)
	cmd := hostCommand(e.bin, "ports", "--no-header", "theirs/web")
	cmd.Env = []string{"XDG_RUNTIME_DIR=" + e.base, "XDG_STATE_HOME=" + e.base, fmt.Sprintf("SUDO_UID=%d", e.uid)}
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), home.String()) || !strings.Contains(string(out), "theirs/web") || strings.Count(string(out), "\n") != 1 {
		t.Errorf("%v:\n%s", err, out)
	}
}
