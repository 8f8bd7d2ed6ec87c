package input

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"lodge/internal/target"
)

// brief writes what was read in one line.
func brief(in Question) string {
	var out []string
	out = append(out, string(in.Kind))
	if in.Name != "" {
		out = append(out, in.Name)
	}
	for _, ip := range in.IPs {
		out = append(out, ip.String())
	}
	if in.HasPort {
		out = append(out, fmt.Sprint(":", in.Port))
	}
	for _, s := range []string{string(in.Protocol), string(in.Operation), in.Errno} {
		if s != "" {
			out = append(out, s)
		}
	}
	if in.Local.IsValid() {
		out = append(out, "from "+in.Local.String())
	}
	return strings.Join(out, " ")
}

func TestParse(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"127.0.0.1:49342", "endpoint 127.0.0.1 :49342"},
		{":3000", "port :3000"},
		{"*:3000", "port :3000"},
		{"3000", "port :3000"},
		{"0", "port :0"},
		{"65535", "port :65535"},
		{"localhost:5432", "name localhost :5432"},
		{"localhost", "name localhost"},
		{"LocalHost.:80", "name localhost :80"},
		{"[::1]:80", "endpoint ::1 :80"},
		{"[::1]", "address ::1"},
		{"::1", "address ::1"},
		{"::", "address ::"},
		{"::1:5432", "endpoint ::1 :5432"},
		{":::3000", "endpoint :: :3000"},
		{"::ffff:127.0.0.1:80", "endpoint ::ffff:127.0.0.1 :80"},
		{"fe80::1%eth0", "address fe80::1%eth0"},
		{"2001:db8::1", "address 2001:db8::1"},
		{"127.0.0.1", "address 127.0.0.1"},
		{"0.0.0.0:80", "endpoint 0.0.0.0 :80"},
		{"web.shop.localhost", "name web.shop.localhost"},
		{"https://web.shop.localhost:8443/x", "name web.shop.localhost :8443"},
		{"https://web.shop.localhost/x?q=1#f", "name web.shop.localhost :443"},
		{"http://127.0.0.1:3000", "endpoint 127.0.0.1 :3000"},
		{"http://[::1]:3000/", "endpoint ::1 :3000"},
		{"postgres://me:secret@localhost/shop", "name localhost :5432"},
		{"redis://cache", "name cache :6379"},
		{"localhost:3000/api/x", "name localhost :3000"},
		{"db.shop.test:5432", "name db.shop.test :5432"},
		{"53/udp", "port :53 udp"},
		{"53/UDP", "port :53 udp"},
		{"127.0.0.1:53/udp", "endpoint 127.0.0.1 :53 udp"},
		{"postgres", "port :5432"},
		{"postgresql", "port :5432"},
		{"http", "port :80"},
		{"HTTPS", "port :443"},
		{"dns/udp", "port :53 udp"},
		{"db", "name db"},
		{`"127.0.0.1:80"`, "endpoint 127.0.0.1 :80"},
		{"<http://localhost:80/>,", "name localhost :80"},
		{"localhost 5432", "name localhost :5432"},
		{"what is 127.0.0.1:3000 ?", "endpoint 127.0.0.1 :3000"},
		{"tcp 127.0.0.1:80", "endpoint 127.0.0.1 :80 tcp"},
	} {
		got, err := Parse(c.in)
		if err != nil || brief(got) != c.want {
			t.Errorf("%q: %q, %v, want %q", c.in, brief(got), err, c.want)
		}
	}
}

