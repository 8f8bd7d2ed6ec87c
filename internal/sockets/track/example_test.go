package track_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"time"

	"lodge/internal/sockets"
	"lodge/internal/sockets/track"
)

// A subscriber first receives the table, and then what changes.
func Example() {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	port := netip.MustParseAddrPort(l.Addr().String()).Port()
	query := sockets.Query{Protocols: []string{"tcp"}, States: []string{"listen"}, Filter: sockets.Filter{Ports: []uint16{port}}}
	t := track.New(track.Options[struct{}]{Interval: 10 * time.Millisecond, Read: func(ctx context.Context) (*sockets.Table, struct{}, error) {
		table, err := sockets.List(ctx, query)
		return table, struct{}{}, err
	}})
	s := t.Subscribe(track.SubscribeOptions{Changes: true, Buffer: 16})
	defer s.Close() // the last subscriber: polling ends
	first := true
	for {
		u, err := s.Next(context.Background())
		if err != nil || u.Err != nil {
			fmt.Println(err, u.Err)
			return
		}
		if first {
			fmt.Println(len(u.Table.Rows), "listener")
			_ = l.Close()
			first = false
		}
		for _, c := range u.Changes {
			fmt.Println(c.Kind, c.Local.Port() == port, c.State)
			return
		}
	}
	// Output:
	// 1 listener
	// close true listen
}
