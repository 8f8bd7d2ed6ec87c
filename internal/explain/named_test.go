package explain

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"lodge/internal/explain/facts"
	"lodge/internal/explain/gather"
	"lodge/internal/explain/input"
	"lodge/internal/explain/render"
	"lodge/internal/loopback"
)

func TestNames(t *testing.T) {
	homeIP := netip.MustParseAddr("127.83.20.7")
	served := listen(t, "tcp4", "127.0.0.1:0")
	behind := listen(t, "tcp4", homeIP.String()+":0")
	webPort := uint16(served.Addr().(*net.TCPAddr).Port)
	svcPort := uint16(behind.Addr().(*net.TCPAddr).Port)
	at := []loopback.Endpoint{{Protocol: loopback.TCP, IP: homeIP, Port: svcPort}}
	status := 3
	web := func(state string, more ...func(*facts.Name)) *facts.Name {
		n := &facts.Name{
			Domain: "localhost", Project: "shop", Path: "/p/shop", Home: homeIP, Up: true, HTTP: true, HostName: "web.shop.test",
			URL: fmt.Sprintf("https://web.shop.localhost:%d", webPort), Port: webPort, ServerPID: os.Getpid(),
			Service: &facts.Service{Name: "web", State: state, Endpoints: []loopback.Endpoint{}},
		}
		if state == "ready" {
			n.Service.Endpoints = at
		}
		for _, m := range more {
			m(n)
		}
		return n
	}
	below := func(n *facts.Name) { n.Domain = "test" }
	unresolved := func(n *facts.Name) { n.Unresolved = "there is no helper" }
	failed := func(n *facts.Name) {
		n.Service.Ended, n.Service.Exit, n.Service.Reason = true, &status, "ended with status 3"
	}
	redis := func(n *facts.Name) { n.HTTP = false }
	noService := func(n *facts.Name) { n.Service = nil }
	by := fmt.Sprintf("lodge (pid %d) on port %d", os.Getpid(), webPort)
	for _, c := range []struct {
		input  string
		name   *facts.Name
		answer string
		codes  []Code
		hint   string // in the first one
	}{
		{"web.shop.localhost", web("ready"), fmt.Sprintf("web.shop.localhost is the name of service web of project shop, which listens on %s:%d; requests go through %s.", homeIP, svcPort, by), nil, ""},
		{fmt.Sprintf("https://web.shop.localhost:%d/x?y", webPort), web("ready"), "; requests go through " + by, nil, ""},
		{"web.shop.localhost", web("idle"), "which is idle: the first request starts it, through " + by, nil, ""},
		{"web.shop.localhost", web("starting"), "which is starting; requests through " + by + " wait until it is ready.", []Code{ServiceStarting}, "lodge logs -f web"},
		{"web.shop.localhost", web("starting", func(n *facts.Name) {
			n.Service.Failing, n.Service.Reason = true, "it ended with status 3, and is started again"
		}),
			"which is starting (it ended with status 3, and is started again); requests through " + by + " get a page that says so until it is ready.", []Code{ProcessDied}, "lodge logs web"},
		{"web.shop.localhost", web("failed", failed), "which is not running (ended with status 3); requests through " + by + " get a page that says so.", []Code{ProcessDied}, "cd /p/shop && lodge logs web"},
		{"web.shop.localhost", web("ready", func(n *facts.Name) { n.Service.Endpoints, n.Service.Reason = nil, "it is a worker" }), "which runs and listens on nothing (it is a worker)",
			[]Code{NotHTTP}, "lodge logs -f web"},
		{"web.shop.localhost", web("stopped"), "which is not running; requests", []Code{ServiceDown}, "lodge restart web"},
		{"web.shop.localhost", web("ready", redis), "and does not speak HTTP: lodge serves only HTTP below localhost. Its name for other protocols is web.shop.test.", []Code{NotHTTP}, fmt.Sprintf("connect to web.shop.test:%d", svcPort)},
		{"web.shop.localhost", web("ready", redis, unresolved), "does not speak HTTP", []Code{NotHTTP}, fmt.Sprintf("connect to %s:%d", homeIP, svcPort)},
		{"shop.localhost", web("ready", noService, func(n *facts.Name) { n.Others = []string{"web", "api"} }), "shop.localhost is the name of project shop, which has no default service. It leads to the only one that speaks HTTP, if that is one: web and api.", []Code{NoSuchService}, `default = "web"`},
		{"nix.shop.localhost", web("ready", noService, func(n *facts.Name) { n.Missing, n.Others = "nix", []string{"web", "api"} }), "nix.shop.localhost leads nowhere: project shop has no service nix. It has web and api.", []Code{NoSuchService}, ""},
		{"web.shop.localhost", web("", noService, func(n *facts.Name) { n.Up = false }), "web.shop.localhost is a name of project shop, which is not up.", []Code{ServiceDown}, "cd /p/shop && lodge up"},
		{"web.shop.localhost:1", web("ready"), fmt.Sprintf("; lodge serves it at https://web.shop.localhost:%d. Nothing is there", webPort), []Code{OtherPort}, "use https://web.shop.localhost"},
		{fmt.Sprintf("connect ECONNREFUSED web.shop.localhost:%d", webPort), web("failed", failed), "which is not running (ended with status 3)", []Code{ProcessDied}, "lodge logs web"},
		{"getaddrinfo ENOTFOUND web.shop.localhost", web("ready"), "Programs that ask the C library alone do not know names below localhost", []Code{NameUnknown}, "sudo lodge setup"},
		{"could not translate host name \"web.shop.test\" to address: Name or service not known", web("ready", below, unresolved), "The name web.shop.test leads nowhere for most programs on this machine: there is no helper.", []Code{NameUnknown}, "go inside"},
		{fmt.Sprintf("connect ECONNREFUSED web.shop.test:%d", svcPort), web("ready", below, unresolved), "", []Code{ListensNow, NameUnknown}, ""},
		{"web.shop.test", web("ready", below), fmt.Sprintf("web.shop.test is the name of service web of project shop, which listens on %s:%d.", homeIP, svcPort), nil, ""},
		{fmt.Sprintf("web.shop.test:%d", svcPort), web("ready", below, unresolved), "Programs on this machine do not find the name: there is no helper.", []Code{NameUnknown}, fmt.Sprintf("use %s:%d, or go inside", homeIP, svcPort)},
		{"web.shop.test:1", web("failed", failed, below), "web.shop.test is the name of service web of project shop, which is not running (ended with status 3).", []Code{ProcessDied}, "lodge logs web"},
		{"web.shop.test:1", web("ready", below), fmt.Sprintf("which listens on %s:%d. Nothing is there: nobody listens on web.shop.test:1", homeIP, svcPort), nil, ""},
		{"shop.test", web("ready", below, noService), "shop.test is the name of project shop and leads to its home, 127.83.20.7.", nil, ""},
		{"nix.shop.test:80", web("ready", below, noService, func(n *facts.Name) { n.Missing = "nix" }), "nix.shop.test leads nowhere: project shop has no service nix. It has none.", []Code{NoSuchService}, ""},
	} {
		t.Run(c.input+" "+c.answer[:min(len(c.answer), 20)], func(t *testing.T) {
			f, r := explained(t, c.input, func(s *gather.Source) {
				s.Name = func(host string) *facts.Name {
					if host != nameIn(c.input) {
						t.Errorf("asked for %q", host)
					}
					return c.name
				}
			})
			if !strings.Contains(r.Answer, c.answer) {
				t.Errorf("got %q\nwant %q", r.Answer, c.answer)
			}
			var codes []Code
			for _, x := range r.Causes {
				switch x.Code { // what the sockets tell is tested elsewhere
				case NobodyListens, PrivilegedPort, InHome, InNamespace, OtherAddress, FamilyOrder:
				default:
					codes = append(codes, x.Code)
				}
			}
			if !slices.Equal(codes, c.codes) {
				t.Errorf("causes %v, want %v", codes, c.codes)
			}
			if c.hint != "" && (len(r.Hints) == 0 || !strings.Contains(r.Hints[0], c.hint)) {
				t.Errorf("hints %q, want %q", r.Hints, c.hint)
			}
			seen := make(map[render.Line]bool)
			for _, l := range r.Lines {
				if seen[l] {
					t.Errorf("said twice: %+v", l)
				}
				seen[l] = true
			}
			if c.name.Domain == "localhost" && len(c.codes) == 0 && c.name.Service.State == "ready" && (len(f.Serving) != 1 || f.Serving[0].Local.Port != svcPort) {
				t.Errorf("serving: %+v", f.Serving)
			}
		})
	}
}

// nameIn returns the name in a text.
func nameIn(text string) string {
	in, _ := input.Parse(text)
	return in.Name
}
