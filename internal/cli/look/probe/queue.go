package probe

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"slices"

	"lodge/internal/loopback"
	"lodge/internal/probe"
	"lodge/internal/procfs"
	"lodge/internal/sockets"
)

// kernelQueues is what the kernel tells of listeners' queues, for [probe.Load].
type kernelQueues struct{}

// Queue implements [probe.QueueSource] by sock_diag.
func (kernelQueues) Queue(ctx context.Context, ips []netip.Addr, port uint16) (waiting, limit int, ok bool) {
	table, err := sockets.List(ctx, sockets.Query{
		Protocols: []string{string(loopback.TCP)}, States: []string{"listen"}, NoProcesses: true,
		Filter: sockets.Filter{Ports: []uint16{port}},
	})
	if err != nil {
		return 0, 0, false
	}
	for i := range table.Rows {
		r := &table.Rows[i]
		if r.Backlog == nil || r.BacklogLimit == nil || r.Local.Port != port || !slices.ContainsFunc(ips, r.Covers) {
			continue
		}
		w, l := int(*r.Backlog), int(*r.BacklogLimit)
		if !ok || w-l > waiting-limit {
			waiting, limit, ok = w, l, true
		}
	}
	return waiting, limit, ok
}

// Overflows implements [probe.QueueSource] by /proc/net/netstat.
func (kernelQueues) Overflows() (uint64, bool) {
	counters, err := procfs.TCPExt()
	n, ok := counters["ListenOverflows"]
	return n, err == nil && ok
}

// queueText returns that a listener's queue is, or was, full; "" if it was not.
func queueText(q *probe.AcceptQueue) string {
	if q == nil || !q.Full {
		return ""
	}
	text := "full: the server does not accept connections as fast as they come, and the kernel drops those that find no room"
	if q.Waiting != nil && *q.Waiting > *q.Limit {
		text += fmt.Sprintf("; %d waited, and %d may (backlog)", *q.Waiting, *q.Limit)
	}
	if q.Overflows > 0 {
		text += fmt.Sprintf("; ListenOverflows +%d", q.Overflows)
	}
	return text
}

// printQueue prints why connections took 1 s, 3 s or 7 s, or were not made.
func printQueue(out io.Writer, s *probe.Summary) {
	text := queueText(s.AcceptQueue)
	if text != "" {
		fmt.Fprintf(out, "  accept queue\t%s\n", text)
	}
	if n := s.RetransmittedConnections; n > 0 {
		what := "on 1 connection"
		if n > 1 {
			what = fmt.Sprintf("on %d connections", n)
		}
		why := ", which took a second or more longer: SYN retransmissions"
		if text == "" {
			why = ": packets were lost or dropped, and the accept queue was not seen to be full"
		}
		fmt.Fprintf(out, "  sent again\t%s%s\n", what, why)
	}
}
