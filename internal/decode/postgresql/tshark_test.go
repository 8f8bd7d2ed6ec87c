package postgresql_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"lodge/internal/decode"
	"lodge/internal/decode/captest"
	"lodge/internal/decode/postgresql"
	"lodge/internal/decode/sqltext"
)

// notExecuted is the status of statements to which there is no answer, which is
// not in the bytes: tshark has none.
const notExecuted = "not executed: an earlier statement failed"

// sharkTalk puts the messages that tshark names together to statements, in the
// simplest way: what it finds is compared with the exchanges.
type sharkTalk struct {
	statements []*statement // with their status
	messages   []string     // notifications
	sessions   int

	names, portals map[string]string
	waiting        []*request
}

type statement struct{ text, status string }

type request struct {
	kind string
	of   []*statement // that have no answer yet
	text string
}

// shark returns what tshark says of the connections of a capture, by the client's
// port.
func shark(t *testing.T, file string) map[string]*sharkTalk {
	t.Helper()
	out := captest.TsharkOutput(t, file, "-Y", "pgsql", "-T", "json", "--no-duplicate-keys", "-J", "pgsql tcp")
	var packets []struct {
		Source struct {
			Layers struct {
				TCP   map[string]any `json:"tcp"`
				Pgsql any            `json:"pgsql"`
			} `json:"layers"`
		} `json:"_source"`
	}
	if err := json.Unmarshal(out, &packets); err != nil {
		t.Fatal(err)
	}
	talks := map[string]*sharkTalk{}
	for _, p := range packets {
		all, ok := p.Source.Layers.Pgsql.([]any)
		if !ok {
			all = []any{p.Source.Layers.Pgsql}
		}
		for _, m := range all {
			fields, ok := m.(map[string]any)
			if !ok {
				continue
			}
			field := func(name string) string {
				switch v := fields["pgsql."+name].(type) {
				case string:
					return v
				case []any:
					s, _ := v[0].(string)
					return s
				}
				return ""
			}
			port := p.Source.Layers.TCP["tcp.dstport"]
			if field("frontend") == "1" {
				port = p.Source.Layers.TCP["tcp.srcport"]
			}
			talk := talks[port.(string)]
			if talk == nil {
				talk = &sharkTalk{names: map[string]string{}, portals: map[string]string{}}
				talks[port.(string)] = talk
			}
			if field("frontend") == "1" {
				talk.client(field)
			} else {
				talk.server(field)
			}
		}
	}
	return talks
}

func (s *sharkTalk) client(field func(string) string) {
	r := &request{kind: field("type")}
	switch r.kind {
	case "Startup message":
		s.sessions++
		return
	case "Simple query":
		r.text = field("query")
		masked, _ := sqltext.Mask(sqltext.PostgreSQL, r.text)
		for _, p := range sqltext.Split(sqltext.PostgreSQL, masked, 1000) {
			r.of = append(r.of, &statement{text: p.Text})
		}
		if len(r.of) == 0 {
			r.of = []*statement{{text: strings.TrimSpace(r.text)}}
		}
	case "Parse":
		s.names[field("statement")] = strings.TrimRight(field("query"), "; ")
	case "Bind":
		s.portals[field("portal")] = s.names[field("statement")]
	case "Describe", "Close", "Sync":
	case "Execute":
		r.of = []*statement{{text: s.portals[field("portal")]}}
	default:
		return
	}
	s.statements = append(s.statements, r.of...)
	s.waiting = append(s.waiting, r)
}

func (s *sharkTalk) server(field func(string) string) {
	switch kind := field("type"); kind {
	case "Command completion":
		s.answer(field("tag"))
	case "Empty query":
		s.answer("EmptyQueryResponse")
	case "Portal suspended":
		s.answer("PortalSuspended")
	case "Notification":
		s.messages = append(s.messages, field("condition")+": "+field("text"))
	case "Error":
		s.fail(field("code")+" "+field("message"), field("position"))
	case "Ready for query":
		for len(s.waiting) > 0 {
			r := s.waiting[0]
			s.waiting = s.waiting[1:]
			if r.kind == "Simple query" || r.kind == "Sync" {
				break
			}
		}
	}
}

// answer gives the first statement that waits its status.
func (s *sharkTalk) answer(status string) {
	for _, r := range s.waiting {
		if len(r.of) > 0 {
			r.of[0].status = status
			r.of = r.of[1:]
			return
		}
	}
	s.statements = append(s.statements, &statement{status: status}) // of which the request was not captured
}

// fail gives an error to the statement that it is about, and marks those that
// are not executed.
func (s *sharkTalk) fail(status, position string) {
	if len(s.waiting) == 0 {
		return
	}
	for len(s.waiting) > 0 {
		r := s.waiting[0]
		if len(r.of) == 0 && r.kind == "Execute" { // has been answered
			s.waiting = s.waiting[1:]
			continue
		}
		break
	}
	if len(s.waiting) == 0 {
		return
	}
	if r := s.waiting[0]; r.kind == "Simple query" {
		which := 0
		if n, err := strconv.Atoi(position); err == nil && len(r.of) > 1 {
			for i, p := range sqltext.Split(sqltext.PostgreSQL, r.text, 1000) {
				if p.Start <= n-1 && n-1 <= p.End {
					which = i
				}
			}
		}
		for i, st := range r.of {
			if st.status = notExecuted; i == which {
				st.status = status
			}
		}
		return
	}
	done := false
	for len(s.waiting) > 0 && s.waiting[0].kind != "Sync" {
		for _, st := range s.waiting[0].of {
			if st.status = notExecuted; !done {
				st.status = status
			}
			done = true
		}
		s.waiting = s.waiting[1:]
	}
}

func TestAgainstTshark(t *testing.T) {
	compared := 0
	for _, file := range captures(t) {
		want := shark(t, file)
		for _, f := range captest.Flows(t, file, postgresql.Protocol()) {
			w := want[strconv.Itoa(int(f.Client.Port()))]
			if len(f.Exchanges) == 0 {
				continue
			}
			if w == nil {
				t.Errorf("%s: tshark has no connection of port %d", file, f.Client.Port())
				continue
			}
			var got, exp, messages []string
			sessions := 0
			for _, e := range f.Exchanges {
				switch {
				case e.Begun || slices.Contains([]string{"prepare", "bind", "describe", "close", "sync"}, e.Method):
				case e.Method == "notify":
					messages = append(messages, e.Target+": "+string(e.Request.Body))
				case e.Method == "connect":
					sessions++
				case e.Kind == decode.KindRequest:
					got = append(got, fmt.Sprintf("%s → %s", e.Target, e.Status))
				}
			}
			for _, st := range w.statements {
				exp = append(exp, fmt.Sprintf("%s → %s", st.text, st.status))
			}
			compared += len(got)
			if !slices.Equal(got, exp) {
				t.Errorf("%s, port %d: %d statements, tshark has %d", file, f.Client.Port(), len(got), len(exp))
				for i := range min(len(got), len(exp)) {
					if got[i] != exp[i] {
						t.Errorf("statement %d:\n got %q\nwant %q", i, got[i], exp[i])
						break
					}
				}
			}
			if !slices.Equal(messages, w.messages) {
				t.Errorf("%s: messages %q, tshark has %q", file, messages, w.messages)
			}
			if sessions != w.sessions {
				t.Errorf("%s, port %d: %d sessions, tshark has %d", file, f.Client.Port(), sessions, w.sessions)
			}
		}
	}
	t.Logf("%d statements are equal", compared)
}