func TestParseMessage(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		// Go
		{"dial tcp [::1]:8080: connect: connection refused", "error ::1 :8080 tcp connect ECONNREFUSED"},
		{"dial tcp 127.0.0.1:5432: connect: connection refused", "error 127.0.0.1 :5432 tcp connect ECONNREFUSED"},
		{"listen tcp :8080: bind: address already in use", "error :8080 tcp bind EADDRINUSE"},
		{"2024/05/01 12:30:45 main.go:17: listen tcp 127.0.0.1:8080: bind: address already in use", "error 127.0.0.1 :8080 tcp bind EADDRINUSE"},
		{"listen tcp 10.9.8.7:80: bind: cannot assign requested address", "error 10.9.8.7 :80 tcp bind EADDRNOTAVAIL"},
		{"listen tcp :80: bind: permission denied", "error :80 tcp bind EACCES"},
		{`Get "http://localhost:8080/": dial tcp [::1]:8080: connect: connection refused`, "error localhost ::1 :8080 tcp connect ECONNREFUSED"},
		{"dial tcp 127.0.0.1:9: i/o timeout", "error 127.0.0.1 :9 tcp connect ETIMEDOUT"},
		{"read tcp 127.0.0.1:54321->127.0.0.1:80: read: connection reset by peer", "error 127.0.0.1 :80 tcp connect ECONNRESET from 127.0.0.1:54321"},
		{"dial tcp: lookup db on 127.0.0.53:53: no such host", "error db tcp connect ENOTFOUND"},
		{"dial tcp db:5432: connect: connection refused", "error db :5432 tcp connect ECONNREFUSED"},
		{`rpc error: code = Unavailable desc = "transport: Error while dialing: dial tcp 127.0.0.1:50051: connect: connection refused"`, "error 127.0.0.1 :50051 tcp connect ECONNREFUSED"},
		// Node
		{"connect ECONNREFUSED 127.0.0.1:5432", "error 127.0.0.1 :5432 connect ECONNREFUSED"},
		{"Error: connect ECONNREFUSED ::1:5432", "error ::1 :5432 connect ECONNREFUSED"},
		{"Error: listen EADDRINUSE: address already in use :::3000", "error :: :3000 bind EADDRINUSE"},
		{"Error: listen EADDRINUSE: address already in use 127.0.0.1:3000\n    at Server.setupListenHandle [as _listen2] (node:net:1463:16)\n    at listenInCluster (node:net:1511:12)", "error 127.0.0.1 :3000 bind EADDRINUSE"},
		{"EACCES: permission denied 0.0.0.0:80", "error 0.0.0.0 :80 bind EACCES"},
		{"Error: listen EACCES: permission denied 0.0.0.0:80", "error 0.0.0.0 :80 bind EACCES"},
		{"connect EADDRNOTAVAIL 127.0.0.1:80 - Local (0.0.0.0:0)", "error 127.0.0.1 :80 connect EADDRNOTAVAIL"},
		{"getaddrinfo ENOTFOUND db.internal", "error db.internal connect ENOTFOUND"},
		{"{ errno: -111, code: 'ECONNREFUSED', syscall: 'connect', address: '127.0.0.1', port: 6379 }", "error 127.0.0.1 :6379 connect ECONNREFUSED"},
		{"FetchError: request to http://localhost:4000/graphql failed, reason: connect ECONNREFUSED ::1:4000", "error localhost ::1 :4000 connect ECONNREFUSED"},
		{"Error: Port 5173 is already in use", "error :5173 bind EADDRINUSE"},
		{"Error: read ECONNRESET 127.0.0.1:8080", "error 127.0.0.1 :8080 connect ECONNRESET"},
		// Python
		{"OSError: [Errno 98] Address already in use: ('127.0.0.1', 8000)", "error 127.0.0.1 :8000 bind EADDRINUSE"},
		{"OSError: [Errno 98] error while attempting to bind on address ('0.0.0.0', 8000): address already in use", "error 0.0.0.0 :8000 bind EADDRINUSE"},
		{"OSError: [Errno 98] Address already in use: ('', 8000)", "error :8000 bind EADDRINUSE"},
		{"requests.exceptions.ConnectionError: HTTPConnectionPool(host='localhost', port=8000): Max retries exceeded with url: /api (Caused by NewConnectionError('<urllib3.connection.HTTPConnection object at 0x7f>: Failed to establish a new connection: [Errno 111] Connection refused'))", "error localhost :8000 connect ECONNREFUSED"},
		{"Address already in use\nPort 5000 is in use by another program. Either identify and stop that program, or start the server with a different port.", "error :5000 bind EADDRINUSE"},
		{"ConnectionRefusedError: [Errno 111] Connect call failed ('127.0.0.1', 6379)", "error 127.0.0.1 :6379 connect ECONNREFUSED"},
		// Java
		{"java.net.ConnectException: Connection refused: localhost/127.0.0.1:5432", "error localhost 127.0.0.1 :5432 connect ECONNREFUSED"},
		{"Connect to localhost:8080 [localhost/127.0.0.1, localhost/0:0:0:0:0:0:0:1] failed: Connection refused", "error localhost :8080 connect ECONNREFUSED"},
		{"Web server failed to start. Port 8080 was already in use.", "error :8080 bind EADDRINUSE"},
		{"Connection to localhost:5432 refused. Check that the hostname and port are correct: java.net.ConnectException: Connection refused", "error localhost :5432 connect ECONNREFUSED"},
		// curl, wget, ssh
		{"curl: (7) Failed to connect to localhost port 3000 after 0 ms: Couldn't connect to server", "error localhost :3000 connect ECONNREFUSED"},
		{"curl: (28) Failed to connect to 10.0.0.1 port 80 after 1001 ms: Timeout was reached", "error 10.0.0.1 :80 connect ETIMEDOUT"},
		{"Connecting to localhost (localhost)|127.0.0.1|:8000... failed: Connection refused.", "error localhost 127.0.0.1 :8000 connect ECONNREFUSED"},
		{"ssh: connect to host localhost port 22: Connection refused", "error localhost :22 connect ECONNREFUSED"},
		// PostgreSQL, Redis, MySQL
		{`psql: error: connection to server at "localhost" (::1), port 5432 failed: Connection refused` + "\n\tIs the server running on that host and accepting TCP/IP connections?\n" + `connection to server at "localhost" (127.0.0.1), port 5432 failed: Connection refused`, "error localhost ::1 127.0.0.1 :5432 tcp connect ECONNREFUSED"},
		{`could not bind IPv4 address "127.0.0.1": Address already in use` + "\nHINT:  Is another postmaster already running on port 5432? If not, wait a few seconds and retry.", "error 127.0.0.1 :5432 bind EADDRINUSE"},
		{"Could not connect to Redis at 127.0.0.1:6379: Connection refused", "error 127.0.0.1 :6379 connect ECONNREFUSED"},
		{"Warning: Could not create server TCP listening socket *:6379: bind: Address already in use", "error :6379 tcp bind EADDRINUSE"},
		{"ERROR 2003 (HY000): Can't connect to MySQL server on '127.0.0.1:3306' (111)", "error 127.0.0.1 :3306 connect ECONNREFUSED"},
		{"ERROR 2003 (HY000): Can't connect to MySQL server on '127.0.0.1' (111)", "error 127.0.0.1 :3306 connect ECONNREFUSED"},
		// nginx
		{`2024/01/01 12:00:00 [error] 123#123: *1 connect() failed (111: Connection refused) while connecting to upstream, client: 127.0.0.1, server: , request: "GET / HTTP/1.1", upstream: "http://127.0.0.1:3000/", host: "localhost:8080"`, "error 127.0.0.1 :3000 connect ECONNREFUSED"},
		{"nginx: [emerg] bind() to [::]:80 failed (98: Address already in use)", "error :: :80 bind EADDRINUSE"},
		{"nginx: [emerg] bind() to 0.0.0.0:80 failed (13: Permission denied)", "error 0.0.0.0 :80 bind EACCES"},
		// Docker
		{"Error response from daemon: driver failed programming external connectivity on endpoint web (0a1b2c): Bind for 0.0.0.0:8080 failed: port is already allocated.", "error 0.0.0.0 :8080 bind EADDRINUSE"},
		{"Ports are not available: exposing port TCP 0.0.0.0:3000 -> 0.0.0.0:0: listen tcp 0.0.0.0:3000: bind: address already in use", "error 0.0.0.0 :3000 tcp bind EADDRINUSE"},
		// Ruby, Rust
		{`Address already in use - bind(2) for "127.0.0.1" port 3000 (Errno::EADDRINUSE)`, "error 127.0.0.1 :3000 bind EADDRINUSE"},
		{`Failed to open TCP connection to localhost:3000 (Connection refused - connect(2) for "localhost" port 3000)`, "error localhost :3000 tcp connect ECONNREFUSED"},
		{"error trying to connect: tcp connect error: Connection refused (os error 111) localhost:7878", "error localhost :7878 tcp connect ECONNREFUSED"},
		{"Address already in use (os error 98) 3000", "error :3000 bind EADDRINUSE"},
		// a browser
		{"GET http://localhost:5173/src/main.ts net::ERR_CONNECTION_REFUSED", "error localhost :5173 connect ECONNREFUSED"},
	} {
		got, err := Parse(c.in)
		if err != nil || brief(got) != c.want {
			t.Errorf("%q:\n got %q, %v\nwant %q", c.in, brief(got), err, c.want)
		}
	}
}

