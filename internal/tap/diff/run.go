package diff

import (
	"encoding/binary"
	"hash/maphash"
	"net/netip"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"lodge/internal/capture/packet"
	"lodge/internal/decode"
	"lodge/internal/tap"
)

// Limits bound what is kept of one run. What is beyond them is not compared, and the
// report says so.
type Limits struct {
	// Records is how many records are kept.
	Records int
	// Bytes is how many bytes of different contents are kept. Beyond it bodies are not
	// kept, and beyond twice as much no record with a new content is.
	Bytes int64
}

// DefaultLimits are those of the command.
func DefaultLimits() Limits { return Limits{Records: 2_000_000, Bytes: 512 << 20} }

// Run is one recording. Equal contents are kept once, so that a recording of many equal
// exchanges is small.
type Run struct {
	name    string
	limits  Limits
	account *tap.Account
	notes   []string
	cut     bool // see Lost

	items    []item
	contents map[uint64]*content
	bodies   map[uint64][]byte
	ends     map[endpoint]*endpoint
	owners   map[string]int32
	served   map[string][]int32 // the owners of a server's end
	buf      []byte

	bytes                                 int64
	first, last                           time.Time
	exchanges, failures, left, bodiesLeft uint64
	partly                                uint64 // exchanges of which a part is not known
}

// item is one exchange or failed connection.
type item struct {
	c           *content
	number      uint64
	connection  uint64
	start       int64 // in nanoseconds; all times are 0 where they are not known
	answered    int64
	end         int64
	client      int32 // the owner of the client's end, 0 where it is not known
	server      []int32
	parent      int32 // an index of items, or noParent or parentUnknown
	depth       int32
	unanswered  bool
	openAtClose bool // the recording ended before its answer could come
}

// content is what one or more items have in common: all but times and clients.
type content struct {
	x         decode.Exchange // without times and stream
	failure   tap.Failure
	transport packet.Protocol
	at        *endpoint
	bodyless  bool // bodies were not kept for [Limits.Bytes]

	// Of the comparison that is going on: see [match.makeGroups].
	round int
	group *group
	view  view
	seen  seen
}

// endpoint is the end of a server.
type endpoint struct {
	address                   netip.AddrPort // not valid where it is a Unix socket
	path                      string         // of one
	project, service, process string
	dir                       string
	server                    *server // set by resolve
}

// NewRun returns an empty run with the name that it has in the report.
func NewRun(name string, l Limits) *Run {
	return &Run{
		name: name, limits: l, contents: make(map[uint64]*content), bodies: make(map[uint64][]byte), ends: make(map[endpoint]*endpoint),
		owners: map[string]int32{"": 0}, served: make(map[string][]int32),
	}
}

// Note adds a sentence about the recording that the report shows with its losses.
func (r *Run) Note(text string) { r.notes = append(r.notes, text) }

// Lost is [Run.Note] for what makes the recording incomplete.
func (r *Run) Lost(text string) {
	r.Note(text)
	r.cut = true
}

// Account sets what the recording says of its losses. Without a call they are not known.
func (r *Run) Account(a *tap.Account) { r.account = a }

// Add adds a record. Its exchange is not changed afterwards.
func (r *Run) Add(x *tap.Record) {
	if x.Exchange == nil && x.Failure == "" || x.Exchange != nil && x.Exchange.Begun {
		return
	}
	if x.Exchange == nil {
		r.failures++
	} else {
		r.exchanges++
		if len(x.Exchange.Unknown) > 0 {
			r.partly++
		}
	}
	if len(r.items) >= r.limits.Records {
		r.left++
		return
	}
	c := r.content(x)
	if c == nil {
		r.left++
		return
	}
	if r.first.IsZero() || x.Time.Before(r.first) {
		r.first = x.Time
	}
	last := x.Time
	it := item{c: c, number: x.Number, connection: x.Connection, start: nanos(x.Time), client: r.owner(&x.Client), server: r.serving(&x.Server)}
	if e := x.Exchange; e != nil {
		if !e.Started.IsZero() {
			it.start = nanos(e.Started)
		}
		it.answered, it.end = nanos(e.Answered), nanos(e.Ended)
		it.unanswered = e.Kind == decode.KindRequest && e.Status == "" && !e.Response.Seen()
		if e.Ended.After(last) {
			last = e.Ended
		}
	}
	if last.After(r.last) {
		r.last = last
	}
	r.items = append(r.items, it)
}

func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

// owner returns the number of the process, or else the service, that a client's end
// belongs to; 0 where neither is known.
func (r *Run) owner(e *tap.End) int32 {
	switch {
	case e.Known():
		return r.ownerNumber("p" + strconv.Itoa(e.Processes[0].PID))
	case e.Service != "":
		return r.ownerNumber("s" + e.Project + "/" + e.Service)
	}
	return 0
}

func (r *Run) ownerNumber(key string) int32 {
	n, ok := r.owners[key]
	if !ok {
		n = int32(len(r.owners))
		r.owners[key] = n
	}
	return n
}

// serving returns the numbers of all processes that a server's end belongs to.
func (r *Run) serving(e *tap.End) []int32 {
	key := ""
	for i := range e.Processes {
		key += "," + strconv.Itoa(e.Processes[i].PID)
	}
	if key == "" {
		key = e.Project + "/" + e.Service
	}
	list, ok := r.served[key]
	if !ok {
		for i := range e.Processes {
			list = append(list, r.ownerNumber("p"+strconv.Itoa(e.Processes[i].PID)))
		}
		if len(list) == 0 && e.Service != "" {
			list = append(list, r.ownerNumber("s"+e.Project+"/"+e.Service))
		}
		r.served[key] = list
	}
	return list
}

