package tui

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"lodge/internal/loopback"
	"lodge/internal/sockets"
	"lodge/internal/tui/view"
	"lodge/internal/tui/view/samples"
)

// manySockets is a machine with n sockets of 100 processes, connected in pairs.
func manySockets(n int) *view.Frame {
	f := &view.Frame{Time: at0}
	for i := range n / 2 {
		a := &sockets.Address{IP: netip.AddrFrom4([4]byte{127, 1, byte(i >> 14), 1}), Port: uint16(1024 + i%(1<<14))}
		b := &sockets.Address{IP: netip.AddrFrom4([4]byte{127, 2, byte(i % 100), 1}), Port: 20000}
		client := []*sockets.Process{samples.Process(1000+i%100, "client", "")}
		server := []*sockets.Process{samples.Process(2000+i%100, "server", "")}
		row := sockets.Row{Protocol: loopback.TCP, State: "established", Cookie: uint64(2 * i), TCP: &sockets.TCPInfo{Sent: 1}, Local: a, Remote: b, Processes: client, Peer: &sockets.Peer{Processes: server}}
		f.Rows = append(f.Rows, row)
		row.Cookie, row.Local, row.Remote, row.Processes = row.Cookie+1, b, a, server
		f.Rows = append(f.Rows, row)
	}
	return f
}

func BenchmarkFrame(b *testing.B) {
	for _, n := range []int{1000, 10000, 200000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			u, err := newUI(Options{View: "connections"})
			if err != nil {
				b.Fatal(err)
			}
			f := manySockets(n)
			b.ReportAllocs()
			for b.Loop() {
				f.Time = f.Time.Add(time.Second)
				u.Frame(f)
				_ = u.Lines()
			}
		})
	}
}
