package pcapfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net/netip"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestPcapng reads every kind of block, in both byte orders.
func TestPcapng(t *testing.T) {
	for _, o := range []binary.ByteOrder{le, be} {
		t.Run(o.String(), func(t *testing.T) {
			file := slices.Concat(
				raw(o, blockSection, uint32(byteOrderMagic), uint16(1), uint16(2), int64(-1),
					opt(o, 1, "first"), opt(o, 1, "second"), opt(o, 2, "x86"), opt(o, 3, "Linux\x00rest"), opt(o, 4, "lodge"), opt(o, 0)),
				raw(o, blockInterface, uint16(1), uint16(0), uint32(8),
					opt(o, 2, "lo"), opt(o, 3, "loopback"), opt(o, 9, byte(9)), opt(o, 11, "\x00tcp"), opt(o, 12, "os"), opt(o, 15, "hw"), opt(o, 1, "c")), // without an end
				raw(o, blockInterface, uint16(276), uint16(0), uint32(0), opt(o, 9, byte(0x80|10)), opt(o, 14, int64(-100)), opt(o, 11, "\x01\x06")),
				raw(o, blockEnhanced, uint32(0), uint32(1), uint32(5), uint32(5), uint32(9), "hello\x00\x00\x00",
					opt(o, 1, "a"), opt(o, 2, uint32(0x202)), opt(o, 4, uint64(7)), opt(o, 8, uint32(1234), uint32(5678)), opt(o, 8, uint32(99), uint32(0)),
					opt(o, 2988, uint32(32622), "x"), opt(o, 1, ""), opt(o, 0), "garbage!"),
				raw(o, blockSimplePacket, uint32(9), "12345678"),
				raw(o, 0x80000001, "unknown"),
				raw(o, blockPacket, uint16(1), uint16(3), uint32(0), uint32(1024*200+512), uint32(1), uint32(1), "x\x00\x00\x00", opt(o, 1, "old")),
				raw(o, blockPacket, uint16(1), uint16(0xffff), uint32(0), uint32(0), uint32(0), uint32(0)),
				raw(o, blockNames, uint16(1), uint16(16), "\x7f\x00\x00\x01web\x00shop\x00\x00\x00\x00", uint16(2), uint16(19), netip.IPv6Loopback().AsSlice(), "l6\x00\x00",
					uint16(3), uint16(8), "\x02\xca\xff\xee\xf0\x0d?\x00", uint16(0), uint16(0), opt(o, 1, "ignored")),
				raw(o, blockStatistics, uint32(0), uint32(1), uint32(6),
					opt(o, 2, uint32(0), uint32(1)), opt(o, 3, uint32(1), uint32(0)), opt(o, 4, uint64(10)), opt(o, 5, uint64(0)), opt(o, 6, uint64(9)), opt(o, 7, uint64(2)), opt(o, 8, uint64(7)), opt(o, 1, "end")),
				raw(o, blockSecrets, uint32(SecretsTLS), uint32(5), "CLI 1\x00\x00\x00", opt(o, 1, "keys")),
				raw(o, blockCustomLocal, uint32(1), "anything"),
				raw(o, blockSection, uint32(byteOrderMagic), uint16(1), uint16(0), int64(-1)),
				raw(o, blockInterface, uint16(101), uint16(0), uint32(0)),
				raw(o, blockEnhanced, uint32(0), uint32(0), uint32(1_500_000), uint32(1), uint32(0), "y"),
			)
			r, err := Open(bytes.NewReader(file))
			if err != nil {
				t.Fatal(err)
			}
			recs, err := readAll(r)
			if err != io.EOF {
				t.Fatal(err)
			}
			ns := func(n int64) time.Time { return time.Unix(0, n).UTC() }
			wantRecs := []*Record{
				{Time: ns(1<<32 + 5), LinkType: 1, Data: []byte("hello"), OrigLen: 9, Comments: []string{"a", ""}, Flags: Outbound | ChecksumNotReady, Dropped: 7, Processes: []ProcessRef{{1234, 5678}, {99, 0}}},
				{LinkType: 1, Data: []byte("12345678"), OrigLen: 9},
				{Time: time.Unix(100, 5e8).UTC(), LinkType: 276, Interface: 1, Data: []byte("x"), OrigLen: 1, Dropped: 3, Comments: []string{"old"}},
				{Time: time.Unix(-100, 0).UTC(), LinkType: 276, Interface: 1, Data: []byte{}},
				{Time: time.Unix(1, 5e8).UTC(), LinkType: 101, Interface: 2, Data: []byte("y"), OrigLen: 1},
			}
			for i := range max(len(recs), len(wantRecs)) {
				if i >= len(recs) || i >= len(wantRecs) || !reflect.DeepEqual(recs[i], wantRecs[i]) {
					t.Errorf("packet %d of %d: %+v", i, len(recs), recs[min(i, len(recs)-1)])
				}
			}
			if got, want := r.Sections(), []Section{{"x86", "Linux", "lodge", []string{"first", "second"}, o == be}, {BigEndian: o == be}}; !reflect.DeepEqual(got, want) {
				t.Errorf("sections %+v", got)
			}
			if got, want := r.Interfaces(), []Interface{
				{LinkType: 1, SnapLen: 8, Name: "lo", Description: "loopback", Filter: "tcp", OS: "os", Hardware: "hw", Comments: []string{"c"}, clock: clock{}.resolved(9)},
				{ID: 1, LinkType: 276, clock: clock{offset: -100}.resolved(0x8a)},
				{Section: 1, LinkType: 101},
			}; !reflect.DeepEqual(got, want) {
				t.Errorf("interfaces %+v", got)
			}
			if got, want := r.Names(), []Name{{netip.MustParseAddr("127.0.0.1"), []string{"web", "shop"}}, {netip.IPv6Loopback(), []string{"l6"}}}; !reflect.DeepEqual(got, want) {
				t.Errorf("names %+v", got)
			}
			if got, want := r.Drops(), []Statistics{{0, ns(1<<32 + 6), ns(1), ns(1 << 32), Known(10), Known(0), Known(9), Known(2), Known(7), []string{"end"}}}; !reflect.DeepEqual(got, want) {
				t.Errorf("statistics %+v", got)
			}
			if got, want := r.Secrets(), []Secrets{{SecretsTLS, []byte("CLI 1"), []string{"keys"}}}; !reflect.DeepEqual(got, want) {
				t.Errorf("secrets %+v", got)
			}
			if got, want := r.Counts(), (Counts{Packets: 5, Skipped: 2}); got != want {
				t.Errorf("counts %+v", got)
			}
		})
	}
}

