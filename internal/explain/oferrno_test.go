package explain

import (
	"net/netip"
	"testing"

	"lodge/internal/explain/facts"
	"lodge/internal/explain/input"
	"lodge/internal/loopback"
	"lodge/internal/sockets"
)

func TestCausesOfErrno(t *testing.T) {
	for text, want := range map[string]Code{
		"http: Accept error: accept tcp 127.0.0.1:7300: accept4: too many open files; retrying in 5ms": DescriptorsUsed,
		"dial tcp 127.0.0.1:7300: connect: no route to host":                                           NoRoute,
		"dial udp 127.0.0.1:7300: connect: network is unreachable":                                     NoRoute,
	} {
		in, err := input.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		ip := netip.MustParseAddr("127.0.0.1")
		f := &facts.Facts{Question: in, Targets: in.IPs, Local: map[netip.Addr]string{ip: "lo"}}
		row := sockets.Row{Protocol: loopback.TCP, State: "listen", Local: &sockets.Address{IP: ip, Port: 7300}, Processes: []*sockets.Process{{PID: 1 << 30, Name: "api"}}}
		if want == DescriptorsUsed {
			f.Rows = []sockets.Row{row}
		}
		got := Report(f).Causes
		if len(got) != 1 || got[0].Code != want {
			t.Errorf("%s: %+v", text, got)
		} else if want == DescriptorsUsed && (len(got[0].PIDs) != 1 || got[0].PIDs[0] != 1<<30) {
			t.Errorf("%s does not name the listener: %+v", text, got)
		}
	}
}
