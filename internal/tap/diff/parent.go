package diff

import (
	"cmp"
	"container/heap"
	"math"
	"slices"
	"strings"

	"lodge/internal/decode"
)

// The parents of items that have none.
const (
	noParent      = -1 // nothing that its process serves was open
	parentUnknown = -2 // more than one exchange was
)

// findParents sorts the items by time, and finds for each the exchange that caused it: the
// one that the client's process serves at that time, where it serves only one.
func findParents(r *Run) {
	slices.SortStableFunc(r.items, func(a, b item) int {
		return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(b.end, a.end), cmp.Compare(a.number, b.number))
	})
	open := make(map[int32]*openExchanges)
	last := nanos(r.last)
	for i := range r.items {
		it := &r.items[i]
		it.openAtClose = it.unanswered && it.start > last-int64(endOfRun)
		it.parent = noParent
		if o := open[it.client]; it.client != 0 && o != nil {
			it.parent = o.only(it.start, it.connection)
		}
		if it.parent >= 0 {
			it.depth = r.items[it.parent].depth + 1
		}
		if it.c.failure != "" || it.c.x.Kind != decode.KindRequest {
			continue
		}
		end := it.end
		if end == 0 || isStream(&it.c.x) {
			end = it.answered
		}
		switch {
		case end == 0 && it.unanswered:
			end = math.MaxInt64
		case end == 0:
			continue // how long it was open is not known
		}
		for _, owner := range it.server {
			o := open[owner]
			if o == nil {
				o = &openExchanges{}
				open[owner] = o
			}
			heap.Push(o, openExchange{end, it.connection, int32(i)})
		}
	}
}

// isStream reports whether the response goes on long after the request was handled.
func isStream(x *decode.Exchange) bool {
	if x.Code == 101 || x.Method == "CONNECT" {
		return true
	}
	for _, h := range x.Response.Header {
		if strings.EqualFold(h.Name, "content-type") {
			return strings.HasPrefix(strings.ToLower(h.Value), "text/event-stream")
		}
	}
	return false
}

// openExchanges are those that a process serves, those first that end first.
type openExchanges []openExchange

type openExchange struct {
	end        int64
	connection uint64
	index      int32
}

// only returns the index of the one exchange that is open at a time, on other connections.
func (o *openExchanges) only(at int64, connection uint64) int32 {
	for len(*o) > 0 && (*o)[0].end < at {
		heap.Pop(o)
	}
	if len(*o) > maxOpen {
		return parentUnknown
	}
	parent := int32(noParent)
	for _, x := range *o {
		switch {
		case x.connection == connection:
		case parent != noParent:
			return parentUnknown
		default:
			parent = x.index
		}
	}
	return parent
}

// maxOpen bounds how many open exchanges are looked at for one item.
const maxOpen = 64

// The methods of [heap.Interface].

func (o *openExchanges) Len() int           { return len(*o) }
func (o *openExchanges) Less(i, j int) bool { return (*o)[i].end < (*o)[j].end }
func (o *openExchanges) Swap(i, j int)      { (*o)[i], (*o)[j] = (*o)[j], (*o)[i] }

// Push implements [heap.Interface].
func (o *openExchanges) Push(x any) { *o = append(*o, x.(openExchange)) }

// Pop implements [heap.Interface].
func (o *openExchanges) Pop() any {
	last := len(*o) - 1
	x := (*o)[last]
	*o = (*o)[:last]
	return x
}