// process returns a block of a process: little-endian inside whatever o is.
func process(o binary.ByteOrder, pid uint32, options []byte, ofBlock ...any) []byte {
	entry := pack(le, pid, options)
	return raw(o, blockCustom, uint32(penWireshark), pack(le, uint32(entryProcess), uint32(len(entry))), entry, pack(o, ofBlock...))
}

// TestProcesses reads process blocks as Wireshark's own tests have them
// (test/captures/_gen_process_info_blocks.py).
func TestProcesses(t *testing.T) {
	uuid := "k\x8bEg2{#\xc6d<\x98if3Hs"
	file := slices.Concat(
		head(le),
		process(le, 1234, slices.Concat(
			opt(le, 2, "curl"), opt(le, 3, "/usr/bin/curl"), opt(le, 4, "curl\x00https://example.com/"), opt(le, 5, uint32(1)), opt(le, 6, uint32(1000)),
			opt(le, 7, "alice"), opt(le, 8, uuid), opt(le, 9, uint64(1767225600000000001)), opt(le, 1, "first process"), opt(le, 10, "unknown"), opt(le, 0))),
		process(le, 4321, nil),
		raw(le, blockCustom, uint32(penWireshark), uint32(99), uint32(5), "hello"),
		head(be),
		process(be, 77, slices.Concat(opt(le, 2, "sshd"), opt(le, 6, uint32(0)), opt(le, 0)), opt(be, 1, "section two"), opt(be, 0)),
		raw(be, blockEnhanced, uint32(0), uint64(0), uint32(0), uint32(0), opt(be, 8, uint32(77), uint32(78))),
	)
	r, err := Open(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	recs, err := readAll(r)
	if err != io.EOF || len(recs) != 1 || !slices.Equal(recs[0].Processes, []ProcessRef{{77, 78}}) {
		t.Fatalf("%v, %d packets", err, len(recs))
	}
	want := []Process{
		{PID: 1234, PPID: 1, Name: "curl", Path: "/usr/bin/curl", Args: []string{"curl", "https://example.com/"}, User: "alice", UID: 1000, HasUID: true,
			UUID: []byte(uuid), Started: time.Date(2026, 1, 1, 0, 0, 0, 1, time.UTC), Comments: []string{"first process"}},
		{PID: 4321},
		{PID: 77, Name: "sshd", HasUID: true, Comments: []string{"section two"}},
	}
	if got := r.Processes(); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if r.Counts().Skipped != 1 {
		t.Errorf("skipped %d", r.Counts().Skipped)
	}
}

func TestProcessOfTime(t *testing.T) {
	base := time.Unix(1757500000, 0)
	started := func(us int64) []byte {
		return opt(le, 9, uint64(base.Add(time.Duration(us)*time.Microsecond).UnixNano()))
	}
	file := slices.Concat(
		head(le),
		process(le, 500, slices.Concat(opt(le, 2, "second"), started(20))),
		process(le, 500, slices.Concat(opt(le, 2, "first"), started(-10))),
		process(le, 600, opt(le, 2, "old")), process(le, 600, opt(le, 2, "new")),
		process(le, 800, opt(le, 2, "sometime")), process(le, 800, slices.Concat(opt(le, 2, "later"), started(0))),
	)
	r, err := Open(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := readAll(r); err != io.EOF {
		t.Fatal(err)
	}
	for _, c := range []struct {
		pid  uint32
		us   int64
		want string
	}{
		{500, 5, "first"}, {500, 25, "second"}, {500, 20, "second"}, {500, -100, "first"}, {600, 1, "new"}, {700, 2, ""}, {800, -1, "sometime"}, {800, 0, "later"},
	} {
		p, ok := r.Process(c.pid, base.Add(time.Duration(c.us)*time.Microsecond))
		if p.Name != c.want || ok != (c.want != "") {
			t.Errorf("process %d at %d: %q", c.pid, c.us, p.Name)
		}
	}
}

func TestClock(t *testing.T) {
	for _, c := range []struct {
		resolution byte
		offset     int64
		ts         uint64
		sec, nsec  int64
	}{
		{0, 0, 5, 5, 0},
		{3, 0, 1234, 1, 234e6},
		{6, 0, 1234567, 1, 234567e3},
		{6, 10, 1234567, 11, 234567e3},
		{6, -10, 1234567, -9, 234567e3},
		{9, 0, 1<<64 - 1, 18446744073, 709551615},
		{10, 0, 12345678909, 1, 234567890},
		{19, 0, 12345678901234567890, 1, 234567890},
		{20, 0, 12345678901234567890, 0, 123456789},
		{28, 0, 12345678901234567890, 0, 1},
		{127, 0, 1<<64 - 1, 0, 0},
		{0x80, 0, 7, 7, 0},
		{0x80 | 10, 0, 1536, 1, 5e8},
		{0x80 | 32, 0, 3 << 31, 1, 5e8},
		{0x80 | 63, 0, 1<<64 - 1, 1, 999999999},
		{0x80 | 64, 0, 1 << 63, 0, 5e8},
		{0x80 | 65, 0, 1 << 63, 0, 25e7},
		{0x80 | 127, 0, 1<<64 - 1, 0, 0},
	} {
		got := clock{offset: c.offset}.resolved(c.resolution).time(c.ts)
		if want := time.Unix(c.sec, c.nsec); !got.Equal(want) {
			t.Errorf("resolution %#x, offset %d: %d is %v, want %v", c.resolution, c.offset, c.ts, got, want)
		}
	}
}

// TestUnknownVersion holds that a section of another version is skipped, up to
// the next section, and that the end of the file says so.
func TestUnknownVersion(t *testing.T) {
	packet := raw(le, blockEnhanced, uint32(0), uint64(0), uint32(1), uint32(1), "a")
	file := slices.Concat(head(le), packet, raw(be, blockSection, uint32(byteOrderMagic), uint16(1), uint16(1), int64(-1)), raw(be, blockInterface, uint64(0)), raw(be, 99), head(le), packet)
	r, err := Open(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	recs, err := readAll(r)
	var at *Error
	if len(recs) != 2 || !errors.Is(err, ErrVersion) || !errors.As(err, &at) || at.Offset != int64(len(head(le))+len(packet)) || r.Counts().Skipped != 2 {
		t.Errorf("%d packets, then %v; skipped %d", len(recs), err, r.Counts().Skipped)
	}
}

func TestMalformed(t *testing.T) {
	enhanced := func(id, length uint32, rest ...any) []byte {
		return raw(le, blockEnhanced, id, uint64(0), length, length, pack(le, rest...))
	}
	for name, c := range map[string]struct {
		block []byte
		want  string
	}{
		"short block":           {pack(le, uint32(9), uint32(8), uint32(8)), "its length 8 is not from 12 to 67108864"},
		"long block":            {pack(le, uint32(9), uint32(64<<20+4)), "its length 67108868 is not from 12 to 67108864"},
		"trailer":               {pack(le, uint32(9), uint32(16), uint32(0), uint32(20)), "its length is 16 at the begin and 20 at the end"},
		"no such interface":     {enhanced(1, 0), "its interface is 1, of 1 in the section"},
		"short packet":          {raw(le, blockEnhanced, uint32(0)), "it has 16 bytes"},
		"long packet":           {enhanced(0, 5, "1234"), "its packet has the length 5, with 4 bytes left"},
		"very long packet":      {enhanced(0, 1<<32-1, "1234"), "its packet has the length 4294967295, with 4 bytes left"},
		"long option":           {enhanced(0, 0, uint16(1), uint16(5), "1234"), "option 1 has the length 5, with 4 bytes left"},
		"flags":                 {enhanced(0, 0, opt(le, 2, "12345")), "option 2 has the length 5, not 4"},
		"process of a packet":   {enhanced(0, 0, opt(le, 8, "1234")), "option 8 has the length 4, not 8"},
		"many options":          {enhanced(0, 0, strings.Repeat("\x01\x00\x00\x00", 1<<16+1)), "more than 65536 options"},
		"short old packet":      {raw(le, blockPacket, uint64(0)), "it has 20 bytes"},
		"interface of old":      {raw(le, blockPacket, uint16(9), uint16(0), uint64(0), uint64(0)), "its interface is 9, of 1 in the section"},
		"long simple packet":    {raw(le, blockSimplePacket, uint32(9), "12345678"), "its packet has the length 9, with 8 bytes left"},
		"empty simple packet":   {raw(le, blockSimplePacket), "it has 12 bytes"},
		"short interface":       {raw(le, blockInterface, uint32(1)), "it has 16 bytes"},
		"resolution":            {raw(le, blockInterface, uint64(1), opt(le, 9, uint16(9))), "option 9 has the length 2, not 1"},
		"offset":                {raw(le, blockInterface, uint64(1), opt(le, 14, uint32(9))), "option 14 has the length 4, not 8"},
		"short section":         {pack(le, uint32(blockSection), uint32(24), uint32(byteOrderMagic), uint64(1), uint32(24)), "it has 24 bytes"},
		"statistics":            {raw(le, blockStatistics, uint32(1), uint64(0)), "its interface is 1, of 1 in the section"},
		"short statistics":      {raw(le, blockStatistics, uint32(1)), "it has 16 bytes"},
		"counter":               {raw(le, blockStatistics, uint32(0), uint64(0), opt(le, 4, uint32(1))), "option 4 has the length 4, not 8"},
		"start":                 {raw(le, blockStatistics, uint32(0), uint64(0), opt(le, 2, uint32(1))), "option 2 has the length 4, not 8"},
		"short secrets":         {raw(le, blockSecrets, uint32(0)), "it has 16 bytes"},
		"long secrets":          {raw(le, blockSecrets, uint32(0), uint32(5), uint32(0)), "its secrets have the length 5, with 4 bytes left"},
		"long name":             {raw(le, blockNames, uint16(1), uint16(9), uint64(0)), "a record has the length 9, with 8 bytes left"},
		"short name":            {raw(le, blockNames, uint16(2), uint16(15), make([]byte, 16)), "a record of an address has the length 15"},
		"custom block":          {raw(le, blockCustom), "it has 12 bytes"},
		"Wireshark's block":     {raw(le, blockCustom, uint32(penWireshark), uint32(3)), "an entry of Wireshark's has 4 bytes"},
		"short process":         {raw(le, blockCustom, uint32(penWireshark), uint32(3), uint32(3), uint32(0)), "a process has the length 3, with 4 bytes left"},
		"long process":          {raw(le, blockCustom, uint32(penWireshark), uint32(3), uint32(5), uint32(0)), "a process has the length 5, with 4 bytes left"},
		"UUID of a process":     {process(le, 1, opt(le, 8, "123")), "option 8 has the length 3, not 16"},
		"start of a process":    {process(le, 1, opt(le, 9, uint32(3))), "option 9 has the length 4, not 8"},
		"options of a process":  {process(le, 1, nil, uint16(1), uint16(9)), "option 1 has the length 9, with 0 bytes left"},
		"user id of a process":  {process(le, 1, opt(le, 6, uint64(3))), "option 6 has the length 8, not 4"},
		"byte order in between": {pack(le, uint32(blockSection), uint32(28), uint32(1), uint64(0), uint64(0), uint32(28)), "its byte-order magic is 01000000"},
	} {
		t.Run(name, func(t *testing.T) {
			file := slices.Concat(head(le), raw(le, 77, "unknown"), c.block)
			_, err := read(bytes.NewReader(file))
			var at *Error
			if !errors.As(err, &at) || !errors.Is(err, ErrMalformed) || at.Offset != int64(len(file)-len(c.block)) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %s", err, c.want)
			}
		})
	}
	simple := slices.Concat(raw(le, blockSection, uint32(byteOrderMagic), uint16(1), uint16(0), int64(-1)), raw(le, blockSimplePacket, uint32(0)))
	if _, err := read(bytes.NewReader(simple)); !errors.Is(err, ErrMalformed) {
		t.Errorf("a simple packet before an interface: %v", err)
	}
	huge := pack(le, uint32(magicMicro), uint16(2), uint16(4), uint64(0), uint64(0), uint64(0), uint32(64<<20+1), uint32(1))
	if _, err := read(bytes.NewReader(huge)); !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), "packet at byte 24") {
		t.Errorf("a huge packet of pcap: %v", err)
	}
}

