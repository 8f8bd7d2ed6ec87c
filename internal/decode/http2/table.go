package http2

import "lodge/internal/decode"

// An entry is a field of the dynamic table, or of a header block. What was sent
// before the recording began is not known: the name, the value, or both.
type entry struct {
	pair
	noName, noValue bool
	// index is that of the table's entry which is not known.
	index uint64
}

// size is what HPACK counts for a field (RFC 7541, section 4.1).
func (e *entry) size() int { return len(e.name) + len(e.value) + 32 }

// initialTable is the size of a dynamic table before it is changed.
const initialTable = 4096

// table is HPACK's dynamic table of one direction, as far as it is known. Its
// references count from the newest entry: the entries that were seen keep their
// indexes whatever was there before them. The ones below are older; where some
// of them were not seen, a reference to them is to an unknown field, otherwise
// it is an error.
type table struct {
	ents  []entry // oldest first, those before head are evicted
	head  int
	size  int    // of the entries from head on
	max   int    // the encoder keeps no more
	older bool   // there may be entries below those that were seen
	why   string // where they were
	// Bounds of what is kept: entries over them are forgotten, not evicted.
	maxBytes, maxEntries int
	scratch              []entry // for the fields of the next header block
}

// begin makes the table that of a connection's beginning: it is empty.
func (t *table) begin() {
	*t = table{max: initialTable, maxBytes: t.maxBytes, maxEntries: t.maxEntries, scratch: t.scratch}
}

// forget makes all entries unknown: some were inserted that were not seen.
func (t *table) forget(why string) {
	*t = table{max: t.maxBytes, older: true, why: why, maxBytes: t.maxBytes, maxEntries: t.maxEntries, scratch: t.scratch}
}

func (t *table) len() int { return len(t.ents) - t.head }

// drop removes the oldest entry.
func (t *table) drop() {
	t.size -= t.ents[t.head].size()
	t.ents[t.head] = entry{}
	t.head++
	if t.head > 64 && t.head > len(t.ents)/2 {
		n := copy(t.ents, t.ents[t.head:])
		clear(t.ents[n:])
		t.ents, t.head = t.ents[:n], 0
	}
}

// resize is an encoder's size update.
func (t *table) resize(max uint64) {
	t.max = int(min(max, 1<<31-1))
	t.evict()
	if t.max < 32 {
		t.older = false // no entry is smaller: the table is empty
	}
}

func (t *table) evict() {
	for t.len() > 0 && t.size > t.max {
		t.drop()
	}
	for t.len() > 0 && (t.size > t.maxBytes || t.len() > t.maxEntries) {
		t.drop()
		if !t.older {
			t.older, t.why = true, "was forgotten: the table is larger than what is kept of it"
		}
	}
}

// add inserts an entry. One that is larger than the table empties it.
func (t *table) add(e entry) {
	e.index = 0
	t.ents = append(t.ents, e)
	t.size += e.size()
	t.evict()
}

// at returns the entry of an index, and whether there can be one.
func (t *table) at(index uint64) (entry, bool) {
	switch {
	case index == 0:
		return entry{}, false
	case index <= uint64(len(static)):
		return entry{pair: static[index-1]}, true
	}
	if i := index - uint64(len(static)) - 1; i < uint64(t.len()) {
		e := t.ents[len(t.ents)-1-int(i)]
		if e.noName || e.noValue {
			e.index = index
		}
		return e, true
	}
	return entry{noName: true, noValue: true, index: index}, t.older
}

// newTable returns an empty table.
func newTable(l decode.Limits) *table {
	return &table{max: initialTable, maxBytes: l.Message, maxEntries: l.Statements}
}
