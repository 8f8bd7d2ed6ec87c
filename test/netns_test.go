package test

import (
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// veth makes two network namespaces that a pair of interfaces joins, and gives
// their names and addresses. Both are removed at the test's end.
func veth(t *testing.T, n int) (names, addresses [2]string) {
	t.Helper()
	needRoot(t)
	ip := need(t, "ip")
	need(t, "nsenter")
	run := func(argv ...string) {
		t.Helper()
		if out, err := exec.Command(ip, argv...).CombinedOutput(); err != nil {
			t.Fatalf("ip %s: %v\n%s", strings.Join(argv, " "), err, out)
		}
	}
	for i, side := range []string{"a", "b"} {
		names[i] = fmt.Sprintf("lt%d%s%d", os.Getpid(), side, n)
		addresses[i] = fmt.Sprintf("10.213.%d.%d", n, i+1)
		run("netns", "add", names[i])
		t.Cleanup(func() {
			if out, err := exec.Command(ip, "netns", "delete", names[i]).CombinedOutput(); err != nil {
				t.Errorf("remove namespace: %v\n%s", err, out)
			}
		})
	}
	run("-n", names[0], "link", "add", "v0", "type", "veth", "peer", "name", "v0", "netns", names[1])
	for i, name := range names {
		run("-n", name, "link", "set", "lo", "up")
		run("-n", name, "link", "set", "v0", "up")
		run("-n", name, "address", "add", addresses[i]+"/24", "dev", "v0")
	}
	return names, addresses
}

// quiet makes lodge itself run in a network namespace of its own, where the test
// may make one. Chromium breaks connections off whenever an address comes or
// goes on any interface (net::ERR_NETWORK_CHANGED), as the homes of other tests
// do.
func (e *env) quiet() {
	e.t.Helper()
	if os.Geteuid() != 0 {
		return
	}
	ip := need(e.t, "ip")
	need(e.t, "nsenter")
	name := fmt.Sprintf("lt%dq%s", os.Getpid(), filepath.Base(e.base))
	for _, argv := range [][]string{{"netns", "add", name}, {"-n", name, "link", "set", "lo", "up"}} {
		if out, err := exec.Command(ip, argv...).CombinedOutput(); err != nil {
			e.t.Fatalf("ip %s: %v\n%s", strings.Join(argv, " "), err, out)
		}
		if argv[1] == "add" {
			e.t.Cleanup(func() {
				if out, err := exec.Command(ip, "netns", "delete", name).CombinedOutput(); err != nil {
					e.t.Errorf("remove namespace: %v\n%s", err, out)
				}
			})
		}
	}
	e.into(name)
}

// beside returns a command outside of every home, where lodge itself runs.
func (e *env) beside(argv ...string) *exec.Cmd {
	if e.netns == "" {
		return hostCommand(argv...)
	}
	return in(e.netns, argv...)
}

// in returns a command in a network namespace. `ip netns exec` would mount a
// fresh /sys, without cgroups.
func in(netns string, argv ...string) *exec.Cmd {
	return hostCommand(append([]string{"nsenter", "--net=/run/netns/" + netns}, argv...)...)
}

// into makes lodge itself run in the namespace.
func (e *env) into(netns string) {
	e.netns = netns
	e.prefix = []string{"nsenter", "--net=/run/netns/" + netns}
	if e.uid != 0 {
		uid := itoa(e.uid)
		e.prefix = append(e.prefix, "setpriv", "--reuid="+uid, "--regid="+uid, "--clear-groups")
	}
	e.t.Cleanup(e.leave)
}

// leave stops what runs in a namespace before the namespace goes away.
func (e *env) leave() {
	e.t.Helper()
	e.note()
	e.lodge(e.base, "down", "--all").ok(e.t)
	e.gone()
	e.prefix = nil
}

// A server that asks for all interfaces is not on the network. The plain one
// beside it is, so that the proof can fail.
func TestNotOnTheNetwork(t *testing.T) {
	python(t)
	need(t, "curl")
	eachEngine(t, func(t *testing.T, e *env) {
		number := 1
		if e.engine == seccomp {
			number = 2
		}
		names, addrs := veth(t, number)
		e.into(names[0])
		ps := e.pair("index.html", "page of @ALONE@", "lodge.toml",
			config("web", systemPython+" -m http.server --bind 0.0.0.0 8000")+
				"[services.unbound]\ncommand = \""+peerBin+" unbound 'unbound of @ALONE@'\"\n"+
				"[services.six]\ncommand = \""+peerBin+" http [::]:8001 'dual of @ALONE@'\"\n"+
				"[services.udp]\ncommand = \""+systemPython+" echo.py\"\n",
			"echo.py", udpEcho)
		for _, p := range ps {
			p.up()
		}
		plain := background(t, in(names[0], "env", "-C", ps[0].dir, systemPython, "-m", "http.server", "--bind", "0.0.0.0", "8002"))
		bare := background(t, in(names[0], peerBin, "unbound", "plain"))
		eventually(t, func() string {
			if !strings.Contains(bare.stdout(), "listening on 0.0.0.0:") {
				return "the plain unbound server does not listen: " + bare.stdout() + bare.stderr()
			}
			return ""
		})
		ask := func(netns string, argv ...string) result {
			t.Helper()
			return finish(t, t.Context(), in(netns, argv...))
		}
		curl := func(netns, url string) result {
			t.Helper()
			return ask(netns, "curl", "-sS", "--max-time", "10", "--noproxy", "*", "--retry", "20", "--retry-delay", "0", "--retry-connrefused", "--retry-max-time", "5", url)
		}
		refused := func(url string) result {
			t.Helper()
			return ask(names[1], "curl", "-sS", "--max-time", "10", "--noproxy", "*", url)
		}
		// Plain servers are reached over the wire.
		if got := curl(names[1], "http://"+addrs[0]+":8002/").ok(t); got != "page of one" {
			t.Errorf("the plain server over the wire: %q\n%s", got, plain.stderr())
		}
		at := strings.TrimSpace(strings.TrimPrefix(strings.Split(bare.stdout(), "\n")[0], "listening on 0.0.0.0"))
		if got := ask(names[1], peerBin, "tcp", addrs[0]+at, "x").ok(t); got != "plain" {
			t.Errorf("the plain server without a bind, over the wire: %q", got)
		}
		for _, p := range ps {
			q, _ := p.info()
			// They do run, and are reached inside and by their home.
			if got := curl(names[0], fmt.Sprintf("http://%s:8000/", q.Home)).ok(t); got != "page of "+p.name {
				t.Errorf("%s by its home: %q", p.name, got)
			}
			p.curl("http://localhost:8000/", "page of "+p.name)
			p.curl("http://[::1]:8001/", "dual of "+p.name)
			ports := []uint16{8000, 8001}
			for _, s := range q.Services {
				for _, end := range s.Endpoints {
					if end.IP != q.Home {
						t.Errorf("%s/%s listens on %v, want only its home %s", p.name, s.Name, end, q.Home)
					}
					if s.Name == "unbound" {
						ports = append(ports, end.Port)
						if got := p.exec(peerBin, "tcp", fmt.Sprintf("localhost:%d", end.Port), "x"); got != "unbound of "+p.name {
							t.Errorf("%s: listen without a bind, inside: %q", p.name, got)
						}
					}
				}
			}
			if len(ports) != 3 {
				t.Errorf("%s: ls lists no port of the server that did not bind: %+v", p.name, q.Services)
			}
			for _, port := range ports {
				if r := refused(fmt.Sprintf("http://%s:%d/", addrs[0], port)); r.code != 7 {
					t.Errorf("%s: port %d is reached from the network: %v", p.name, port, r)
				}
				// Not even by somebody who knows the home and has a route to it.
				if r := refused(fmt.Sprintf("http://%s/", netip.AddrPortFrom(q.Home, port))); r.code == 0 {
					t.Errorf("%s: %s:%d is reached from the network: %v", p.name, q.Home, port, r)
				}
			}
			if r := ask(names[1], peerBin, "udp", addrs[0]+":7007", "hello"); r.code == 0 {
				t.Errorf("%s: the UDP server is reached from the network: %v", p.name, r)
			}
			if got := ask(names[0], peerBin, "udp", q.Home.String()+":7007", "hello").ok(t); !strings.HasSuffix(got, p.name+" echoes hello") {
				t.Errorf("%s: the UDP server by its home: %q", p.name, got)
			}
		}
		for _, p := range ps {
			p.lodge("down").ok(t)
		}
		if e.engine == ebpf {
			eventually(t, func() string {
				out := ask(names[0], "ip", "-6", "address", "show", "dev", "lo").ok(t)
				if strings.Contains(out, "fd6c:6f64:6765") {
					return "an IPv6 home is left on lo of the namespace: " + out
				}
				return ""
			})
		}
	})
}
