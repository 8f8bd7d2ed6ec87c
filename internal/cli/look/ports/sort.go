package ports

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"lodge/internal/sockets"
)

// sortOrders are what --sort knows.
func sortOrders() []string {
	return []string{"port", "process", "pid", "state", "traffic", "rtt", "queue", "age", "address"}
}

// sortKey is that by which a row is sorted: a text and then a number.
type sortKey struct {
	text string
	n    uint64
}

// keyOf returns a row's key. The largest traffic, round-trip time and queue come
// first, and the oldest socket.
func keyOf(r *sockets.Row, by string) sortKey {
	switch by {
	case "port":
		return sortKey{n: uint64(portOf(r))}
	case "address":
		if r.Local == nil {
			return sortKey{text: r.Path}
		}
		a := r.Local.IP.As16() // IPv4 in the mapped form, which comes first
		return sortKey{text: string(a[:]), n: uint64(r.Local.Port)}
	case "process":
		p := firstProcess(r)
		return sortKey{text: p.Name, n: uint64(p.PID)}
	case "pid":
		return sortKey{n: uint64(firstProcess(r).PID)}
	case "state":
		return sortKey{text: r.State}
	case "traffic":
		return sortKey{n: math.MaxUint64 - trafficOf(r)}
	case "rtt":
		return sortKey{n: math.MaxUint64 - uint64(rttOf(r))}
	case "queue":
		return sortKey{n: math.MaxUint64 - queueOf(r)}
	case "age":
		if r.OpenedAt == nil {
			return sortKey{n: math.MaxUint64}
		}
		return sortKey{n: uint64(r.OpenedAt.UnixNano())}
	}
	return sortKey{}
}

// sortBy sorts items that stand for rows of a table, those of one key in the
// order in which they are.
func sortBy[T any](s rowSource, items []T, by string, index func(T) int) {
	type keyed struct {
		key  sortKey
		item T
	}
	all := make([]keyed, len(items))
	var m sockets.RowMaker
	for i, it := range items {
		all[i] = keyed{keyOf(s.Row(index(it), &m), by), it}
	}
	slices.SortStableFunc(all, func(a, b keyed) int {
		return cmp.Or(strings.Compare(a.key.text, b.key.text), cmp.Compare(a.key.n, b.key.n))
	})
	for i := range all {
		items[i] = all[i].item
	}
}

// sortedRows returns the indexes of a table's rows in an order, nil for the
// table's own.
func sortedRows(s rowSource, by string, reverse bool) []int32 {
	if by == "" && !reverse {
		return nil
	}
	order := make([]int32, s.Len())
	for i := range order {
		order[i] = int32(i)
	}
	if by != "" {
		sortBy(s, order, by, func(i int32) int { return int(i) })
	}
	if reverse {
		slices.Reverse(order)
	}
	return order
}

// portOf returns the port that a socket is known by: its own, or the other
// end's if that is the smaller one.
func portOf(r *sockets.Row) uint16 {
	switch {
	case r.Local == nil:
		return 0
	case r.Remote == nil:
		return r.Local.Port
	}
	return min(r.Local.Port, r.Remote.Port)
}

// firstProcess returns the holder that is named first; one without a name where
// there is none.
func firstProcess(r *sockets.Row) *sockets.Process {
	if len(r.Processes) == 0 {
		return &sockets.Process{}
	}
	return r.Processes[0]
}

func trafficOf(r *sockets.Row) uint64 {
	if r.TCP == nil {
		return 0
	}
	return r.TCP.Sent + r.TCP.Received
}

func rttOf(r *sockets.Row) uint32 {
	if r.TCP == nil {
		return 0
	}
	return r.TCP.RTT
}

func queueOf(r *sockets.Row) uint64 {
	return known(r.RecvQueue) + known(r.SendQueue) + known(r.Backlog)
}

// known returns a number, zero where it is not known.
func known(n *uint32) uint64 {
	if n == nil {
		return 0
	}
	return uint64(*n)
}
