package test

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// eventLine is what these tests read of a line of `lodge events --json`.
type eventLine struct {
	Stream  string
	Number  uint64
	Kind    string
	Subject struct{ Project, Service string }
	Service *struct {
		Change, From, To string
		PID              int
		ExitStatus       *int `json:"exit_status"`
	}
	Name *struct{ Change, Host string }
	Lost *struct {
		From, To   uint64
		Of, Reason string
	}
	Socket *eventSocket
	raw    string
}

// eventSocket is what a line has of a socket.
type eventSocket struct {
	Change, Protocol, State, Process, Project, Service string
	PID                                                int
	Local                                              struct {
		IP   string
		Port int
	}
}

// first returns the number of the first event that a line stands for.
func (e *eventLine) first() uint64 {
	if e.Lost != nil && e.Lost.From != 0 {
		return e.Lost.From
	}
	return e.Number
}

// eventLines reads whole lines of `lodge events --json`.
func eventLines(t *testing.T, out string) []eventLine {
	t.Helper()
	var all []eventLine
	for {
		line, rest, ok := strings.Cut(out, "\n")
		if !ok {
			return all
		}
		out = rest
		e := eventLine{raw: line}
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("read an event: %v\n%s", err, line)
		}
		all = append(all, e)
	}
}

// inOrder checks that the numbers have no gap, that nothing is lost but sockets that
// a daemon before had seen, and that each transition begins in the state in which the one before of its service ended.
func inOrder(t *testing.T, all []eventLine) {
	t.Helper()
	state := make(map[string]string)
	for i, e := range all {
		if e.Kind == "lost" && (e.Lost == nil || e.Lost.Of != "socket" || e.Lost.Reason != "daemon_ended") {
			t.Errorf("lost: %s", e.raw)
		}
		if i > 0 && (e.first() != all[i-1].Number+1 || e.Stream != all[i-1].Stream) {
			t.Errorf("after event %d of %s comes\n%s", all[i-1].Number, all[i-1].Stream, e.raw)
		}
		if e.Service == nil || e.Service.Change != "state" {
			continue
		}
		if was, ok := state[e.Subject.Service]; ok && was != e.Service.From {
			t.Errorf("%s was %s before\n%s", e.Subject.Service, was, e.raw)
		}
		state[e.Subject.Service] = e.Service.To
	}
}

// TestEventsAcrossAKilledDaemon has a service that is restarted again and again, and
// one that ends and is started again, while the daemon is killed: the stream has every
// transition, and numbers without a gap.
func TestEventsAcrossAKilledDaemon(t *testing.T) {
	eachEngine(t, func(t *testing.T, e *env) {
		const rounds = 9
		p := e.project("flow", "lodge.toml", `version = 1
[services.web]
command = "sleep 1000"
ready = false
[services.flap]
command = "true"
ready = false
restart = "always"
`)
		events := p.start("events", "--json")
		p.up()
		for i := range rounds {
			if i%3 != 1 {
				p.lodge("restart", "web").ok(t)
				continue
			}
			restart := p.start("restart", "web") // it may be anywhere in its work
			kill9(t, e.daemon())
			restart.wait() // whether it succeeds is not what is tested here
		}
		s, _ := p.service("web")
		last := fmt.Sprintf(`"from":"starting","to":"ready","type":"service","pid":%d,`, s.PID)
		eventually(t, func() string {
			if !strings.Contains(events.stdout(), last) {
				return "the last restart is not told: " + last
			}
			return ""
		})
		live := eventLines(t, events.stdout())
		inOrder(t, live)
		pids, ends := make(map[int]bool), 0
		for _, l := range live {
			if l.Service == nil {
				continue
			}
			// One that is restarted again before it is ready counts too.
			if l.Subject.Service == "web" && l.Service.PID != 0 {
				pids[l.Service.PID] = true
			}
			if l.Subject.Service == "flap" && l.Service.To == "backoff" && l.Service.ExitStatus != nil {
				ends++
			}
		}
		if want := s.Restarts + 1; len(pids) != want {
			t.Errorf("%d processes of web were told, want %d", len(pids), want)
		}
		if ends == 0 {
			t.Error("flap never ended")
		}

		// What is kept is what was told.
		kept := eventLines(t, p.lodge("events", "--json", "--since", "0", "--follow=false").ok(t)+"\n")
		inOrder(t, kept)
		if kept[0].first() != 1 {
			t.Fatalf("events are kept from %d on", kept[0].first())
		}
		byNumber := make(map[uint64]string)
		for _, k := range kept {
			byNumber[k.Number] = k.raw
		}
		for _, l := range live {
			if l.Kind != "socket" && l.Kind != "lost" && byNumber[l.Number] != l.raw {
				t.Errorf("event %d was told as\n%s\nand is kept as\n%s", l.Number, l.raw, byNumber[l.Number])
			}
		}
		after := eventLines(t, p.lodge("events", "--json", "--since", strconv.FormatUint(live[2].Number, 10), "--follow=false", "flow/web").ok(t)+"\n")
		if len(after) == 0 || after[0].Number <= live[2].Number || after[0].Subject.Service != "web" {
			t.Errorf("filtered, after %d: %+v", live[2].Number, after)
		}

		p.lodge("down").ok(t)
		eventually(t, func() string {
			if !strings.Contains(events.stdout(), `"project":{"change":"down"`) {
				return "that the project is down is not told"
			}
			return ""
		})
		all := eventLines(t, events.stdout())
		inOrder(t, all)
		stopped := 0
		for _, l := range all {
			if l.Service != nil && l.Service.To == "stopped" && l.Service.From != "" {
				stopped++
			}
		}
		if stopped != 2 {
			t.Errorf("%d services were told to be stopped, want 2", stopped)
		}
		events.signal(syscall.SIGINT)
		if r := events.wait(); r.code != 130 {
			t.Error(r)
		}
	})
}

