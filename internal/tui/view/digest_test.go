package view

import (
	"fmt"
	"slices"
	"testing"

	"lodge/internal/sockets"
	"lodge/internal/tui/view/samples"
)

func digestNow(match Match, rows ...sockets.Row) *Digest {
	f := &Frame{Time: at0, Rows: rows}
	return NewDigest(f, (&Meter{}).Read(at0, rows), match)
}

func connectionsOf(d *Digest) []string {
	var out []string
	for _, c := range d.connections() {
		out = append(out, fmt.Sprintf("%s %s -> %s %s %s", c.Client.program(), addressText(c.ClientAt), c.Server.program(), addressText(c.ServerAt), c.State))
	}
	slices.Sort(out)
	return out
}

func TestEachConnectionOnce(t *testing.T) {
	a, b := samples.Process(1, "a", ""), samples.Process(2, "b", "")
	v6 := func(r sockets.Row) sockets.Row { r.Family = "ipv6"; return r }
	other := samples.Sock(9, "established", "127.0.0.1:5000>127.0.0.1:80", b)
	other.Namespace = 7
	for _, c := range []struct {
		name string
		rows []sockets.Row
		want []string
	}{
		{"the listener's side is the server", []sockets.Row{
			samples.Sock(1, "listen", "127.0.0.1:60000", b),
			samples.Sock(2, "established", "127.0.0.1:60000>127.0.0.1:1024", b),
			samples.Sock(3, "established", "127.0.0.1:1024>127.0.0.1:60000", a),
		}, []string{"a[1] 127.0.0.1:1024 -> b[2] 127.0.0.1:60000 established"}},
		{"a listener on all addresses, of IPv6 for IPv4", []sockets.Row{
			v6(samples.Sock(1, "listen", "[::]:60000", b)),
			v6(samples.Sock(2, "established", "127.0.0.1:60000>127.0.0.1:1024", b)),
			samples.Sock(3, "established", "127.0.0.1:1024>127.0.0.1:60000", a),
		}, []string{"a[1] 127.0.0.1:1024 -> b[2] 127.0.0.1:60000 established"}},
		{"no listener any more: the lower port", []sockets.Row{
			samples.Sock(2, "established", "127.0.0.1:80>127.0.0.1:50000", b),
			samples.Sock(3, "established", "127.0.0.1:50000>127.0.0.1:80", a),
		}, []string{"a[1] 127.0.0.1:50000 -> b[2] 127.0.0.1:80 established"}},
		{"connected to itself", []sockets.Row{
			samples.Sock(2, "established", "127.0.0.1:5000>127.0.0.1:5000", a),
		}, []string{"a[1] 127.0.0.1:5000 -> a[1] 127.0.0.1:5000 established"}},
		{"one half is over", []sockets.Row{
			samples.Sock(1, "listen", "127.0.0.1:80", b),
			samples.Sock(2, "fin_wait_2", "127.0.0.1:80>127.0.0.1:5000", b),
			samples.Sock(3, "established", "127.0.0.1:5000>127.0.0.1:80", a),
		}, []string{"a[1] 127.0.0.1:5000 -> b[2] 127.0.0.1:80 fin_wait_2"}},
		{"from another machine", []sockets.Row{
			samples.Sock(1, "listen", "0.0.0.0:80", b),
			samples.Sock(2, "established", "10.0.0.1:80>10.0.0.2:70", b),
		}, []string{"- 10.0.0.2:70 -> b[2] 10.0.0.1:80 established"}},
		{"to another machine", []sockets.Row{
			samples.Sock(2, "syn_sent", "10.0.0.1:50000>10.0.0.2:70", b),
		}, []string{"b[2] 10.0.0.1:50000 -> - 10.0.0.2:70 syn_sent"}},
		{"another namespace is another world", []sockets.Row{
			samples.Sock(3, "established", "127.0.0.1:80>127.0.0.1:5000", a), other,
		}, []string{"a[1] 127.0.0.1:80 -> - 127.0.0.1:5000 established", "b[2] 127.0.0.1:5000 -> - 127.0.0.1:80 established"}},
		{"TIME_WAIT, listeners and bound ports are no connections", []sockets.Row{
			samples.Sock(0, "time_wait", "127.0.0.1:80>127.0.0.1:5000"), samples.Sock(1, "listen", "127.0.0.1:80", b), samples.Sock(4, "bound", "127.0.0.1:81", b),
		}, nil},
	} {
		for _, turned := range []bool{false, true} {
			rows := slices.Clone(c.rows)
			if turned {
				slices.Reverse(rows)
			}
			d := digestNow(nil, rows...)
			if got := connectionsOf(d); !slices.Equal(got, c.want) {
				t.Errorf("%s: got %q, want %q", c.name, got, c.want)
			}
			if d.Counts.Connections != len(c.want) {
				t.Errorf("%s: counted %d", c.name, d.Counts.Connections)
			}
		}
	}
}

// The identity of a connection does not depend on which end the kernel gives
// first.
func TestConnectionsKeepTheirIdentity(t *testing.T) {
	rows := []sockets.Row{
		samples.Sock(1, "listen", "127.0.0.1:80", shop.Node),
		samples.Sock(2, "established", "127.0.0.1:80>127.0.0.1:5000", shop.Node),
		samples.Sock(3, "established", "127.0.0.1:5000>127.0.0.1:80", shop.API),
	}
	a := digestNow(nil, rows...).connections()[0].id
	slices.Reverse(rows)
	if b := digestNow(nil, rows...).connections()[0].id; a != b {
		t.Errorf("%+v, then %+v", a, b)
	}
}

