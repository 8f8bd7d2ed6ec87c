package tapfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"lodge/internal/capture/packet"
	"lodge/internal/capture/pcapfile"
	"lodge/internal/decode"
	"lodge/internal/decode/all"
	"lodge/internal/decode/tls"
	"lodge/internal/model"
	"lodge/internal/tap"
)

// records reads a capture file, and gives each packet to also with its ends, which may
// be nil.
func records(t *testing.T, file []byte, also func(r *pcapfile.Record, sender, receiver *tap.End)) (list []string, account tap.Account) {
	t.Helper()
	src, err := Open(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	e := tap.New(tap.Options{
		Protocols: all.Protocols(tls.Config{}), Decode: decode.Options{Limits: decode.DefaultLimits()}, Ends: src, OriginSource: tap.SourceFile,
		Record: func(r *tap.Record) { list = append(list, text(r)) },
	})
	src.also = also
	if err := src.Run(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	account = e.Account()
	account.Capture = src.Capture()
	return list, account
}

func text(r *tap.Record) string {
	end := func(e *tap.End) string {
		out := e.Project + "/" + e.Service
		for _, p := range e.Processes {
			out += fmt.Sprintf(" %d %s (%s)", p.PID, p.Name, p.Command)
		}
		return out
	}
	out := end(&r.Client) + " | " + end(&r.Server) + " | "
	if r.Exchange == nil {
		return out + string(r.Failure)
	}
	return out + r.Exchange.Protocol + " " + r.Exchange.Method + " " + r.Exchange.Target + " = " + r.Exchange.Status
}

func sample(t *testing.T) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/run.pcapng")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestRead(t *testing.T) {
	got, a := records(t, sample(t), nil)
	want := []string{
		"shop/curl 29762 curl (curl -s 'localhost:8000/?page=2') | shop/web 29527 python3 (/usr/bin/python3 -m http.server 8000) | http GET /?page=2 = 200 OK",
		"shop/redis-cli 29776 redis-cli () | shop/db 29524 redis-server (redis-server *:6379) | redis SET item:1 hello = OK",
		"/ 29804 redis-cli () | shop/db 29524 redis-server (redis-server *:6379) | redis GET item:1 = string",
		"shop/curl 29818 curl (curl -s localhost:8000/missing) | shop/web 29527 python3 (/usr/bin/python3 -m http.server 8000) | http GET /missing = 404 File not found",
		"/ 29830 curl () | / | refused",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if a.Capture.Unknown || a.Capture.Missing() != 0 || len(a.Capture.Lost) > 0 || a.Records.Attributed != a.Records.Ends {
		t.Errorf("account %+v", a)
	}
}

// What is written is read as the same.
func TestReadWriteRead(t *testing.T) {
	file := sample(t)
	var out bytes.Buffer
	w, err := NewWriter(&out, Options{Link: packet.LinkEthernet, Interface: "lo", Version: "test", Filter: "x"})
	if err != nil {
		t.Fatal(err)
	}
	first, account := records(t, file, func(r *pcapfile.Record, sender, receiver *tap.End) {
		if err := w.Packet(0, r.Time, r.Data, int(r.OrigLen), r.Flags, sender, receiver); err != nil {
			t.Fatal(err)
		}
	})
	if err := w.Close(&account.Capture); err != nil {
		t.Fatal(err)
	}
	second, again := records(t, out.Bytes(), nil)
	if !slices.Equal(first, second) {
		t.Errorf("first\n%s\nthen\n%s", strings.Join(first, "\n"), strings.Join(second, "\n"))
	}
	if again.Capture.Delivered != account.Capture.Delivered || again.Capture.Unknown {
		t.Errorf("first %+v, then %+v", account.Capture, again.Capture)
	}
}

// The directory of a process is kept, also where it is known only later.
func TestDirectory(t *testing.T) {
	var out bytes.Buffer
	w, err := NewWriter(&out, Options{Link: packet.LinkEthernet, Interface: "lo"})
	if err != nil {
		t.Fatal(err)
	}
	late := false
	_, account := records(t, sample(t), func(r *pcapfile.Record, sender, receiver *tap.End) {
		for _, e := range []**tap.End{&sender, &receiver} {
			if *e != nil && (*e).Known() && (*e).Service == "web" && late {
				more := **e
				more.Processes = slices.Clone(more.Processes)
				more.Processes[0].Directory = "/srv/shop"
				*e = &more
			}
		}
		late = true
		if err := w.Packet(0, r.Time, r.Data, int(r.OrigLen), r.Flags, sender, receiver); err != nil {
			t.Fatal(err)
		}
	})
	if err := w.Close(&account.Capture); err != nil {
		t.Fatal(err)
	}
	src, err := Open(&out)
	if err != nil {
		t.Fatal(err)
	}
	directories := make(map[string]string)
	e := tap.New(tap.Options{
		Protocols: all.Protocols(tls.Config{}), Decode: decode.Options{Limits: decode.DefaultLimits()}, Ends: src, OriginSource: tap.SourceFile,
		Record: func(r *tap.Record) {
			if r.Server.Known() {
				directories[r.Server.Service] = r.Server.Processes[0].Directory
			}
		},
	})
	if err := src.Run(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	if directories["web"] != "/srv/shop" || directories["db"] != "" {
		t.Errorf("directories %v", directories)
	}
}

// A file that ends in the middle has what is whole.
func TestCutFile(t *testing.T) {
	file := sample(t)
	whole, _ := records(t, file, nil)
	for _, n := range []int{len(file) / 2, len(file) - 3} {
		src, err := Open(bytes.NewReader(file[:n]))
		if err != nil {
			t.Fatal(err)
		}
		var got int
		e := tap.New(tap.Options{Protocols: all.Protocols(tls.Config{}), Decode: decode.Options{Limits: decode.DefaultLimits()}, Record: func(*tap.Record) { got++ }})
		if err := src.Run(t.Context(), e); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%d bytes: %v", n, err)
		}
		if got == 0 || got > len(whole) {
			t.Errorf("%d bytes: %d records", n, got)
		}
	}
}

func TestDropCounts(t *testing.T) {
	var out bytes.Buffer
	w, err := NewWriter(&out, Options{Link: packet.LinkEthernet, Interface: "lo"})
	if err != nil {
		t.Fatal(err)
	}
	c := &tap.Capture{Seen: tap.Count{Packets: 10}, Delivered: tap.Count{Packets: 0}, LeftOut: map[string]tap.Count{"ack": {Packets: 3}}, Lost: map[string]tap.Count{"ring_full": {Packets: 7}}}
	if err := w.Close(c); err != nil {
		t.Fatal(err)
	}
	_, a := records(t, out.Bytes(), nil)
	if a.Capture.Lost["before_the_file"].Packets != 7 || a.Capture.Missing() != 0 || a.Complete() {
		t.Errorf("capture %+v", a.Capture)
	}
}

func TestComments(t *testing.T) {
	for text, want := range map[string]model.Process{
		"PID: 12\nCommand: /usr/bin/curl\nArgs: curl -s x": {PID: 12, Name: "curl", Command: "curl -s x"},
		"hello: x": {}, "PID: many": {}, "": {},
	} {
		if got, ok := commented(text); got != want || ok != (want.PID != 0) {
			t.Errorf("%q: %+v, %v", text, got, ok)
		}
	}
	at := netip.MustParseAddrPort("127.0.0.1:80")
	e := &tap.End{Address: at, Processes: []model.Process{{PID: 7, Name: "nginx"}}}
	web := &tap.End{Project: "shop", Service: "web", Processes: e.Processes}
	for got, want := range map[string]string{
		describe(e, nil): "from nginx (7)", describe(nil, e): "to nginx (7)", describe(nil, &tap.End{}): "",
		describe(web, e): "from shop/web, nginx (7) to nginx (7)",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if p, ok := parsePlace(placeText(tap.Place{Project: "shop", Service: "web"})); !ok || p != (tap.Place{Project: "shop", Service: "web"}) {
		t.Errorf("place %+v, %v", p, ok)
	}
}

type full struct{ room int }

func (f *full) Write(p []byte) (int, error) {
	if f.room -= len(p); f.room < 0 {
		return 0, errors.New("no space left on device")
	}
	return len(p), nil
}

func TestFullDisk(t *testing.T) {
	w, err := NewWriter(&full{room: 400}, Options{Link: packet.LinkEthernet, Interface: "lo"})
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		if err = w.Packet(0, time.Unix(1, 0), make([]byte, 60), 60, 0, nil, nil); err != nil {
			break
		}
	}
	if err == nil || w.Close(&tap.Capture{}) == nil {
		t.Error("a full disk is not told")
	}
}