// TestEventsOfSockets has a server that opens a port and closes it: both are told, with
// its process and its service.
func TestEventsOfSockets(t *testing.T) {
	eachEngine(t, func(t *testing.T, e *env) {
		p := e.project("plug", "lodge.toml", `version = 1
[services.web]
command = "`+peerBin+` http :8823 web"
`)
		events := p.start("events", "--json", "kind=socket")
		told := func(what string, ok func(*eventSocket) bool) *eventSocket {
			var found *eventSocket
			eventually(t, func() string {
				for _, l := range eventLines(t, events.stdout()) {
					if l.Socket != nil && ok(l.Socket) {
						found = l.Socket
						return ""
					}
				}
				return "no event: " + what
			})
			return found
		}
		told("sockets are followed", func(s *eventSocket) bool { return s.Change == "followed" })
		p.up()
		svc, _ := p.service("web")
		is := func(change string) func(*eventSocket) bool {
			return func(s *eventSocket) bool {
				return s.Change == change && s.Protocol == "tcp" && s.State == "listen" && s.Local.Port == 8823
			}
		}
		for _, change := range []string{"open", "close"} {
			if change == "close" {
				p.lodge("down").ok(t)
			}
			if s := told("port 8823: "+change, is(change)); s.PID != svc.PID || s.Project != "plug" || s.Service != "web" || s.Process == "" {
				t.Errorf("%s: %+v, want process %d of plug/web", change, s, svc.PID)
			}
		}
		for _, l := range eventLines(t, events.stdout()) {
			if l.Kind != "socket" && l.Kind != "stream" {
				t.Errorf("told beside sockets: %s", l.raw)
			}
		}
	})
}

// TestEventsText has what people read, and a list that follows it.
func TestEventsText(t *testing.T) {
	eachEngine(t, func(t *testing.T, e *env) {
		p := e.project("told", "lodge.toml", `version = 1
[services.web]
command = "`+peerBin+` http :8821 web"
[services.once]
command = "sh -c 'exit 3'"
ready = false
restart = "never"
`)
		list := p.start("ls", "--watch", "--json")
		p.lodge("up", "-d") // once fails
		p.home("tcp", 8821)
		var out string
		eventually(t, func() string { // that it ends is not what up waits for
			out = p.lodge("events", "--since", "1h", "--follow=false").ok(t)
			if strings.Contains(out, "status 3") {
				return ""
			}
			return "that once ended is not told"
		})
		for _, want := range []string{"told/web", "ready after", "listens on ", ":8821", "told/once", "status 3", "web.told.test leads to ", "up at "} {
			if !strings.Contains(out, want) {
				t.Errorf("no %q in\n%s", want, out)
			}
		}
		if only := p.lodge("events", "--since", "1h", "--follow=false", "state=failed").ok(t); strings.Count(only, "told/") != 1 || !strings.Contains(only, "told/once") {
			t.Errorf("state=failed: %s", only)
		}
		if r := p.lodge("events", "colour=red"); r.code != 2 || !strings.Contains(r.stderr, "colour") {
			t.Error(r)
		}
		if r := p.lodge("events", "--since", "yesterday"); r.code != 2 {
			t.Error(r)
		}
		eventually(t, func() string {
			lines := strings.Split(list.stdout(), "\n")
			if len(lines) > 2 && strings.Contains(lines[len(lines)-2], `"port":8821`) {
				return ""
			}
			return "ls --watch does not list port 8821"
		})
	})
}
