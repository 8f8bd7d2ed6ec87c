package loopback

import (
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestPortClass(t *testing.T) {
	for port, want := range map[uint16]Class{
		0: ClassReserved, 1: ClassSystem, 1023: ClassSystem, 1024: ClassUser, 49151: ClassUser, 49152: ClassDynamic, 65535: ClassDynamic,
	} {
		if got := PortClass(port); got != want {
			t.Errorf("%d: %s, want %s", port, got, want)
		}
	}
}

// row is a line of one of the two texts, read without the code under test.
type row struct {
	first, last int
	fields      []string
}

func rows(t *testing.T, text string) []row {
	t.Helper()
	var all []row
	for _, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		if strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.Split(line, "\t")
		from, to, isRange := strings.Cut(f[0], "-")
		if !isRange {
			to = from
		}
		first, err1 := strconv.Atoi(from)
		last, err2 := strconv.Atoi(to)
		if err1 != nil || err2 != nil || first > last || last > 65535 {
			t.Fatalf("line %q", line)
		}
		all = append(all, row{first, last, f[1:]})
	}
	return all
}

// TestEveryPort compares the search with a reading of the whole file, for
// every port there is.
func TestEveryPort(t *testing.T) {
	want := map[Protocol][]string{TCP: make([]string, 65536), UDP: make([]string, 65536)}
	before := row{last: -1}
	for _, r := range rows(t, ianaText) {
		if len(r.fields) != 3 || !slices.Contains([]string{"t", "u", "tu"}, r.fields[0]) || r.fields[1] == "" {
			t.Fatalf("row %v", r)
		}
		if r.first <= before.last && (r.first != before.first || r.last != before.last || before.fields[0] != "t" || r.fields[0] != "u") {
			t.Fatalf("%v after %v", r, before)
		}
		before = r
		for port := r.first; port <= r.last; port++ {
			for proto := range want {
				if strings.Contains(r.fields[0], letter(proto)) {
					want[proto][port] = r.fields[1] + "|" + r.fields[2]
				}
			}
		}
	}
	found := 0
	for proto, names := range want {
		for port, name := range names {
			got, ok := Assigned(proto, uint16(port))
			text := strings.Join(append([]string{got.Name}, got.Aliases...), ",") + "|" + got.Description
			if ok != (name != "") || ok && text != name {
				t.Errorf("%s %d: %q, %v, want %q", proto, port, text, ok, name)
			}
			if ok {
				found++
			}
		}
	}
	if found < 11000 {
		t.Errorf("only %d assigned ports", found)
	}
}

func TestAssigned(t *testing.T) {
	for _, c := range []struct {
		proto             Protocol
		port              uint16
		name, description string
	}{
		{TCP, 22, "ssh", "The Secure Shell (SSH) Protocol"},
		{TCP, 80, "http", "World Wide Web HTTP"},
		{UDP, 443, "https", "http protocol over TLS/SSL"},
		{TCP, 5432, "postgresql", "PostgreSQL Database"},
		{TCP, 6379, "redis", "An advanced key-value cache and store"},
		{UDP, 6379, "", ""},
		{TCP, 6063, "x11", "X Window System"},
		{TCP, 6667, "ircu", "IRCU"},
		{TCP, 514, "shell", "cmd like exec, but automatic authentication is performed as for login server"},
		{UDP, 514, "syslog", ""},
		{TCP, 0, "", ""},
		{TCP, 2, "", ""}, // taken back by IANA
		{TCP, 65535, "", ""},
		{"sctp", 22, "", ""},
	} {
		got, ok := Assigned(c.proto, c.port)
		if ok != (c.name != "") || got.Name != c.name || got.Description != c.description {
			t.Errorf("%s %d: %+v, %v", c.proto, c.port, got, ok)
		}
	}
}

func TestPortOf(t *testing.T) {
	for name, want := range map[string]uint16{
		"ssh": 22, "HTTPS": 443, "www-http": 80, "postgresql": 5432, "redis": 6379, "mysql": 3306, "x11": 6000, "syslog": 514, "ollama": 11434,
		"": 0, "ssh,": 0, "no such service": 0, "t": 0, "tu": 0, "domain\tDomain": 0,
	} {
		if got, ok := PortOf(name); got != want || ok != (want != 0) {
			t.Errorf("%q: %d, %v, want %d", name, got, ok, want)
		}
	}
}

func TestCommonUse(t *testing.T) {
	before := -1
	for _, r := range rows(t, commonText) {
		if r.first <= before || r.first != r.last || len(r.fields) != 1 || r.fields[0] == "" {
			t.Errorf("row %v after %d", r, before)
			continue
		}
		before = r.first
		if got, ok := CommonUse(uint16(r.first)); !ok || got != r.fields[0] {
			t.Errorf("%d: %q, %v, want %q", r.first, got, ok, r.fields[0])
		}
	}
	for port, want := range map[uint16]string{5173: "Vite", 3000: "Grafana", 5432: "PostgreSQL", 8000: "Django", 20: "FTP", 61616: "ActiveMQ"} {
		if got, _ := CommonUse(port); !strings.Contains(got, want) {
			t.Errorf("%d: %q", port, got)
		}
	}
	for _, port := range []uint16{0, 1, 19, 5172, 61617, 65535} {
		if got, ok := CommonUse(port); ok {
			t.Errorf("%d: %q", port, got)
		}
	}
}

// FuzzFindPort shows that no text makes the search hang or read outside it.
func FuzzFindPort(f *testing.F) {
	f.Add("# text\n1\ttu\ta\tb\n5-9\tt\tc\t\n", uint16(7), "t")
	f.Add("\n\n\t\n-\t\n80", uint16(80), "")
	f.Fuzz(func(t *testing.T, text string, port uint16, proto string) {
		if line, ok := findPort(text, port, proto); ok {
			first, last, good := portRange(line)
			if !good || port < first || port > last {
				t.Errorf("found %q for %d", line, port)
			}
		}
	})
}

func BenchmarkAssigned(b *testing.B) {
	for b.Loop() {
		Assigned(TCP, 27017)
	}
}

func BenchmarkPortOf(b *testing.B) {
	for b.Loop() {
		PortOf("ollama")
	}
}
