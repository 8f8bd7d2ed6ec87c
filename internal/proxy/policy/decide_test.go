package policy

import (
	"testing"

	"lodge/internal/proxy/http1"
)

// TestDecide: where requests go, by Host, state and the listener they came by.
func TestDecide(t *testing.T) {
	redirects, down, starts, unsettled, raw := at("plain", "127.0.0.1:1"), at("down", "127.0.0.1:1"), at("starts", "127.0.0.1:1"), at("new", "127.0.0.1:1"), at("db", "127.0.0.1:1")
	redirects.RedirectPlain = true
	down.State, starts.State, starts.OnRequest, unsettled.State, raw.Raw = Down, Down, true, Unsettled, true
	web := at("web", "127.0.0.1:1")
	web.Names[0].Ports = true
	tab, err := NewTable([]Service{web, redirects, down, starts, unsettled, raw})
	if err != nil {
		t.Fatal(err)
	}
	all := Rules{TLS: true, CanStart: true, CanSettle: true}
	for name, tc := range map[string]struct {
		host  string
		only  string
		rules Rules
		set   func(*http1.Request)
		want  Decision
	}{
		"a service":             {host: "web.shop.localhost", rules: all, want: Decision{Service: 0}},
		"below it":              {host: "a.web.shop.localhost", rules: all, want: Decision{Service: 0}},
		"a name of the web":     {host: "evil.example", rules: all, want: Decision{Refusal: ForeignHost, Service: -1}},
		"an address":            {host: "127.0.0.1", rules: all, want: Decision{Refusal: ForeignHost, Service: -1}},
		"localhost in a name":   {host: "web.shop.localhost.evil", rules: all, want: Decision{Refusal: ForeignHost, Service: -1}},
		"an end like localhost": {host: "notlocalhost", rules: all, want: Decision{Refusal: ForeignHost, Service: -1}},
		"a name that is not":    {host: "x.other.localhost", rules: all, want: Decision{Refusal: UnknownName, Service: -1}},
		"no HTTP":               {host: "db.shop.localhost", rules: all, want: Decision{Refusal: NotHTTP, Service: 5}},
		"shared":                {host: "192.0.2.1", only: "shop/web", rules: all, want: Decision{Service: 0}},
		"shared, gone":          {host: "web.shop.localhost", only: "shop/x", rules: all, want: Decision{Refusal: ForeignHost, Service: -1}},
		"a port":                {host: "4000.web.shop.localhost", rules: all, want: Decision{Refusal: NoPort, Service: 0, Port: 4000}},
		"to https":              {host: "plain.shop.localhost", rules: all, want: Decision{Refusal: Redirect, Service: 1}},
		"to https, no TLS":      {host: "plain.shop.localhost", want: Decision{Service: 1}},
		"already https":         {host: "plain.shop.localhost", rules: all, set: func(r *http1.Request) { r.TLS = true }, want: Decision{Service: 1}},
		"down":                  {host: "down.shop.localhost", rules: all, want: Decision{Refusal: NotRunning, Service: 2}},
		"started by a request":  {host: "starts.shop.localhost", rules: all, want: Decision{Service: 3, Wait: true}},
		"that cannot start":     {host: "starts.shop.localhost", want: Decision{Refusal: NotRunning, Service: 3}},
		"not known what":        {host: "new.shop.localhost", rules: all, want: Decision{Service: 4, Wait: true}},
		"a loop":                {host: "web.shop.localhost", set: func(r *http1.Request) { r.Loops = maxLoops }, want: Decision{Refusal: Loop, Service: -1}},
		"CONNECT":               {host: "web.shop.localhost", set: func(r *http1.Request) { r.Method = []byte("CONNECT") }, want: Decision{Refusal: Method, Service: -1}},
		"another site":          {host: "web.shop.localhost", set: func(r *http1.Request) { r.Site = []byte("cross-site") }, want: Decision{Refusal: CrossSite, Service: 0}},
		"the project's own":     {host: "web.shop.localhost", set: func(r *http1.Request) { r.Origin = []byte("http://down.shop.localhost") }, want: Decision{Service: 0}},
		"an old browser":        {host: "web.shop.localhost", set: func(r *http1.Request) { r.Origin = []byte("http://evil.example") }, want: Decision{Refusal: CrossSite, Service: 0}},
	} {
		r := &http1.Request{Method: []byte("GET"), Target: []byte("/"), Host: []byte(tc.host), Name: []byte(tc.host)}
		if tc.set != nil {
			tc.set(r)
		}
		if got := tc.rules.Decide(tab, r, tc.only); got != tc.want {
			t.Errorf("%s: %+v, want %+v", name, got, tc.want)
		}
	}
}
