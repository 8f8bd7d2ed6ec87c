package gather

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"lodge/internal/explain/facts"
	"lodge/internal/explain/words"
	"lodge/internal/procfs"
)

// netstat is the beginning of /proc/net/netstat of Linux 6.18.
const netstat = `TcpExt: SyncookiesSent SyncookiesRecv ListenOverflows ListenDrops TCPHPHits
TcpExt: 0 0 17 19 4711
IpExt: InNoRoutes InTruncatedPkts
IpExt: 1 2
`

func TestReadKernel(t *testing.T) {
	root := t.TempDir()
	for name, text := range map[string]string{
		"sys/net/ipv4/ip_local_port_range":        "32768\t60999\n",
		"sys/net/ipv4/ip_local_reserved_ports":    "8080,33000-33010\n",
		"sys/net/ipv4/ip_unprivileged_port_start": "80\n",
		"sys/net/ipv4/tcp_abort_on_overflow":      "1\n",
		"net/netstat":                             netstat,
	} {
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	k, unknown := readKernel(root)
	want := facts.Kernel{EphemeralFirst: 32768, EphemeralLast: 60999, Reserved: []facts.Range{{First: 8080, Last: 8080}, {First: 33000, Last: 33010}}, UnprivilegedStart: 80, Overflows: 17, Drops: 19, AbortOnOverflow: true}
	if fmt.Sprint(k) != fmt.Sprint(want) || len(unknown) != 0 {
		t.Errorf("%+v, %v", k, unknown)
	}
	for port, is := range map[uint16]bool{32767: false, 32768: true, 33000: false, 33010: false, 33011: true, 60999: true, 61000: false, 8080: false} {
		if k.IsEphemeral(port) != is {
			t.Errorf("port %d: %v", port, !is)
		}
	}
	// What is not there is said, and nothing is made up of it.
	k, unknown = readKernel(t.TempDir())
	if len(unknown) != 5 || k.IsEphemeral(40000) || k.UnprivilegedStart != 1024 {
		t.Errorf("%+v, %v", k, unknown)
	}
	if k, unknown = readKernel("/proc"); len(unknown) != 0 || k.EphemeralLast == 0 {
		t.Errorf("this machine: %+v, %v", k, unknown)
	}
}

func TestParsePortRange(t *testing.T) {
	for _, bad := range []string{"", "1", "1 2 3", "9 1", "1 70000", "a b", "-1 5"} {
		if first, last, err := parsePortRange(bad); err == nil {
			t.Errorf("%q: %d to %d", bad, first, last)
		}
	}
	for _, bad := range []string{"x", "1-", "-", "1,70000"} {
		if got, err := parseReserved(bad); err == nil {
			t.Errorf("%q: %v", bad, got)
		}
	}
	if got, err := parseReserved("\n"); err != nil || len(got) != 0 {
		t.Errorf("%v, %v", got, err)
	}
}

func FuzzKernel(f *testing.F) {
	f.Add(netstat)
	f.Add("8080,9000-9100")
	f.Fuzz(func(t *testing.T, s string) {
		procfs.ParseTCPExt([]byte(s))
		if ranges, err := parseReserved(s); err == nil && strings.Trim(s, "0123456789,- \t\r\n\v\f\u0085\u00a0") != "" && len(ranges) > 0 {
			t.Errorf("%q: %v", s, ranges)
		}
		_, _, _ = parsePortRange(s)
		parseHosts(strings.NewReader(s), "localhost")
	})
}

func TestParseHosts(t *testing.T) {
	const hosts = "# 127.0.0.9 localhost\n127.0.0.1\tlocalhost local # x\n::1 ip6-localhost LOCALHOST.\n127.0.1.1 box\nnot-an-address localhost\n127.0.0.1 localhost\n::ffff:10.0.0.1 mapped\n"
	ips, lines := parseHosts(strings.NewReader(hosts), "localhost")
	if !slices.Equal(words.Strs(ips), []string{"127.0.0.1", "::1"}) || !slices.Equal(lines, []string{"127.0.0.1 localhost local", "::1 ip6-localhost LOCALHOST.", "127.0.0.1 localhost"}) {
		t.Errorf("%v, %q", ips, lines)
	}
	if ips, _ := parseHosts(strings.NewReader(hosts), "mapped"); !slices.Equal(words.Strs(ips), []string{"10.0.0.1"}) {
		t.Errorf("%v", ips)
	}
	if ips, lines := parseHosts(strings.NewReader(hosts), "nobody"); len(ips)+len(lines) != 0 {
		t.Errorf("%v, %v", ips, lines)
	}
}

func TestResolve(t *testing.T) {
	both := func(netip.Addr) bool { return true }
	four := func(ip netip.Addr) bool { return ip.Is4() }
	lodge := &facts.Name{Domain: "test", Up: true, Home: netip.MustParseAddr("127.83.20.7")}
	for _, c := range []struct {
		name, hosts string
		local       func(netip.Addr) bool
		want        string
	}{
		{"localhost", "127.0.0.1 localhost\n", both, "127.0.0.1 hosts file"},
		{"localhost", "127.0.0.1 localhost\n::1 localhost\n", both, "::1 127.0.0.1 hosts file"},
		{"localhost", "127.0.0.1 localhost\n::1 localhost\n", four, "127.0.0.1 ::1 hosts file"},
		{"localhost", "", both, "::1 127.0.0.1 RFC 6761"},
		{"web.shop.localhost", "", both, "::1 127.0.0.1 RFC 6761"},
		{"db.other.test", "", both, "RFC 6761, section 6.2 no resolver knows names in .test"},
		{"db.shop.test", "", both, "127.83.20.7 lodge"},
		{"web.shop.test", "127.9.9.9 web.shop.test\n", both, "127.9.9.9 hosts file"},
	} {
		of := lodge
		if !strings.HasSuffix(c.name, ".shop.test") {
			of = nil
		}
		r := resolve(t.Context(), c.name, hostsFile(t, c.hosts), c.local, of)
		got := append(words.Strs(r.Addresses), r.Source, r.Err)
		got = slices.DeleteFunc(got, func(s string) bool { return s == "" })
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s with %q: %q, want %q", c.name, c.hosts, got, c.want)
		}
	}
}

func hostsFile(t *testing.T, text string) string {
	t.Helper()
	name := t.TempDir() + "/hosts"
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}
