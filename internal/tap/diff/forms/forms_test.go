package forms

import (
	"strings"
	"testing"
	"time"
)

var (
	first = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	last  = first.Add(time.Minute)
)

func TestMasker(t *testing.T) {
	m := New(Options{First: first, Last: last, Guess: true, Replace: []Replacement{
		{Old: "/home/me/shop", New: "{directory}"}, {Old: "shop-2.localhost", New: "{project}.localhost"}, {Old: "127.80.0.1", New: "{address}"}, {Old: "", New: "x"},
	}})
	for in, want := range map[string]string{
		"":      "",
		"plain": "plain",
		// Times of the run, and others.
		"at 2026-03-04T12:00:01Z.":                "at {time}.",
		"2026-03-04T14:00:01.123456789+02:00":     "{time}",
		"2026-03-04 12:00:01+0200 x":              "{time} x",
		"2026-03-04 12:00:01.5+02":                "{time}",
		"2026-03-04 12:00:01":                     "{time}",
		"2020-03-04T12:00:01Z":                    "2020-03-04T12:00:01Z",
		"2026-03-04":                              "2026-03-04",
		"2026-13-44T12:00:01Z":                    "2026-13-44T12:00:01Z",
		"Wed, 04 Mar 2026 12:00:30 GMT":           "{time}",
		"Sat, 04 Mar 2006 12:00:30 GMT":           "Sat, 04 Mar 2006 12:00:30 GMT",
		"1772625600":                              "{time}",
		"1772625600.25,":                          "{time},",
		"1772625600250 1772625600250000":          "{time} {time}",
		"1772625600250000000":                     "{time}",
		"17726256002":                             "17726256002",
		"1472625600":                              "1472625600",
		"a1772625600 1772625600b":                 "a1772625600 1772625600b",
		"9999999999999999999":                     "9999999999999999999",
		"id 1f0e8a52-7f2b-4c1e-9d2a-0123456789ab": "id {uuid}",
		"1f0e8a52-7f2b-5c1e-9d2a-0123456789ab":    "1f0e8a52-7f2b-5c1e-9d2a-0123456789ab",
		"1f0e8a52-7f2b-4c1e-9d2a-0123456789abc":   "1f0e8a52-7f2b-4c1e-9d2a-0123456789abc",
		"Bearer eyJhbGciOi.eyJzdWIi.c2ln-_x!":     "Bearer {token}!",
		"eyJhbGciOi":                              "eyJhbGciOi",
		"script-src 'nonce-4AEemGb0xJptoIGFP3Nd'": "script-src 'nonce-{nonce}'",
		// Ports.
		"http://localhost:45123/x": "http://localhost:{port}/x",
		"http://localhost:4000/x":  "http://localhost:4000/x",
		"127.0.0.1:45123":          "127.0.0.1:{port}",
		"10.0.0.1:45123":           "10.0.0.1:45123",
		"[::1]:45123":              "[::1]:{port}",
		"example.com:45123":        "example.com:45123",
		"localhost:99999":          "localhost:99999",
		"localhost:451234":         "localhost:451234",
		// What is replaced, as whole words only.
		"in /home/me/shop/data":            "in {directory}/data",
		"/home/me/shop-copy /home/me/shop": "/home/me/shop-copy {directory}",
		"https://web.shop-2.localhost/":    "https://web.{project}.localhost/",
		"127.80.0.1:4000 127.80.0.15":      "{address}:4000 127.80.0.15",
	} {
		if got := m.Text(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	for _, in := range []string{"1f0e8a52-7f2b-4c1e-9d2a-0123456789ab", "eyJhbGciOi.eyJzdWIi.c2ln"} {
		if got := New(Options{First: first, Last: last}).Text(in); got != in {
			t.Errorf("guessed: %q", got)
		}
	}
	if got := New(Options{}).Text("1772625600"); got != "1772625600" {
		t.Errorf("a time near no run: %q", got)
	}
}

func TestIdentifiers(t *testing.T) {
	for in, want := range map[string]string{
		"/items":                   "/items",
		"/items/17":                "/items/{n}",
		"/items/17.json":           "/items/{n}.json",
		"/v1/items":                "/v1/items",
		"/app-3f9a2c.js":           "/app-{id}.js",
		"/decade/facade":           "/decade/facade",
		"session:9f86d081884c7d65": "session:{id}",
		"user_17":                  "user_{n}",
		"item0":                    "item0",
		"/x/1f0e8a52-7f2b-4c1e-9d2a-0123456789ab/y": "/x/{id}/y",
		"/t/a1b2c3xyz9q8w7e6":                       "/t/{id}",
		"int4":                                      "int4",
		"/ünï/5":                                    "/ünï/{n}",
	} {
		if got := Identifiers(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// Whatever a text is, it is read to its end, and once more it is the same.
func FuzzText(f *testing.F) {
	f.Add("at 2026-03-04T12:00:01Z 1772625600 localhost:45123 eyJa.eyJb.c Wed, 04 Mar 2026 12:00:30 GMT")
	m := New(Options{First: first, Last: last, Guess: true, Replace: []Replacement{{Old: "ab", New: "{ab}"}, {Old: "-", New: "{-}"}}})
	f.Fuzz(func(t *testing.T, s string) {
		out := m.Text(s)
		if len(out) > 6*len(s)+6 {
			t.Errorf("%d bytes of %d", len(out), len(s))
		}
		if ids := Identifiers(s); strings.Count(ids, "/") > strings.Count(s, "/") {
			t.Errorf("%q", ids)
		}
	})
}
