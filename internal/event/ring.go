package event

import "sort"

// ring holds the newest events of some kinds, by rising numbers, which may have
// gaps: the events of other kinds.
type ring struct {
	size int
	list []Event // up to size
	head int     // the oldest's place in list, once list is full
	// dropped is the number up to which nothing is held any more.
	dropped uint64
}

// push adds the newest event. Where the ring is full, the oldest is dropped.
func (r *ring) push(e Event) {
	if len(r.list) < r.size {
		r.list = append(r.list, e)
		return
	}
	r.dropped = r.list[r.head].Number
	r.list[r.head] = e
	r.head = (r.head + 1) % r.size
}

func (r *ring) len() int { return len(r.list) }

// at returns the nth event, counted from the oldest.
func (r *ring) at(n int) *Event { return &r.list[(r.head+n)%len(r.list)] }

// find returns the place of the first event with at least this number; len where
// there is none.
func (r *ring) find(number uint64) int {
	return sort.Search(r.len(), func(i int) bool { return r.at(i).Number >= number })
}
