package ports

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"lodge/internal/cli/filter"
	"lodge/internal/query/socketquery"
	"lodge/internal/sockets"
)

// addr makes an address of "127.0.0.1:80", nil of "".
func addr(s string) *sockets.Address {
	if s == "" {
		return nil
	}
	a := netip.MustParseAddrPort(s)
	return &sockets.Address{IP: a.Addr(), Port: a.Port()}
}

func TestKeep(t *testing.T) {
	row := func(proto, state, local, remote, service string) sockets.Row {
		r := sockets.Row{Protocol: "tcp", Family: "ipv4", State: state, Local: addr(local), Remote: addr(remote), Project: "shop", Service: service}
		if strings.HasPrefix(local, "[") {
			r.Family = "ipv6"
		}
		if proto == "udp" {
			r.Protocol = "udp"
		}
		return r
	}
	all := []sockets.Row{
		row("tcp", "listen", "127.0.0.1:80", "", "web"),
		row("tcp", "listen", "0.0.0.0:80", "", "api"),
		row("tcp", "listen", "[::]:80", "", "api"),
		row("tcp", "listen", "10.0.0.1:80", "", "web"),
		row("tcp", "bound", "127.0.0.1:81", "", "web"),
		row("udp", "bound", "127.0.0.1:82", "", "web"),
		row("tcp", "established", "127.0.0.1:50000", "127.0.0.1:80", "web"),
		row("tcp", "established", "127.0.0.1:50001", "10.0.0.1:80", "web"),
		row("tcp", "established", "0.0.0.0:80", "127.0.0.2:50002", "web"), // no such socket exists: nothing listens there
		{Protocol: "unix", Family: "unix", Path: "/x", Project: "shop"},
	}
	for _, c := range []struct {
		words     []string
		listening bool
		families  []string
		want      string
	}{
		{words: []string{"127.0.0.1:80"}, want: "0 1 2 6"},
		{words: []string{"10.0.0.0/8:80"}, want: "1 2 3 7"},
		{words: []string{"80"}, want: "0 1 2 3 6 7 8"},
		{words: []string{"81-82"}, want: "4 5"},
		{words: []string{"50000-65535", "81"}, want: "4 6 7 8"},
		{words: []string{"shop/api"}, want: "1 2"},
		{words: []string{"shop/api", "shop/web", "fix/web"}, want: "0 1 2 3 4 5 6 7 8"},
		{listening: true, words: []string{"80-82"}, want: "0 1 2 3 5"},
		{families: []string{"ipv6"}, want: "2"},
		{want: "0 1 2 3 4 5 6 7 8 9"},
	} {
		f := flags{listen: c.listening, only4: slices.Contains(c.families, "ipv4"), only6: slices.Contains(c.families, "ipv6")}
		r, err := newRequest(f, c.words, false)
		if err != nil {
			t.Fatal(err)
		}
		keep := socketquery.Keep(filter.Resolve(r.schema, r.filter, nil, nil), time.Now)
		var got []string
		for i := range all {
			if keep == nil || keep(&all[i]) {
				got = append(got, fmt.Sprint(i))
			}
		}
		if c.want != strings.Join(got, " ") {
			t.Errorf("%v: got %v, want %s", c.words, got, c.want)
		}
	}
}
