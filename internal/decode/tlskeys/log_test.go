package tlskeys

import (
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func random(n int) (r Random) {
	copy(r[:], fmt.Sprintf("%032d", n))
	return r
}

func line(label string, n int, secret string) string {
	r := random(n)
	return fmt.Sprintf("%s %x %x\n", label, r[:], secret)
}

func TestLog(t *testing.T) {
	text := "# comment\n\n" + line("CLIENT_RANDOM", 1, strings.Repeat("m", 48)) +
		line("CLIENT_HANDSHAKE_TRAFFIC_SECRET", 2, "ch") +
		strings.Replace(line("SERVER_HANDSHAKE_TRAFFIC_SECRET", 2, "sh"), "\n", "\r\n", 1) +
		line("EXPORTER_SECRET", 2, "ex") + line("CLIENT_TRAFFIC_SECRET_0", 2, "c0") + line("SERVER_TRAFFIC_SECRET_0", 2, "s0") +
		line("CLIENT_EARLY_TRAFFIC_SECRET", 2, "ce") + line("CLIENT_TRAFFIC_SECRET_0", 2, "c0") +
		"CLIENT_RANDOM 00 11\n" + "CLIENT_RANDOM\n" + "CLIENT_RANDOM " + strings.Repeat("x", 64) + " 11\n" +
		line("CLIENT_RANDOM", 3, strings.Repeat("m", 65)) + strings.Repeat("y", 10_000) + "\n" +
		strings.TrimSuffix(line("CLIENT_RANDOM", 4, "last"), "\n")
	for name, in := range map[string]io.Reader{"whole": strings.NewReader(text), "byte by byte": iotest.OneByteReader(strings.NewReader(text))} {
		var l Log
		b := make([]byte, 100_000)
		for {
			n, err := in.Read(b)
			_, _ = l.Write(b[:n])
			for i := range b[:n] {
				b[i] = 'z'
			}
			if err != nil {
				break
			}
		}
		r := random(4)
		if l.Secrets(&r) != nil {
			t.Errorf("%s: a line without an end is read", name)
		}
		l.Flush()
		if s := l.Secrets(&r); s == nil || s.Get(Master) != "last" {
			t.Errorf("%s: last line %v", name, s)
		}
		r = random(2)
		s := l.Secrets(&r)
		if s == nil || s.Len() != 5 || s.Get(ClientHandshake) != "ch" || s.Get(ServerHandshake) != "sh" || s.Get(ClientTraffic) != "c0" ||
			s.Get(ServerTraffic) != "s0" || s.Get(ClientEarly) != "ce" || s.Get(Master) != "" {
			t.Fatalf("%s: %+v", name, s)
		}
		want := line("CLIENT_EARLY_TRAFFIC_SECRET", 2, "ce") + line("CLIENT_HANDSHAKE_TRAFFIC_SECRET", 2, "ch") + line("SERVER_HANDSHAKE_TRAFFIC_SECRET", 2, "sh") +
			line("CLIENT_TRAFFIC_SECRET_0", 2, "c0") + line("SERVER_TRAFFIC_SECRET_0", 2, "s0")
		if got := string(l.Lines(&r)); got != want {
			t.Errorf("%s: lines %q", name, got)
		}
		if connections, ignored, bad := l.Counts(); connections != 3 || ignored != 1 || bad != 5 {
			t.Errorf("%s: %d connections, %d ignored, %d bad", name, connections, ignored, bad)
		}
	}
}

// TestForgets holds that a log that grows without end takes a bounded amount of memory.
func TestForgets(t *testing.T) {
	var l Log
	for i := range 2*MaxConnections + 10 {
		_, _ = l.Write([]byte(line("CLIENT_RANDOM", i, "m")))
	}
	oldest, newest := random(MaxConnections+9), random(2*MaxConnections+9)
	next := random(MaxConnections + 10)
	if n, _, _ := l.Counts(); n != MaxConnections || l.Secrets(&oldest) != nil || l.Secrets(&next) == nil || l.Secrets(&newest) == nil || len(l.order) > 2*MaxConnections {
		t.Errorf("%d connections, order of %d", n, len(l.order))
	}
}

func FuzzLog(f *testing.F) {
	f.Add([]byte(line("CLIENT_RANDOM", 1, "m")))
	f.Fuzz(func(t *testing.T, b []byte) {
		var whole, parts Log
		_, _ = whole.Write(b)
		for i := range b {
			_, _ = parts.Write(b[i : i+1])
		}
		whole.Flush()
		parts.Flush()
		a1, a2, a3 := whole.Counts()
		if b1, b2, b3 := parts.Counts(); a1 != b1 || a2 != b2 || a3 != b3 {
			t.Errorf("%d %d %d, in parts %d %d %d", a1, a2, a3, b1, b2, b3)
		}
		for r := range whole.of {
			if string(whole.Lines(&r)) != string(parts.Lines(&r)) {
				t.Errorf("lines differ")
			}
		}
	})
}
