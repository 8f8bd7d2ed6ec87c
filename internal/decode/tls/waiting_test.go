package tls_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"lodge/internal/decode"
	"lodge/internal/decode/all"
	"lodge/internal/decode/tls"
	"lodge/internal/decode/tlskeys"
	"lodge/internal/tap"
	"lodge/internal/tap/tapfile"
)

// tapped runs a capture through an engine, and returns what became of it after more was
// called. each is called before each piece of data.
func tapped(t *testing.T, file string, c tls.Config, each func(), more func()) []string {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	src, err := tapfile.Open(f)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	e := tap.New(tap.Options{
		Protocols: all.Protocols(c), Decode: decode.Options{Limits: decode.DefaultLimits()}, Ends: src,
		Bytes: func(uint64, decode.Side, time.Time, []byte) { each() },
		Record: func(r *tap.Record) {
			if x := r.Exchange; x != nil && !x.Begun {
				out = append(out, fmt.Sprintf("%d %s %v %s %s %s %s %q", r.Connection, x.Protocol, x.Secure, x.Method, x.Target, x.Status, x.Started.Format(time.StampNano), x.Unknown))
			}
		},
	})
	if err := src.Run(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	more()
	slices.Sort(out)
	return out
}

// Keys that come after the end of the connections, but in time, decrypt them all; later
// ones nothing.
func TestKeysAfterTheEnd(t *testing.T) {
	begin := time.Unix(1, 0)
	nothing := func() {}
	for _, file := range keyed(t) {
		text := keyText(t, file)
		want := tapped(t, file, tls.Config{Keys: logOf(t, text)}, nothing, nothing)
		without := tapped(t, file, tls.Config{Keys: new(tlskeys.Log)}, nothing, nothing)
		if slices.Equal(want, without) {
			t.Errorf("%s: the keys change nothing", file)
		}
		for _, late := range []time.Duration{0, time.Second - 1, time.Second} {
			log, w := new(tlskeys.Log), &tls.Waiting{Ended: time.Second}
			got := tapped(t, file, tls.Config{Keys: log, Waiting: w}, nothing, func() {
				w.Look(begin, begin)
				if late == time.Second {
					w.Look(begin.Add(late), begin.Add(late))
				}
				_, _ = log.Write(text)
				w.Look(begin.Add(late), begin.Add(late))
				w.Close()
			})
			expected := want
			if late == time.Second {
				expected = without
			}
			if !slices.Equal(got, expected) {
				t.Errorf("%s, %s late: got\n%s\nwant\n%s", file, late, strings.Join(got, "\n"), strings.Join(expected, "\n"))
			}
		}
	}
}

// While it is not known where keys may come from, nothing is given up.
func TestSourcesOfKeysAreAwaited(t *testing.T) {
	begin := time.Unix(100, 0)
	nothing := func() {}
	for _, file := range keyed(t) {
		text := keyText(t, file)
		log, w := new(tlskeys.Log), &tls.Waiting{Ended: time.Second}
		got := tapped(t, file, tls.Config{Keys: log, Waiting: w}, nothing, func() {
			before := begin.Add(-time.Second)
			w.Look(begin, before)
			w.Look(begin.Add(time.Hour), before)
			_, _ = log.Write(text)
			w.Look(begin.Add(time.Hour), before)
		})
		if want := tapped(t, file, tls.Config{Keys: logOf(t, text)}, nothing, nothing); !slices.Equal(got, want) {
			t.Errorf("%s: got\n%s\nwant\n%s", file, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

// At the end of a run nothing is left out.
func TestClosedWhileWaiting(t *testing.T) {
	nothing := func() {}
	for _, file := range keyed(t) {
		w := &tls.Waiting{Ended: time.Hour}
		got := tapped(t, file, tls.Config{Keys: new(tlskeys.Log), Waiting: w}, nothing, w.Close)
		if want := tapped(t, file, tls.Config{Keys: new(tlskeys.Log)}, nothing, nothing); !slices.Equal(got, want) {
			t.Errorf("%s: got\n%s\nwant\n%s", file, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

// Open connections wait only for so long, so that handshakes without keys are told
// while the connection is open, and keys that come after that decrypt nothing of it.
func TestOpenConnectionsWait(t *testing.T) {
	for _, file := range keyed(t) {
		text := keyText(t, file)
		for _, limit := range []time.Duration{time.Second, time.Hour} {
			log, w := new(tlskeys.Log), &tls.Waiting{Ended: time.Second, Open: limit}
			now := time.Unix(1, 0)
			decrypted := 0
			got := tapped(t, file, tls.Config{Keys: log, Waiting: w}, func() {
				w.Look(now, now)
				now = now.Add(limit)
				w.Look(now, now)
			}, func() {
				_, _ = log.Write(text)
				w.Close()
			})
			for _, line := range got {
				if strings.Contains(line, " true ") {
					decrypted++
				}
			}
			if decrypted > 0 {
				t.Errorf("%s: %d exchanges are decrypted with keys that came too late:\n%s", file, decrypted, strings.Join(got, "\n"))
			}
		}
	}
}
