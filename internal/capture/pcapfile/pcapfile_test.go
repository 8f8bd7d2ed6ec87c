package pcapfile

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// readAll reads all packets, and returns them with the error at the end.
func readAll(r *Reader) ([]*Record, error) {
	var all []*Record
	for {
		rec, err := r.Next()
		if err != nil {
			return all, err
		}
		all = append(all, rec)
	}
}

// capture is all that a file has.
type capture struct {
	Records    []*Record
	Sections   []Section
	Interfaces []Interface
	Processes  []Process
	Names      []Name
	Secrets    []Secrets
	Statistics []Statistics
}

// read reads all of a file, and returns the error at the end: [io.EOF] or
// another.
func read(in io.Reader) (*capture, error) {
	r, err := Open(in)
	if err != nil {
		return nil, err
	}
	recs, err := readAll(r)
	return &capture{recs, r.Sections(), r.Interfaces(), r.Processes(), r.Names(), r.Secrets(), r.Drops()}, err
}

// testFiles returns the capture files in testdata.
func testFiles(t testing.TB) []string {
	t.Helper()
	var all []string
	for _, pattern := range []string{"testdata/*.pcap*", "testdata/*/*.pcap*", "testdata/*/*/*.pcap*"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, files...)
	}
	if len(all) < 50 {
		t.Fatalf("%d files in testdata", len(all))
	}
	return all
}

func readFile(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// pack writes numbers in a byte order, and bytes as they are.
func pack(order binary.ByteOrder, parts ...any) []byte {
	var b bytes.Buffer
	for _, p := range parts {
		if s, ok := p.(string); ok {
			p = []byte(s)
		}
		if err := binary.Write(&b, order, p); err != nil {
			panic(err)
		}
	}
	return b.Bytes()
}

// raw returns a block of pcapng.
func raw(order binary.ByteOrder, kind uint32, parts ...any) []byte {
	body := pack(order, parts...)
	body = append(body, make([]byte, padded(len(body))-len(body))...)
	n := uint32(len(body) + 12)
	return pack(order, kind, n, body, n)
}

// opt returns an option.
func opt(order binary.ByteOrder, code uint16, parts ...any) []byte {
	v := pack(order, parts...)
	return pack(order, code, uint16(len(v)), v, make([]byte, padded(len(v))-len(v)))
}

var le, be = binary.LittleEndian, binary.BigEndian

// head returns the begin of a file: a section and an Ethernet interface.
func head(order binary.ByteOrder) []byte {
	return slices.Concat(
		raw(order, blockSection, uint32(byteOrderMagic), uint16(1), uint16(0), int64(-1)),
		raw(order, blockInterface, uint16(LinkEthernet), uint16(0), uint32(65535)))
}

func TestPcap(t *testing.T) {
	at := time.Date(2026, 11, 30, 6, 24, 1, 123456000, time.UTC)
	for _, order := range []binary.ByteOrder{le, be} {
		for _, f := range []struct {
			name  string
			magic uint32
			nsec  uint32 // the fraction that is at
			extra string
			minor uint16
			swap  bool
		}{
			{"microseconds", magicMicro, 123456, "", 4, false},
			{"nanoseconds", magicNano, 123456000, "", 4, false},
			{"modified", magicModified, 123456, "\x01\x00\x00\x00\x08\x00\x04\x00", 4, false},
			{"2.2", magicMicro, 123456, "", 2, true},
			{"2.3", magicMicro, 123456, "", 3, false},
			{"2.3 swapped", magicMicro, 123456, "", 3, true},
		} {
			t.Run(order.String()+" "+f.name, func(t *testing.T) {
				lengths := []uint32{3, 60}
				if f.swap {
					slices.Reverse(lengths)
				}
				file := pack(order, f.magic, uint16(2), f.minor, uint32(0), uint32(0), uint32(1<<16), uint32(0xf4000000|101))
				file = append(file, pack(order, uint32(at.Unix()), f.nsec, lengths, f.extra, "abc")...)
				file = append(file, pack(order, uint32(1<<32-1), uint32(0), uint32(1), uint32(1), f.extra, "d")...)
				got, err := read(bytes.NewReader(file))
				if err != io.EOF {
					t.Fatal(err)
				}
				want := &capture{
					Records: []*Record{
						{Time: at, LinkType: LinkRaw, Data: []byte("abc"), OrigLen: 60},
						{Time: time.Date(2106, 2, 7, 6, 28, 15, 0, time.UTC), LinkType: LinkRaw, Data: []byte("d"), OrigLen: 1},
					},
					Sections:   []Section{{BigEndian: order == be}},
					Interfaces: []Interface{{LinkType: LinkRaw, SnapLen: 1 << 16}},
				}
				if !reflect.DeepEqual(got, want) {
					t.Errorf("got  %+v\nwant %+v", got, want)
				}
			})
		}
	}
}

func TestOpenErrors(t *testing.T) {
	for name, c := range map[string]struct {
		file string
		want error
	}{
		"empty":           {"", &ForeignError{Empty}},
		"zstd":            {"\x28\xb5\x2f\xfd\x00", &ForeignError{Zstd}},
		"three bytes":     {"\xd4\xc3\xb2", io.ErrUnexpectedEOF},
		"gzip":            {"\x1f\x8b\x08\x00\x00\x00\x00\x00", ErrNotCapture},
		"pcap 3.0":        {"\xd4\xc3\xb2\xa1\x03\x00\x00\x00" + strings.Repeat("\x00", 16), ErrVersion},
		"pcap cut":        {"\xd4\xc3\xb2\xa1\x02\x00\x04\x00", io.ErrUnexpectedEOF},
		"pcapng cut":      {"\n\r\r\n\x1c\x00\x00\x00M<+", io.ErrUnexpectedEOF},
		"byte-order mark": {"\n\r\r\n\x1c\x00\x00\x00M<+!" + strings.Repeat("\x00", 16), ErrMalformed},
	} {
		r, err := Open(strings.NewReader(c.file))
		want := (*ForeignError)(nil)
		if errors.As(c.want, &want) {
			if got := (*ForeignError)(nil); !errors.As(err, &got) || *got != *want || !errors.Is(err, ErrNotCapture) {
				t.Errorf("%s: %v, want %v", name, err, c.want)
			}
		} else if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		if r != nil {
			t.Errorf("%s: it was opened", name)
		}
	}
	empty := pack(le, uint32(magicMicro), uint16(2), uint16(4), uint64(0), uint64(1), [4]uint32{})
	if got, err := read(bytes.NewReader(empty)); err != io.EOF || got.Records[0].Data == nil {
		t.Errorf("a packet without data: %+v, %v", got, err)
	}
	bad := errors.New("bad disk")
	if _, err := Open(iotest.ErrReader(bad)); !errors.Is(err, bad) {
		t.Errorf("of a reader that fails: %v", err)
	}
}

// TestReadErrors holds that an error of the reader is returned as it is, and
// again.
func TestReadErrors(t *testing.T) {
	bad := errors.New("bad disk")
	file := append(head(le), raw(le, blockEnhanced, uint32(0), uint64(0), uint32(8), uint32(8), "12345678")...)
	for n := len(head(le)); n < len(file); n++ {
		r, err := Open(io.MultiReader(bytes.NewReader(file[:n]), iotest.ErrReader(bad)))
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if _, err := readAll(r); !errors.Is(err, bad) {
				t.Fatalf("after %d bytes: %v", n, err)
			}
		}
	}
}

