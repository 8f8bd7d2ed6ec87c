package probe

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"
)

// patience is how long a test waits for what must happen.
const patience = 30 * time.Second

// fake is a TCP server of a test's. All of it has ended when the test has.
type fake struct {
	addr        netip.AddrPort
	connections atomic.Int64
}

// serve starts a server on 127.0.0.1 that calls handle for each connection.
func serve(t testing.TB, handle func(c net.Conn)) *fake {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &fake{addr: netip.MustParseAddrPort(l.Addr().String())}
	var all sync.WaitGroup
	ctx, cancel := context.WithCancel(context.Background())
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			f.connections.Add(1)
			all.Go(func() {
				stop := context.AfterFunc(ctx, func() { _ = c.Close() })
				defer stop()
				defer c.Close()
				handle(c)
			})
		}
	})
	t.Cleanup(func() {
		_ = l.Close()
		cancel()
		all.Wait()
	})
	return f
}

func (f *fake) target(scheme string) Target {
	return Target{Text: f.addr.String(), Scheme: scheme, Host: f.addr.Addr().String(), Port: f.addr.Port()}
}

// script is a server that says banner, and then answers each question that it knows.
func script(banner string, answers ...[2]string) func(net.Conn) {
	return func(c net.Conn) {
		if _, err := c.Write([]byte(banner)); err != nil {
			return
		}
		var got []byte
		b := make([]byte, 4096)
		for {
			n, err := c.Read(b)
			if err != nil {
				return
			}
			got = append(got, b[:n]...)
			for _, a := range answers {
				if bytes.HasPrefix(got, []byte(a[0])) {
					got = nil
					if _, err := c.Write([]byte(a[1])); err != nil {
						return
					}
					break
				}
			}
		}
	}
}

// find probes and gives the report, whose form is checked.
func find(t *testing.T, target Target, opts Options) *Report {
	t.Helper()
	if opts.Timeout == 0 {
		opts.Timeout = patience
	}
	r, err := One(t.Context(), target, opts)
	if err != nil {
		t.Fatal(err)
	}
	if r.Answer != nil {
		printable(t, r.Answer)
	}
	for _, x := range r.Exchanges {
		if x.Name == "" || x.Result == "" {
			t.Errorf("exchange %+v", x)
		}
	}
	return r
}

// printable holds that an answer, as --json shows it, is bounded text that a
// terminal may be shown.
func printable(t *testing.T, v any) {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil || len(b) > 64<<10 {
		t.Errorf("%d bytes of JSON: %v", len(b), err)
	}
	dec := json.NewDecoder(bytes.NewReader(b))
	for {
		tok, err := dec.Token()
		if err != nil {
			return
		}
		s, _ := tok.(string)
		if !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
			t.Errorf("not fit to be printed: %q", s)
		}
	}
}
