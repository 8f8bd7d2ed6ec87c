// Package clitest has what tests of several packages of the command line share.
package clitest

import (
	"bytes"
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lodge/internal/loopback"
)

var update = flag.Bool("update", false, "write the golden files anew")

// Update reports whether golden files are to be written instead of compared.
func Update() bool { return *update }

// Golden compares what is printed with a file of testdata.
func Golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is not what is printed (go test -run %s -update accepts it):\n%s", path, t.Name(), got)
	}
}

// ListensAt returns endpoints, each written as ADDRESS:PORT, after "udp " for UDP.
func ListensAt(addrs ...string) []loopback.Endpoint {
	var out []loopback.Endpoint
	for _, a := range addrs {
		proto := loopback.TCP
		if s, ok := strings.CutPrefix(a, "udp "); ok {
			proto, a = loopback.UDP, s
		}
		ap := netip.MustParseAddrPort(a)
		out = append(out, loopback.Endpoint{Protocol: proto, IP: ap.Addr(), Port: ap.Port()})
	}
	return out
}
