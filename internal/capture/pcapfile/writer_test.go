package pcapfile

import (
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"io"
	"net/netip"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write testdata/everything.pcapng anew")

// rewrite reads a file and writes all of it again, in its order as far as a
// [Reader] says it. It returns the error of reading, or of writing.
func rewrite(w io.Writer, in io.Reader) (readErr, writeErr error) {
	r, err := Open(in)
	if err != nil {
		return err, nil
	}
	s := r.Sections()[0]
	pw, err := NewWriter(w, WriterOptions{s.Hardware, s.OS, s.Application, s.Comments})
	if err != nil {
		return nil, err
	}
	var interfaces, processes, names, secrets, statistics int
	for {
		rec, err := r.Next()
		for ; interfaces < len(r.Interfaces()); interfaces++ {
			if _, err := pw.AddInterface(r.Interfaces()[interfaces]); err != nil {
				return nil, err
			}
		}
		for ; processes < len(r.Processes()); processes++ {
			if err := pw.WriteProcess(r.Processes()[processes]); err != nil {
				return nil, err
			}
		}
		if n := len(r.Names()); n > names {
			if err := pw.WriteNames(r.Names()[names:]); err != nil {
				return nil, err
			}
			names = n
		}
		for ; secrets < len(r.Secrets()); secrets++ {
			if err := pw.WriteSecrets(r.Secrets()[secrets]); err != nil {
				return nil, err
			}
		}
		for ; statistics < len(r.Drops()); statistics++ {
			if err := pw.WriteStatistics(r.Drops()[statistics]); err != nil {
				return nil, err
			}
		}
		if err != nil {
			return err, nil
		}
		if err := pw.WritePacket(rec); err != nil {
			return nil, err
		}
	}
}

// rewritten changes what was read to what is read after it was written again:
// one section, nanoseconds, no packet without a time but simple ones.
func (c *capture) rewritten() {
	c.Sections = c.Sections[:1]
	c.Sections[0].BigEndian = false
	for i := range c.Interfaces {
		c.Interfaces[i].Section, c.Interfaces[i].ID = 0, i
		c.Interfaces[i].clock = clock{}.resolved(9)
	}
	for _, r := range c.Records {
		if r.Time.IsZero() && !simple(r, c.Interfaces[r.Interface].SnapLen, r.OrigLen) {
			r.Time = time.Unix(0, 0).UTC()
		}
	}
	named := c.Names[:0]
	for _, n := range c.Names {
		if len(n.Names) > 0 {
			named = append(named, n)
		}
	}
	c.Names = named
}

// TestReadWriteRead holds that what is read of each file is the same after it
// was written again.
func TestReadWriteRead(t *testing.T) {
	for _, name := range testFiles(t) {
		file := readFile(t, name)
		want, wantErr := read(bytes.NewReader(file))
		want.rewritten()
		var out bytes.Buffer
		readErr, writeErr := rewrite(&out, bytes.NewReader(file))
		if writeErr != nil || readErr.Error() != wantErr.Error() {
			t.Errorf("%s: read %v, write %v", name, readErr, writeErr)
			continue
		}
		got, err := read(&out)
		if err != io.EOF {
			t.Errorf("%s again: %v", name, err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\ngot  %+v\nwant %+v", name, got, want)
		}
	}
}

// packetTCP is a TCP segment on lo, from 127.0.0.1 to 127.0.0.2, whose checksum
// is not ready.
var packetTCP = unhex("000000000000" + "000000000000" + "0800" +
	"45000028000140004006 3ccc 7f000001 7f000002" +
	"9c40 0050 00000001 00000002 5010 0200 fe1d 0000")

func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}

// everything is a capture that has all that a Writer writes.
func everything() *capture {
	at := time.Date(2026, 11, 30, 6, 24, 1, 123456789, time.UTC)
	comment := "client curl (4242) → server api (17): GET /cart"
	return &capture{
		Sections: []Section{{Hardware: "x86_64", OS: "Linux 6.12", Application: "lodge tap", Comments: []string{"project shop", "second"}}},
		Interfaces: []Interface{
			{LinkType: LinkEthernet, SnapLen: 262144, Name: "lo", Description: "loopback of the project shop", Filter: "tcp port 80", OS: "Linux", Hardware: "none", Comments: []string{"its copies are left out"}, clock: clock{}.resolved(9)},
			{ID: 1, LinkType: LinkRaw, Name: "plaintext", clock: clock{}.resolved(9)},
		},
		Processes: []Process{
			{PID: 4242, PPID: 1, Name: "curl", Path: "/usr/bin/curl", Args: []string{"curl", "", "http://api/"}, User: "alice", UID: 1000, HasUID: true,
				UUID: []byte("0123456789abcdef"), Started: at.Add(-time.Second), Comments: []string{"service shop/web"}},
			{PID: 17, Name: "api", HasUID: true, Started: at.Add(-time.Hour)},
			{PID: 18},
		},
		Names: []Name{
			{netip.MustParseAddr("127.0.0.1"), []string{"client.shop", "me.shop"}},
			{netip.MustParseAddr("127.0.0.2"), []string{"api.shop"}},
			{netip.MustParseAddr("::1"), []string{"six.shop"}},
		},
		Secrets: []Secrets{{SecretsTLS, []byte("CLIENT_RANDOM 00 11\n"), []string{"of the start"}}},
		Records: []*Record{
			{Time: at, LinkType: LinkEthernet, Data: packetTCP, OrigLen: uint32(len(packetTCP)), Comments: []string{comment}, Flags: Outbound | ChecksumNotReady, Processes: []ProcessRef{{4242, 4243}, {17, 0}}},
			{Time: at.Add(1), LinkType: LinkEthernet, Data: packetTCP[:33], OrigLen: uint32(len(packetTCP)), Comments: []string{"a", "b"}, Flags: Inbound, Dropped: 3, Processes: []ProcessRef{{0, 0}, {17, 0}}},
			{Time: at.Add(2), LinkType: LinkRaw, Interface: 1, Data: packetTCP[14:], OrigLen: uint32(len(packetTCP) - 14)},
			{LinkType: LinkEthernet, Data: packetTCP, OrigLen: uint32(len(packetTCP))},
		},
		Statistics: []Statistics{
			{Interface: 0, Time: at.Add(time.Minute), Start: at, End: at.Add(time.Minute), Received: Known(10), Dropped: Known(1), Accepted: Known(9), OSDropped: Known(5), Delivered: Known(4), Comments: []string{"a ring that was too small"}},
			{Interface: 1, Time: at.Add(time.Minute), Received: Known(1), OSDropped: Known(0)},
		},
	}
}

// write writes a capture, all that is not a packet but the statistics before the
// packets.
func (c *capture) write(w io.Writer) error {
	s := c.Sections[0]
	pw, err := NewWriter(w, WriterOptions{s.Hardware, s.OS, s.Application, s.Comments})
	if err != nil {
		return err
	}
	for _, i := range c.Interfaces {
		_, e := pw.AddInterface(i)
		err = errors.Join(err, e)
	}
	err = errors.Join(err, pw.WriteNames(c.Names))
	for _, s := range c.Secrets {
		err = errors.Join(err, pw.WriteSecrets(s))
	}
	for _, p := range c.Processes {
		err = errors.Join(err, pw.WriteProcess(p))
	}
	for _, r := range c.Records {
		err = errors.Join(err, pw.WritePacket(r))
	}
	for _, s := range c.Statistics {
		err = errors.Join(err, pw.WriteStatistics(s))
	}
	return err
}

const goldenFile = "testdata/everything.pcapng"

// TestEverything compares what a Writer writes with the golden file, and reads
// it.
func TestEverything(t *testing.T) {
	var out bytes.Buffer
	if err := everything().write(&out); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(goldenFile, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(out.Bytes(), readFile(t, goldenFile)) {
		t.Errorf("the file differs from %s", goldenFile)
	}
	got, err := read(&out)
	if err != io.EOF {
		t.Fatal(err)
	}
	if want := everything(); !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

// TestProcessBlock compares a block with literal bytes, as Wireshark's
// pcapng_write_wireshark_process_info_block writes it.
func TestProcessBlock(t *testing.T) {
	var out bytes.Buffer
	w, err := NewWriter(&out, WriterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	out.Reset()
	if err := w.WriteProcess(Process{PID: 1234, PPID: 1, Name: "curl", Path: "/bin/c", Args: []string{"c", "x"}, User: "al", UID: 1000, HasUID: true, Started: time.Unix(0, 0x0102030405060708)}); err != nil {
		t.Fatal(err)
	}
	want := unhex("ad0b0000 60000000 6e7f0000 03000000 48000000" + // block, length, PEN, entry, its length
		"d2040000" +
		"02000400 6375726c" +
		"03000600 2f62696e2f630000" +
		"04000300 63007800" +
		"05000400 01000000" +
		"06000400 e8030000" +
		"07000200 616c0000" +
		"09000800 0807060504030201" +
		"00000000" +
		"60000000")
	if !bytes.Equal(out.Bytes(), want) {
		t.Errorf("got  %x\nwant %x", out.Bytes(), want)
	}
}

// TestWriteErrors lets each write of a file fail in its turn, and be short. The
// error is returned, and returned again.
func TestWriteErrors(t *testing.T) {
	full := errors.New("disk full")
	total := 0
	for n := 0; ; n++ {
		for _, short := range []bool{false, true} {
			w := &failing{left: n, err: full, short: short}
			want := full
			if short {
				want = io.ErrShortWrite
			}
			err := everything().write(w)
			if err == nil {
				if n < 14 {
					t.Fatalf("%d writes", n)
				}
				return
			}
			if !errors.Is(err, want) || w.after > 0 {
				t.Fatalf("after %d writes: %v, and %d more writes", n, err, w.after)
			}
			total++
		}
	}
}

// failing is a writer that fails after some writes.
type failing struct {
	left, after int
	err         error
	short       bool
}

func (f *failing) Write(b []byte) (int, error) {
	f.left--
	switch {
	case f.left >= 0:
		return len(b), nil
	case f.left < -1:
		f.after++
	}
	if f.short {
		return len(b) - 1, nil
	}
	return 0, f.err
}

func TestWriterRefuses(t *testing.T) {
	var out bytes.Buffer
	w, err := NewWriter(&out, WriterOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.AddInterface(Interface{LinkType: LinkEthernet}); err != nil {
		t.Fatal(err)
	}
	n := out.Len()
	now := time.Unix(1, 0)
	for name, err := range map[string]error{
		"no interface":    w.WritePacket(&Record{Time: now, LinkType: LinkEthernet, Interface: 1}),
		"interface -1":    w.WritePacket(&Record{Time: now, LinkType: LinkEthernet, Interface: -1}),
		"link type":       w.WritePacket(&Record{Time: now, LinkType: LinkRaw}),
		"before 1970":     w.WritePacket(&Record{Time: time.Unix(-1, 0), LinkType: LinkEthernet}),
		"after 2554":      w.WritePacket(&Record{Time: time.Unix(18446744074, 0), LinkType: LinkEthernet}),
		"packet size":     w.WritePacket(&Record{Time: now, LinkType: LinkEthernet, Data: make([]byte, maxBlock)}),
		"packet size 2":   w.WritePacket(&Record{Time: now, LinkType: LinkEthernet, Data: make([]byte, maxBlock+1)}),
		"UUID":            w.WriteProcess(Process{UUID: []byte("123")}),
		"start":           w.WriteProcess(Process{Started: time.Unix(-1, 0)}),
		"address":         w.WriteNames([]Name{{Names: []string{"a"}}}),
		"secrets":         w.WriteSecrets(Secrets{Data: make([]byte, maxBlock+1)}),
		"secrets 2":       w.WriteSecrets(Secrets{Data: make([]byte, maxBlock)}),
		"statistics":      w.WriteStatistics(Statistics{Interface: 1}),
		"statistics time": w.WriteStatistics(Statistics{Start: time.Unix(-1, 0)}),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if out.Len() != n {
		t.Errorf("%d bytes were written", out.Len()-n)
	}
	if err := w.WritePacket(&Record{Time: now, LinkType: LinkEthernet}); err != nil {
		t.Errorf("after that: %v", err)
	}
}

// TestLongStrings writes strings that do not fit, and such that are no text.
func TestLongStrings(t *testing.T) {
	long := strings.Repeat("é", 40_000)
	var manyNames []string
	for range 2000 {
		manyNames = append(manyNames, strings.Repeat("n", 60))
	}
	manyArgs := append([]string{"sh"}, manyNames...)
	c := &capture{
		Sections:   []Section{{OS: "a\x00b\xffc", Comments: []string{long}}},
		Interfaces: []Interface{{LinkType: LinkRaw, Filter: long}},
		Processes:  []Process{{PID: 1, Args: manyArgs}, {PID: 2, Args: []string{long, "x"}}},
		Names:      []Name{{netip.MustParseAddr("::ffff:127.0.0.1"), append([]string{"", long}, manyNames...)}, {netip.MustParseAddr("fe80::1%lo"), []string{"z"}}, {netip.MustParseAddr("::2"), nil}},
		Secrets:    []Secrets{{SecretsTLS, []byte("CLIENT_RANDOM 1 2"), nil}, {1, []byte("x"), nil}},
		Records:    []*Record{{Time: time.Unix(1, 0), LinkType: LinkRaw, Data: []byte("x"), Comments: []string{long, "\xff"}}},
	}
	var out bytes.Buffer
	if err := c.write(&out); err != nil {
		t.Fatal(err)
	}
	got, err := read(&out)
	if err != io.EOF {
		t.Fatal(err)
	}
	cut := strings.Repeat("é", 32767)
	if s := got.Sections[0]; s.OS != "a\uFFFDb\uFFFDc" || s.Comments[0] != cut {
		t.Errorf("section: %q, comment of %d bytes", s.OS, len(s.Comments[0]))
	}
	if got.Interfaces[0].Filter != cut {
		t.Errorf("filter of %d bytes", len(got.Interfaces[0].Filter))
	}
	if n := len(got.Processes[0].Args); n < 1000 || n >= 2000 || got.Processes[0].Args[n-1] != manyNames[0] || got.Processes[1].Args != nil {
		t.Errorf("%d arguments", n)
	}
	names := 0
	for _, n := range got.Names {
		if n.Addr == netip.MustParseAddr("127.0.0.1") {
			names += len(n.Names)
		}
	}
	if names != 2001 || got.Names[len(got.Names)-1].Addr != netip.MustParseAddr("fe80::1") || len(got.Names) > 5 {
		t.Errorf("%d names, records %d", names, len(got.Names))
	}
	if string(got.Secrets[0].Data) != "CLIENT_RANDOM 1 2\n" || string(got.Secrets[1].Data) != "x" {
		t.Errorf("secrets %+v", got.Secrets)
	}
	if r := got.Records[0]; r.OrigLen != 1 || r.Comments[0] != cut || r.Comments[1] != "\uFFFD" {
		t.Errorf("record %d, %d comments", r.OrigLen, len(r.Comments))
	}
}

// parts takes what it is given whole and in parts.
type parts struct {
	bytes.Buffer
	given int
}

func (p *parts) WriteParts(head, data, tail []byte) (int, error) {
	p.given++
	for _, b := range [][]byte{head, data, tail} {
		p.Buffer.Write(b)
	}
	return len(head) + len(data) + len(tail), nil
}

// What is written in parts is the same as what is written whole.
func TestWriteParts(t *testing.T) {
	write := func(w io.Writer) {
		t.Helper()
		pw, err := NewWriter(w, WriterOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := pw.AddInterface(Interface{LinkType: 1}); err != nil {
			t.Fatal(err)
		}
		for i, n := range []int{100, largePacket - 1, largePacket, largePacket + 1, largePacket + 2, largePacket + 3, 65549} {
			data := bytes.Repeat([]byte{byte(i + 1)}, n)
			r := Record{Time: time.Unix(1, 0), LinkType: 1, Data: data, OrigLen: uint32(n), Flags: Outbound, Comments: []string{"hello"}, Processes: []ProcessRef{{PID: 7}}}
			if i%2 == 0 {
				r.Flags, r.Comments, r.Processes = 0, nil, nil
			}
			if err := pw.WritePacket(&r); err != nil {
				t.Fatal(err)
			}
		}
	}
	var whole bytes.Buffer
	var inParts parts
	write(&whole)
	write(&inParts)
	if inParts.given != 5 || !bytes.Equal(whole.Bytes(), inParts.Bytes()) {
		t.Errorf("%d packets in parts, want 5; equal: %v", inParts.given, bytes.Equal(whole.Bytes(), inParts.Bytes()))
	}
}
