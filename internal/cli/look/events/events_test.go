package events

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"lodge/internal/event"
	"lodge/internal/localapi"
)

func TestEventsSince(t *testing.T) {
	now := time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]localapi.EventsQuery{
		"":                     {},
		"0":                    {After: &event.Position{}},
		"17":                   {After: &event.Position{Number: 17}},
		"5m":                   {Since: now.Add(-5 * time.Minute)},
		"2026-03-04T11:00:00Z": {Since: now.Add(-time.Hour)},
		"11:30":                {Since: now.Add(-30 * time.Minute)},
	} {
		got, err := readSince(text, now)
		if err != nil || (got.After == nil) != (want.After == nil) || got.After != nil && *got.After != *want.After || !got.Since.Equal(want.Since) {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
	for _, bad := range []string{"-1", "yesterday", "1.5", "-5m"} {
		if q, err := readSince(bad, now); err == nil {
			t.Errorf("%q: %+v", bad, q)
		}
	}
}

func TestEventText(t *testing.T) {
	code := 137
	at := time.Date(2026, 3, 4, 12, 0, 0, 250_000_000, time.Local)
	svc := func(s event.Service) *event.Event {
		if s.Change == "" {
			s.Change = event.ChangeState
		}
		return &event.Event{Time: at, Kind: event.KindService, Subject: event.Subject{Project: "shop", Service: "web"}, Service: &s}
	}
	socket := func(s event.Socket) *event.Event {
		return &event.Event{Time: at, Kind: event.KindSocket, Subject: event.Subject{Project: "shop", Service: "web"}, Socket: &s}
	}
	listens := []event.Endpoint{{Protocol: "tcp", IP: "127.80.0.1", Port: 80}, {Protocol: "udp", IP: "fd00::1", Port: 53}}
	for _, c := range []struct {
		e    *event.Event
		want string
	}{
		{svc(event.Service{To: "stopped"}), "shop/web  defined, not started"},
		{svc(event.Service{From: "ready", To: "stopped"}), "shop/web  stopped"},
		{svc(event.Service{From: "stopped", To: "waiting"}), "shop/web  will start"},
		{svc(event.Service{From: "waiting", To: "waiting", Reason: "for db"}), "shop/web  waits for db"},
		{svc(event.Service{From: "waiting", To: "starting", PID: 7}), "shop/web  started, process 7"},
		{svc(event.Service{From: "stopping", To: "starting", Reason: "asked to"}), "shop/web  restarts: asked to"},
		{svc(event.Service{From: "starting", To: "ready", PID: 7, ReadyMS: 12.5}), "shop/web  ready after 0.013 s"},
		{svc(event.Service{From: "ready", To: "starting", PID: 7, Reason: "it listens nowhere"}), "shop/web  not ready any more: it listens nowhere"},
		{svc(event.Service{From: "ready", To: "backoff", ExitStatus: &code, Reason: "ended with signal SIGKILL; next start in 0.2 s"}), "shop/web  ended with signal SIGKILL; next start in 0.2 s"},
		{svc(event.Service{From: "starting", To: "failed", Reason: "no such program"}), "shop/web  failed: no such program"},
		{svc(event.Service{From: "ready", To: "exited", Reason: "ended with status 0"}), "shop/web  ended with status 0"},
		{svc(event.Service{From: "ready", To: "stopping"}), "shop/web  stops"},
		{svc(event.Service{From: "stopped", To: "removed"}), "shop/web  not defined any more"},
		{svc(event.Service{Change: event.ChangeEndpoints, Endpoints: listens}), "shop/web  listens on 127.80.0.1:80, [fd00::1]:53/udp"},
		{svc(event.Service{Change: event.ChangeEndpoints}), "shop/web  listens nowhere"},
		{&event.Event{Time: at, Kind: event.KindName, Subject: event.Subject{Project: "shop"}, Name: &event.Name{Change: event.Added, Host: "shop.test", Targets: []string{"127.80.0.1"}}}, "shop  shop.test leads to 127.80.0.1"},
		{&event.Event{Time: at, Kind: event.KindName, Subject: event.Subject{Project: "shop"}, Name: &event.Name{Change: event.Removed, Host: "shop.test"}}, "shop  shop.test leads nowhere any more"},
		{&event.Event{Time: at, Kind: event.KindProject, Subject: event.Subject{Project: "shop"}, Project: &event.Project{Change: event.ProjectUp, Home: "127.80.0.1", Engine: "ebpf", Path: "/p\x1b[2J"}}, "shop  up at 127.80.0.1, engine ebpf, /p"},
		{&event.Event{Time: at, Kind: event.KindProject, Subject: event.Subject{Project: "shop"}, Project: &event.Project{Change: event.ProjectDown}}, "shop  down"},
		{&event.Event{Time: at, Kind: event.KindLost, Lost: &event.Lost{Reason: event.LostTooOld, Count: 3}}, "lodge  3 events are missing: not kept any more"},
		{&event.Event{Time: at, Kind: event.KindLost, Lost: &event.Lost{Reason: event.LostSlowReader, Count: 1}}, "lodge  1 event is missing: not read in time"},
		{&event.Event{Time: at, Kind: event.KindLost, Lost: &event.Lost{Reason: event.LostDaemonEnded, Count: 2, Of: event.KindSocket}}, "lodge  2 socket events are missing: the daemon that saw them was ended"},
		{socket(event.Socket{Change: event.SocketsFollowed, Sockets: 5}), "shop/web  sockets are followed from here on; there are 5"},
		{socket(event.Socket{Change: event.SocketOpen, State: "listen", Protocol: "tcp", Local: &event.SocketAddress{IP: "::1", Port: 80}, PID: 7, Process: "node"}), "shop/web  tcp [::1]:80 opened, listen, node (process 7)"},
		{socket(event.Socket{Change: event.SocketClose, State: "established", StateBefore: "established", Protocol: "tcp", Local: &event.SocketAddress{IP: "127.0.0.1", Port: 80}, Remote: &event.SocketAddress{IP: "127.0.0.2", Port: 9}}), "shop/web  tcp 127.0.0.1:80 to 127.0.0.2:9 closed, was established"},
		{socket(event.Socket{Change: event.SocketState, State: "listen", StateBefore: "bound", Protocol: "unix", Path: "/run/x"}), "shop/web  unix /run/x listen, was bound"},
		{&event.Event{Time: at, Kind: event.KindStream, Begun: &event.Begun{Reason: "the machine was started anew"}}, "lodge  the stream of events begins anew: the machine was started anew"},
	} {
		var out bytes.Buffer
		p := &printer{out: &out, today: at}
		if err := p.print(nil, c.e); err != nil {
			t.Fatal(err)
		}
		got := strings.Join(strings.Fields(out.String()), " ")
		want := "12:00:00.250 " + strings.Join(strings.Fields(c.want), " ")
		if got != want && !(strings.Contains(c.want, "engine ebpf") && strings.HasPrefix(got, want) && !strings.Contains(got, "\x1b")) {
			t.Errorf("got  %q\nwant %q", got, want)
		}
	}
}

// JSON is the line that came.
func TestEventLines(t *testing.T) {
	e := &event.Event{Time: time.Now(), Kind: event.KindSocket, Socket: &event.Socket{Change: event.SocketOpen}}
	var lines bytes.Buffer
	const line = `{"number":1,"more":"of a newer daemon"}` + "\n"
	if err := (&printer{out: &lines, json: true}).print([]byte(line), e); err != nil || lines.String() != line {
		t.Errorf("got %q, %v", lines.String(), err)
	}
}