func TestListeners(t *testing.T) {
	f := shopFrame(1)
	var m Meter
	m.Read(at0, shopFrame(0).Rows)
	d := NewDigest(f, m.Read(f.Time, f.Rows), nil)
	got := map[string]string{}
	for _, l := range d.listeners() {
		got[serverText(l.Protocol, l.Address)] = fmt.Sprintf("%s %s %d %.0f %.0f", l.Owner.label(), l.Namespace, l.Connections, l.Rate.Receive, l.Rate.Send)
	}
	for at, want := range map[string]string{
		samples.Home + ":3000": "node[412] shop/web  1 1000 250000",
		samples.Home + ":4000": "python3[398] shop/api  2 600 8000",
		samples.Home + ":6379": "redis-server[77] shop/store  1 0 0",
		"*:80":                 "nginx[10]+1  1 100 5000",
		"[::]:80":              "nginx[10]+1  0 0 0",
		"127.0.0.53:53/udp":    "systemd-resolve[20]  0 0 0",
		"127.0.0.1:5432":       "?  0 0 0",
		"*:9000":               "app[900] web-1 0 0 0",
	} {
		if got[at] != want {
			t.Errorf("%s: got %q, want %q", at, got[at], want)
		}
	}
	if len(d.listeners()) != 10 {
		t.Errorf("%d listeners: %v", len(d.listeners()), got)
	}
}

// Several listeners share an address with SO_REUSEPORT: each has the
// connections of its own process.
func TestSharedListeners(t *testing.T) {
	a, b := samples.Process(1, "a", ""), samples.Process(2, "b", "")
	d := digestNow(nil,
		samples.Sock(1, "listen", "127.0.0.1:80", a), samples.Sock(2, "listen", "127.0.0.1:80", b),
		samples.Sock(3, "established", "127.0.0.1:80>127.0.0.1:5000", b), samples.Sock(4, "established", "127.0.0.1:80>127.0.0.1:5001", b),
		samples.Sock(5, "established", "127.0.0.1:80>127.0.0.1:5002", a),
	)
	for _, l := range d.listeners() {
		if want := map[string]int{"a": 1, "b": 2}[l.Owner.name()]; l.Connections != want {
			t.Errorf("%s: %d connections, want %d", l.Owner.name(), l.Connections, want)
		}
	}
}

func TestTalk(t *testing.T) {
	f := shopFrame(1)
	var m Meter
	m.Read(at0, shopFrame(0).Rows)
	d := NewDigest(f, m.Read(f.Time, f.Rows), nil)
	var got []string
	for _, x := range d.talks() {
		got = append(got, fmt.Sprintf("%s > %s %s: %d, %.0f %.0f, %d, %d processes", x.ClientName, x.ServerName, serverText(x.Protocol, x.ServerAt),
			x.Connections, x.Rate.Send, x.Rate.Receive, x.RTT, len(x.Client.Processes)))
	}
	slices.Sort(got)
	want := []string{
		"10.0.0.9 > nginx 10.0.0.2:80: 1, 100 5000, 2300, 0 processes",
		"firefox > 93.184.216.34 93.184.216.34:443: 1, 70 900, 15000, 1 processes",
		"firefox > node shop/web 127.83.20.7:3000: 1, 1000 250000, 85, 1 processes",
		"node shop/web > python3 shop/api 127.83.20.7:4000: 2, 600 8000, 140, 1 processes",
		"python3 shop/api > redis-server shop/store 127.83.20.7:6379: 1, 0 0, 30, 1 processes",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

// Where connections of one pair go to different addresses, only the port is
// shown.
func TestTalkToSeveralAddresses(t *testing.T) {
	d := digestNow(nil, samples.Sock(1, "established", "127.0.0.1:5000>127.0.0.1:80", shop.Node), samples.Sock(2, "established", "127.0.0.1:80>127.0.0.1:5000", shop.API),
		samples.Sock(3, "established", "127.0.0.2:5000>127.0.0.2:80", shop.Node), samples.Sock(4, "established", "127.0.0.2:80>127.0.0.2:5000", shop.API))
	if len(d.talks()) != 1 || serverText(d.talks()[0].Protocol, d.talks()[0].ServerAt) != "*:80" || d.talks()[0].Connections != 2 {
		t.Fatalf("got %+v", d.talks())
	}
	if s := talkView(d.talks()).Subject(0); s.Address != ":80" {
		t.Errorf("explain asks for %q", s.Address)
	}
}

func TestServices(t *testing.T) {
	f := shopFrame(1)
	var m Meter
	m.Read(at0, shopFrame(0).Rows)
	rates := m.Read(f.Time, f.Rows)
	list := func(match Match) []string {
		var got []string
		for _, s := range NewDigest(f, rates, match).services() {
			got = append(got, fmt.Sprintf("%s/%s %s %v %d %.0f %.0f %s", s.Project.Name, s.name(), s.State, s.Ports, s.Connections, s.Rate.Receive, s.Rate.Send, s.Owner.program()))
		}
		return got
	}
	if got, want := list(nil), []string{
		"shop/web ready [3000] 3 9000 250600 node[412]",
		"shop/api ready [4000] 3 600 8000 python3[398]",
		"shop/store backoff [6379] 1 0 0 redis-server[77]",
		"empty/- up [] 0 0 0 -",
	}; !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
	// A filter for sockets also finds services, also one that has no socket.
	port := func(r *sockets.Row) bool { return r.Local.Port == 4000 }
	if got := list(port); len(got) != 1 || got[0][:8] != "shop/api" {
		t.Errorf("port: got %q", got)
	}
	if got := list(func(r *sockets.Row) bool { return r.Project == "empty" }); len(got) != 1 {
		t.Errorf("project: got %q", got)
	}
}
