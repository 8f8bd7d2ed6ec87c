package stream

// index finds connections by their addresses.
type index struct {
	all map[pair]*conn
	// found are some that were found, by [pair.slot]: few bytes are touched for a packet
	// of one of them.
	found [frequent]*conn
}

// frequent is of how many connections at most the packets are found faster.
const frequent = 512

func newIndex() index { return index{all: map[pair]*conn{}} }

// find returns a connection, or nil.
func (x *index) find(p *pair) *conn {
	at := &x.found[p.slot()]
	if c := *at; c != nil && c.pair == *p {
		return c
	}
	c := x.all[*p]
	if c != nil {
		*at = c
	}
	return c
}

func (x *index) add(c *conn) { x.all[c.pair] = c }

func (x *index) remove(c *conn) {
	delete(x.all, c.pair)
	if at := &x.found[c.pair.slot()]; *at == c {
		*at = nil
	}
}

func (x *index) len() int { return len(x.all) }

// slot returns where a connection is in what [index.find] looks at first.
func (p *pair) slot() int {
	a, b := &p.a, &p.b
	h := uint32(p.aPort)*0x9e37 ^ uint32(p.bPort)*0x79b9 ^ uint32(a[15]^b[15])<<8 ^ uint32(a[13]^b[13])
	return int((h ^ h>>9) % frequent)
}