// TestCutOff cuts each file after each byte: all whole packets come, and then an
// error that says that the file was cut off, unless it was between two blocks.
func TestCutOff(t *testing.T) {
	for _, name := range testFiles(t) {
		file := readFile(t, name)
		if len(file) > 2500 {
			continue
		}
		whole, err := read(bytes.NewReader(file))
		if err != io.EOF && !errors.Is(err, ErrVersion) {
			t.Fatalf("%s: %v", name, err)
		}
		last := 0
		for n := range file {
			got, err := read(bytes.NewReader(file[:n]))
			if err != io.EOF && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, ErrVersion) {
				t.Fatalf("%s cut after %d bytes: %v", name, n, err)
			}
			if got == nil {
				continue
			}
			if len(got.Records) < last || !slices.EqualFunc(got.Records, whole.Records[:len(got.Records)], equalRecords) {
				t.Fatalf("%s cut after %d bytes: %d packets, after one byte less %d", name, n, len(got.Records), last)
			}
			last = len(got.Records)
		}
		if len(whole.Records)-last > 1 {
			t.Errorf("%s cut after its last but one byte: %d of %d packets", name, last, len(whole.Records))
		}
	}
}

func equalRecords(a, b *Record) bool { return reflect.DeepEqual(a, b) }

// TestByteOrders holds that the two forms of each generated file have the same
// packets.
func TestByteOrders(t *testing.T) {
	files, err := filepath.Glob("testdata/generator/le/*.pcapng")
	if err != nil || len(files) == 0 {
		t.Fatal(err, files)
	}
	for _, name := range files {
		a, errA := read(bytes.NewReader(readFile(t, name)))
		b, errB := read(bytes.NewReader(readFile(t, strings.Replace(name, "/le/", "/be/", 1))))
		if errA != io.EOF || errB != io.EOF {
			t.Fatal(name, errA, errB)
		}
		for i := range a.Sections {
			if strings.HasSuffix(name, "test202.pcapng") { // it has sections of both byte orders
				break
			}
			if a.Sections[i].BigEndian || !b.Sections[i].BigEndian {
				t.Errorf("%s: the byte orders of section %d are wrong", name, i)
			}
		}
		for i := range min(len(a.Sections), len(b.Sections)) {
			a.Sections[i].BigEndian, b.Sections[i].BigEndian = false, false
		}
		if !reflect.DeepEqual(a, b) {
			t.Errorf("%s:\nle %+v\nbe %+v", name, a, b)
		}
	}
}