func (r *Run) endpoint(e *tap.End) *endpoint {
	k := endpoint{address: e.Address, path: e.Path, project: e.Project, service: e.Service}
	if e.Known() {
		k.process, k.dir = valid(e.Processes[0].Name), valid(e.Processes[0].Directory)
	} else if k.service == "" {
		k.process = e.Container
	}
	p := r.ends[k]
	if p == nil {
		p = &endpoint{}
		*p = k
		r.ends[k] = p
	}
	return p
}

// content returns the content of a record, or nil where there is no room for it.
func (r *Run) content(x *tap.Record) *content {
	at := r.endpoint(&x.Server)
	key := r.hash(x, at)
	if c := r.contents[key]; c != nil {
		return c
	}
	if r.bytes > 2*r.limits.Bytes {
		return nil
	}
	c := &content{at: at, failure: x.Failure, transport: x.Transport}
	if x.Exchange != nil {
		c.x = *x.Exchange
		c.x.Started, c.x.Answered, c.x.Ended, c.x.Stream = time.Time{}, time.Time{}, time.Time{}, 0
		validTexts(&c.x)
		if c.bodyless = r.bytes > r.limits.Bytes; c.bodyless {
			c.x.Request.Body, c.x.Response.Body = nil, nil
			r.bodiesLeft++
		}
		c.x.Request.Body, c.x.Response.Body = r.body(c.x.Request.Body), r.body(c.x.Response.Body)
	}
	r.bytes += int64(len(r.buf))
	r.contents[key] = c
	return c
}

// validTexts makes texts of an exchange as JSON has them, so that a recording as lines does
// not differ from its packets: each byte that is not UTF-8 is U+FFFD.
func validTexts(x *decode.Exchange) {
	for _, s := range []*string{&x.Version, &x.Method, &x.Target, &x.Host, &x.Group, &x.Status} {
		*s = valid(*s)
	}
	for _, list := range []*[]decode.Field{&x.Details, &x.Request.Header, &x.Request.Trailer, &x.Response.Header, &x.Response.Trailer} {
		for i, f := range *list {
			if !utf8.ValidString(f.Name) || !utf8.ValidString(f.Value) {
				*list = slices.Clone(*list)
				(*list)[i] = decode.Field{Name: valid(f.Name), Value: valid(f.Value)}
			}
		}
	}
}

func valid(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return string([]rune(s))
}

// body returns a body that is kept once.
func (r *Run) body(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	key := maphash.Bytes(seed, b)
	if had, ok := r.bodies[key]; ok {
		return had
	}
	r.bytes += int64(len(b))
	r.bodies[key] = b
	return b
}

// hash returns a number for all that makes a content.
func (r *Run) hash(x *tap.Record, at *endpoint) uint64 {
	b := r.buf[:0]
	text := func(s string) {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	number := func(n uint64) { b = binary.AppendUvarint(b, n) }
	fields := func(fs []decode.Field) {
		number(uint64(len(fs)))
		for _, f := range fs {
			text(f.Name)
			text(f.Value)
		}
	}
	a, _ := at.address.MarshalBinary() // has no error
	text(string(a))
	for _, s := range []string{at.project, at.service, at.process, at.dir, at.path, string(x.Failure)} {
		text(s)
	}
	number(uint64(x.Transport))
	if e := x.Exchange; e != nil {
		for _, s := range []string{e.Protocol, e.Version, string(e.Kind), e.Method, e.Target, e.Host, e.Group, e.Status} {
			text(s)
		}
		number(uint64(e.From))
		number(uint64(e.Code))
		number(flags(e.Failed, e.Request.Truncated, e.Request.Incomplete, e.Response.Truncated, e.Response.Incomplete))
		fields(e.Details)
		for _, u := range e.Unknown {
			text(u)
		}
		for _, m := range []*decode.Message{&e.Request, &e.Response} {
			fields(m.Header)
			fields(m.Trailer)
			text(m.Encoding)
			number(uint64(m.BodyBytes))
			if len(m.Body) > 0 {
				number(maphash.Bytes(seed, m.Body))
			}
		}
	}
	r.buf = b
	return maphash.Bytes(seed, b)
}

func flags(list ...bool) (n uint64) {
	for i, f := range list {
		if f {
			n |= 1 << i
		}
	}
	return n
}

// seed makes hashes of this process comparable with each other. They are compared for
// equality only, and order nothing.
var seed = maphash.MakeSeed()

// hashOf returns a number for a list of texts.
func hashOf(parts ...string) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	for _, p := range parts {
		var n [binary.MaxVarintLen64]byte
		_, _ = h.Write(n[:binary.PutUvarint(n[:], uint64(len(p)))]) // has no error
		_, _ = h.WriteString(p)
	}
	return h.Sum64()
}

// join returns a number for a sequence of numbers.
func join(list ...uint64) uint64 {
	h := uint64(len(list))
	for _, n := range list {
		h = mix(h*0x9e3779b97f4a7c15 ^ n)
	}
	return h
}

// mix spreads the bits of a number (splitmix64's finalizer): sums of mixed numbers stand
// for sets.
func mix(h uint64) uint64 {
	h ^= h >> 30
	h *= 0xbf58476d1ce4e5b9
	h ^= h >> 27
	h *= 0x94d049bb133111eb
	return h ^ h>>31
}
