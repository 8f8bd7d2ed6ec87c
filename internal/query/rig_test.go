package query

import (
	"net/netip"
	"strings"
	"time"
)

// The fields of the tests.
const (
	fService = iota + 1
	fStatus
	fTook
	fBytes
	fPort
	fAddress
	fState
	fTime
	fOK
	fOwned
	fAt
	fWord
)

// testSchema has a field of each type. A plain word of digits is a port, any
// other a name; "53/udp" is two terms.
func testSchema() *Schema {
	s := &Schema{
		Fields: []Field{
			{ID: fService, Name: "service", Aliases: []string{"svc"}, Type: Text},
			{ID: fStatus, Name: "status", Type: Number},
			{ID: fTook, Name: "took", Type: Duration},
			{ID: fBytes, Name: "bytes", Type: Size},
			{ID: fPort, Name: "port", Type: Port, Spaced: true},
			{ID: fAddress, Name: "address", Type: Address},
			{ID: fState, Name: "state", Type: Choice, Words: []string{"listen", "time_wait", "closed"}, Single: true},
			{ID: fTime, Name: "time", Type: Time},
			{ID: fOK, Name: "ok", Type: Bool},
			{ID: fOwned, Name: "owned", Type: Pair, Covers: "service"},
			{ID: fAt, Name: "at", Type: Endpoint, Group: "port"},
			{ID: fWord, Type: Text, Group: "word"},
		},
		Service: func(name string) (uint16, bool) { return 80, name == "http" },
		Nearest: func(word string, list []string) string {
			for _, l := range list {
				if len(word) > 2 && strings.HasPrefix(l, word[:3]) {
					return l
				}
			}
			return ""
		},
		Now: time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC),
	}
	s.Word = func(word string, quoted bool) ([]*Term, error) {
		if word == "" {
			return nil, NewError(word, "it is empty", "a word")
		}
		if !quoted && strings.Trim(word, "0123456789") == "" {
			v, err := s.ReadValue(s.ByID(fPort), word)
			if err != nil {
				return nil, err
			}
			return []*Term{{Field: s.ByID(fPort), Op: Eq, Values: v, Text: word, Bare: true}}, nil
		}
		return []*Term{{Field: s.ByID(fWord), Op: Contains, Values: []Value{{Text: strings.ToLower(word)}}, Text: word, Bare: true}}, nil
	}
	return s
}

// fakeRow has values by field.
type fakeRow struct {
	texts   map[int][]string
	numbers map[int][]int64
	ips     []netip.Addr
	ends    []netip.AddrPort
	any     bool
	pairs   [][2]string
}

func (r *fakeRow) Text(f, n int) (string, bool) {
	if l := r.texts[f]; n < len(l) {
		return l[n], true
	}
	return "", false
}

func (r *fakeRow) Number(f, n int) (int64, bool) {
	if l := r.numbers[f]; n < len(l) {
		return l[n], true
	}
	return 0, false
}

func (r *fakeRow) Address(_, n int) (netip.Addr, bool) {
	if n < len(r.ips) {
		return r.ips[n], true
	}
	return netip.Addr{}, false
}

func (r *fakeRow) Endpoint(_, n int) (netip.AddrPort, bool, bool) {
	if n < len(r.ends) {
		return r.ends[n], r.any, true
	}
	return netip.AddrPort{}, false, false
}

func (r *fakeRow) Pair(_, n int) (string, string, bool) {
	if n < len(r.pairs) {
		return r.pairs[n][0], r.pairs[n][1], true
	}
	return "", "", false
}

// api is a row that the tests ask about.
func api() *fakeRow {
	return &fakeRow{
		texts:   map[int][]string{fService: {"api"}, fState: {"listen"}, fWord: {"api", "node", "Größe"}},
		numbers: map[int][]int64{fStatus: {503}, fTook: {int64(250 * time.Millisecond)}, fBytes: {1500}, fPort: {40000, 443}, fTime: {time.Date(2026, 5, 4, 11, 55, 0, 0, time.UTC).UnixNano()}, fOK: {0}},
		ips:     []netip.Addr{netip.MustParseAddr("::ffff:127.0.0.1"), netip.MustParseAddr("fe80::1%eth0")},
		ends:    []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:443")},
		pairs:   [][2]string{{"shop", "api"}},
	}
}
