package bpf

import (
	"net"
	"testing"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// BenchmarkTapPacket: what the program costs for each packet, by the kernel's own
// measure (BPF_ENABLE_STATS), which it adds a little to.
func BenchmarkTapPacket(b *testing.B) {
	s := newTapSpace(b)
	stats, err := ebpf.EnableStats(unix.BPF_STATS_RUN_TIME)
	if err != nil {
		b.Skip("needs the kernel's statistics of programs: ", err)
	}
	defer stats.Close()
	u, w := s.packet(alice, "127.0.0.1:0"), s.packet(bob, "127.0.0.1:0")
	to := w.LocalAddr().(*net.UDPAddr).AddrPort()
	ln := s.listen(alice, "tcp", "127.0.0.1:0")
	c := s.dial(bob, "tcp", ln.Addr().String())
	a := s.accept(alice, ln)
	buf := make([]byte, 1000)
	udp := func() error {
		_, err := u.WriteToUDPAddrPort(buf, to)
		return err
	}
	tcp := func() error {
		for range 2 {
			if _, err := c.Write(buf); err != nil {
				return err
			}
			for n := 0; n < len(buf); {
				m, err := a.Read(buf[n:])
				if err != nil {
					return err
				}
				n += m
			}
			a, c = c, a
		}
		return nil
	}
	other := TapSpec{AllUsers: true, Ports: []PortRange{{1, 1}}}
	for _, tc := range []struct {
		name  string
		specs []TapSpec
		send  func() error
	}{
		{"UDP/none", nil, udp},
		{"UDP/all", []TapSpec{{AllUsers: true}}, udp},
		{"UDP/filtered", []TapSpec{other}, udp},
		{"UDP/user", []TapSpec{{UID: alice}}, udp},
		{"UDP/receiver", []TapSpec{{UID: bob}}, udp},
		{"UDP/stranger", []TapSpec{{UID: 1}}, udp},
		{"UDP/8_filtered", []TapSpec{other, other, other, other, other, other, other, other}, udp},
		{"TCP/none", nil, tcp},
		{"TCP/all", []TapSpec{{AllUsers: true}}, tcp},
		{"TCP/user", []TapSpec{{UID: alice}}, tcp},
		{"TCP/stranger", []TapSpec{{UID: 1}}, tcp},
	} {
		b.Run(tc.name, func(b *testing.B) {
			var taps []*tapped
			for _, spec := range tc.specs {
				spec.RingBytes = 1 << 20
				d := tapStopped(b, s.taps, spec)
				d.discard()
				taps = append(taps, d)
			}
			before := runTime(b, s.taps)
			b.ResetTimer()
			for range b.N {
				if err := tc.send(); err != nil {
					b.Fatal(err)
				}
			}
			b.StopTimer()
			after := runTime(b, s.taps)
			b.ReportMetric(float64(after[1]-before[1])/float64(after[0]-before[0]), "ns/packet")
			for _, d := range taps {
				d.end()
			}
		})
	}
}

// runTime returns how often the program has run, and for how many nanoseconds.
func runTime(b *testing.B, taps *Taps) [2]uint64 {
	b.Helper()
	st, err := taps.objects.program.Stats()
	if err != nil {
		b.Fatal(err)
	}
	return [2]uint64{st.RunCount, uint64(st.Runtime)}
}
