package tapfilter

import (
	"net/netip"
	"testing"
	"time"

	"lodge/internal/decode"
	"lodge/internal/query/exchangequery"
	"lodge/internal/tap"
)

func TestHost(t *testing.T) {
	for _, tt := range []struct {
		host, filter string
		want         bool
	}{
		{"127.0.0.1:8080", "host=127.0.0.1", true},
		{"127.0.0.1:8080", "host=127.0.0.1:8080", true},
		{"127.0.0.1:8080", "host=127.0.0.1:80", false},
		{"127.0.0.1:8080", "host!=127.0.0.1", false},
		{"127.0.0.1", "host=127.0.0.1", true},
		{"[::1]:80", "host=::1", true},
		{"[::1]", "host=::1", true},
		{"", "host=x", false},
		{"shop.localhost", "host~shop", true},
	} {
		f, err := Parse([]string{tt.filter}, exchangequery.Options{Now: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		at := netip.MustParseAddrPort("127.0.0.1:8080")
		r := &tap.Record{Client: tap.End{Address: at}, Server: tap.End{Address: at}, Exchange: &decode.Exchange{Protocol: "http", Host: tt.host}}
		if got := f.Match(r); got != tt.want {
			t.Errorf("%s of %q: %v", tt.filter, tt.host, got)
		}
	}
}

func TestAllAndOnlyPorts(t *testing.T) {
	for _, tt := range []struct {
		words     []string
		all, only bool
	}{
		{nil, true, false}, {[]string{"5432"}, false, true}, {[]string{"5432", "http"}, false, false}, {[]string{"path~x"}, false, false},
	} {
		f, err := Parse(tt.words, exchangequery.Options{Protocols: []string{"http"}, Now: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		if f.All() != tt.all || f.OnlyPorts() != tt.only {
			t.Errorf("%v: %v %v", tt.words, f.All(), f.OnlyPorts())
		}
	}
}

// A path is the same with and without its query.
func TestPath(t *testing.T) {
	for _, tt := range []struct {
		target, filter string
		want           bool
	}{
		{"/items?page=2", "path=/items", true},
		{"/items?page=2", "path=/items?page=2", true},
		{"/items?page=2", "path!=/items", false},
		{"/items?page=2", "path=/item", false},
		{"/items", "path=/items", true},
		{"SELECT a FROM b WHERE c = ?", "statement='SELECT a FROM b WHERE c = '", false},
	} {
		f, err := Parse([]string{tt.filter}, exchangequery.Options{Now: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		if got := f.Match(&tap.Record{Exchange: &decode.Exchange{Protocol: "http", Target: tt.target}}); got != tt.want {
			t.Errorf("%s of %q: %v", tt.filter, tt.target, got)
		}
	}
}