func TestParseNothing(t *testing.T) {
	for _, in := range []string{"", "  ", "bind: address already in use", "OSError: [Errno 98] Address already in use",
		`Error: Os { code: 98, kind: AddrInUse, message: "Address already in use" }`, "curl: (56) Recv failure: Connection reset by peer"} {
		if got, err := Parse(in); !errors.Is(err, ErrNoAddress) {
			t.Errorf("%q: %q, %v", in, brief(got), err)
		}
	}
	for _, in := range []string{"65536", ":65536", "localhost:99999", "localhost:http:", "[::1", "[::1]80", "10.0.0.0/8", "a..b", "-x", "käse:80", "http://", "http://:http/", strings.Repeat("a", 300)} {
		if got, err := Parse(in); err == nil {
			t.Errorf("%q: %q, no error", in, brief(got))
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"127.0.0.1:80", ":::3000", "[::1]:80/udp", "http://[::1]:80/", `server at "localhost" (::1), port 5432 failed: Connection refused`, "read tcp 1.2.3.4:5->[::1]:6: connection reset by peer", "('127.0.0.1', 80)", "localhost/127.0.0.1:5432 x", "a|::1|:8 x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		in, err := Parse(s)
		if err != nil {
			return
		}
		if in.Name == "" && len(in.IPs) == 0 && !in.HasPort && in.Unix == "" {
			t.Errorf("%q: nothing was read and no error given", s)
		}
		if in.Name != "" && !target.ValidName(in.Name) || in.Kind == "" {
			t.Errorf("%q: %+v", s, in)
		}
		for _, ip := range in.IPs {
			if !ip.IsValid() {
				t.Errorf("%q: an address that is none", s)
			}
		}
		// What is written of it is read as the same.
		if len(in.IPs) == 1 && in.HasPort && in.Name == "" && in.Errno == "" {
			again, err := Parse(netip.AddrPortFrom(in.IPs[0], in.Port).String())
			if err != nil || again.Port != in.Port || again.IPs[0] != in.IPs[0] {
				t.Errorf("%q: %+v, then %+v, %v", s, in, again, err)
			}
		}
	})
}