// TestUnpaddedLength reads a block whose length leaves out its padding.
func TestUnpaddedLength(t *testing.T) {
	file := append(head(le), pack(le, uint32(blockEnhanced), uint32(33), uint32(0), uint64(0), uint32(1), uint32(1), "a\x00\x00\x00", uint32(33))...)
	got, err := read(bytes.NewReader(file))
	if err != io.EOF || len(got.Records) != 1 || string(got.Records[0].Data) != "a" {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestSizesAreNotTrusted holds that a block takes no more memory than the file
// has bytes.
func TestSizesAreNotTrusted(t *testing.T) {
	for name, file := range map[string][]byte{
		"pcapng": append(head(le), pack(le, uint32(blockEnhanced), uint32(64<<20))...),
		"pcap":   pack(le, uint32(magicMicro), uint16(2), uint16(4), uint64(0), uint64(0), uint64(0), uint32(64<<20), uint32(64<<20)),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := read(bytes.NewReader(file))
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; !errors.Is(err, io.ErrUnexpectedEOF) || used > 1<<20 {
			t.Errorf("%s: %v, with %d bytes of memory", name, err, used)
		}
	}
}

// TestKeepsLittle reads more processes, names and interfaces than are kept.
func TestKeepsLittle(t *testing.T) {
	many := func(block []byte, n int) io.Reader {
		chunk := bytes.Repeat(block, 1000)
		rs := []io.Reader{bytes.NewReader(head(le))}
		for range n / 1000 {
			rs = append(rs, bytes.NewReader(chunk))
		}
		return io.MultiReader(rs...)
	}
	r, err := Open(many(process(le, 1, nil), 5000))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := readAll(r); err != io.EOF || len(r.Processes()) != maxSamePID || r.Counts().NotKept != 5000-maxSamePID {
		t.Errorf("processes of one id: %v, %d, not kept %d", err, len(r.Processes()), r.Counts().NotKept)
	}
	names := raw(le, blockNames, bytes.Repeat([]byte("\x01\x00\x08\x00\x7f\x00\x00\x01a\x00b\x00"), 1000))
	r, err = Open(many(names, 3000))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := readAll(r); err != io.EOF || len(r.Names())+int(r.Counts().NotKept)*1000 != 3_000_000 || r.Counts().NotKept == 0 {
		t.Errorf("names: %v, %d, not kept %d", err, len(r.Names()), r.Counts().NotKept)
	}
	if _, err := read(many(raw(le, blockInterface, uint64(1), opt(le, 1, strings.Repeat("c", 60_000))), 2000)); !errors.Is(err, errTooMuch) {
		t.Errorf("interfaces: %v", err)
	}
}
