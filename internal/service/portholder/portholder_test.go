package portholder

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
)

// A socket on all interfaces holds its port in every home, one on 127.0.0.1 in none.
func TestFind(t *testing.T) {
	home := netip.MustParseAddr("127.93.211.17")
	for _, c := range []struct {
		host  string
		holds bool
		hint  string
	}{
		{"0.0.0.0", true, "127.0.0.1 only"},
		{home.String(), true, "another port"},
		{"127.0.0.1", false, ""},
	} {
		ln, err := net.Listen("tcp4", net.JoinHostPort(c.host, "0"))
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		port := uint16(ln.Addr().(*net.TCPAddr).Port)
		o, ok := Find(home, []uint16{port})
		if ok != c.holds {
			t.Errorf("%s holds the port: %v", c.host, ok)
		}
		if !ok {
			continue
		}
		if want := fmt.Sprintf("; port %d is taken outside by ", port); !strings.HasPrefix(o.Cause(), want) || !strings.Contains(o.Cause(), fmt.Sprintf("(process %d)", os.Getpid())) {
			t.Errorf("cause %q, want %q", o.Cause(), want)
		}
		if !strings.Contains(o.Hint(), c.hint) {
			t.Errorf("hint %q, want %q", o.Hint(), c.hint)
		}
	}
	if o, ok := Find(home, nil); ok {
		t.Errorf("no port is wanted, and %+v has it", o)
	}
}

func TestNumbersIn(t *testing.T) {
	got := NumbersIn("serve --port 3000, not 70000, 0, 007 or 127.0.0.1:8080")
	if want := []uint16{3000, 127, 1, 8080}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
