package probe

import (
	"strconv"
	"testing"

	"lodge/internal/cli/clitest"
	"lodge/internal/cli/daemonview"
	"lodge/internal/localapi"
	"lodge/internal/service"
)

func TestTargetOfService(t *testing.T) {
	for _, c := range []struct {
		name   string
		status service.Status
		udp    bool
		want   string // scheme, host and port, or the error
	}{
		{"one port", service.Status{State: service.Up, Scheme: "http", Endpoints: clitest.ListensAt("127.83.20.7:8000")}, false, "http 127.83.20.7:8000"},
		{"by its name", service.Status{State: service.Up, Scheme: "http", URL: "https://x.shop.localhost", Endpoints: clitest.ListensAt("127.83.20.7:8000")}, false, "http x.shop.localhost:8000"},
		{"both families", service.Status{State: service.Up, Scheme: "redis", Endpoints: clitest.ListensAt("[fd00::1]:6379", "127.83.20.7:6379")}, false, "redis 127.83.20.7:6379"},
		{"IPv6 only", service.Status{State: service.Up, Endpoints: clitest.ListensAt("[fd00::1]:6379")}, false, " fd00::1:6379"},
		{"the port of http", service.Status{State: service.Up, HTTP: 5173, Endpoints: clitest.ListensAt("127.83.20.7:24678", "127.83.20.7:5173")}, false, " 127.83.20.7:5173"},
		{"the leased port", service.Status{State: service.Up, Port: 50000, Endpoints: clitest.ListensAt("127.83.20.7:50000", "127.83.20.7:9000")}, false, " 127.83.20.7:50000"},
		{"one that Linux chose", service.Status{State: service.Up, Endpoints: clitest.ListensAt("127.83.20.7:45000", "127.83.20.7:9000")}, false, " 127.83.20.7:9000"},
		{"two ports", service.Status{State: service.Up, Endpoints: clitest.ListensAt("127.83.20.7:9001", "127.83.20.7:9000")}, false, "probe shop/x: it listens on 2 ports: 127.83.20.7:9001, 127.83.20.7:9000"},
		{"UDP", service.Status{State: service.Up, Endpoints: clitest.ListensAt("127.83.20.7:53", "udp 127.83.20.7:5353")}, true, " 127.83.20.7:5353"},
		{"no UDP", service.Status{State: service.Up, Endpoints: clitest.ListensAt("127.83.20.7:53")}, true, "probe shop/x: it is ready, and listens on no UDP port"},
		{"a scheme that probe does not know", service.Status{State: service.Up, Scheme: "zebra", Endpoints: clitest.ListensAt("127.83.20.7:9000")}, false, " 127.83.20.7:9000"},
		{"starting", service.Status{State: service.Starting}, false, "probe shop/x: it is starting, and listens on no TCP port"},
		{"idle", service.Status{State: service.Idle, URL: "https://x.shop.localhost"}, false, "probe shop/x: it is idle, and started by the first request for its name"},
		{"failed", service.Status{State: service.Failed, Reason: "ended with status 3"}, false, "probe shop/x: it is not running (ended with status 3)"},
		{"stopped", service.Status{State: service.Stopped}, false, "probe shop/x: it is stopped, and listens nowhere"},
	} {
		c.status.Name = "x"
		n := daemonview.Service{Project: localapi.Project{Name: "shop", Label: "shop"}, Status: c.status}
		got, find, err := serviceTarget(&n, "shop/x", c.udp)
		var s string
		if err == nil {
			s = got.Scheme + " " + got.Host + ":" + strconv.Itoa(int(got.Port))
			if ips, err := find(t.Context(), got.Host); err != nil || len(ips) != 1 || ips[0] != c.status.Endpoints[0].IP && len(c.status.Endpoints) == 1 {
				t.Errorf("%s: found %v, %v", c.name, ips, err)
			}
			if got.Text != "shop/x" {
				t.Errorf("%s: text %q", c.name, got.Text)
			}
		} else {
			s = err.Error()
		}
		if s != c.want {
			t.Errorf("%s: got %q, want %q", c.name, s, c.want)
		}
	}
}
