package captures

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"lodge/internal/capture/pcapfile"
)

// framed is a packet of Ethernet, captured whole or not.
type framed struct {
	at   time.Time
	data []byte
	orig int
}

// framesOf returns the packets of a capture of Ethernet.
func framesOf(t *testing.T, path string) (list []framed) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	in, err := pcapfile.Open(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	for {
		rec, err := in.Next()
		if err != nil {
			return list
		}
		if rec.LinkType != 1 {
			t.Fatalf("%s has the link type %d", path, rec.LinkType)
		}
		list = append(list, framed{rec.Time, rec.Data, int(rec.OrigLen)})
	}
}

// order is a byte order.
type order interface {
	binary.ByteOrder
	binary.AppendByteOrder
}

// fields returns numbers in a byte order, and bytes as they are.
func fields(o order, values ...any) (b []byte) {
	for _, v := range values {
		switch v := v.(type) {
		case uint8:
			b = append(b, v)
		case uint16:
			b = o.AppendUint16(b, v)
		case uint32:
			b = o.AppendUint32(b, v)
		case uint64:
			b = o.AppendUint64(b, v)
		case string:
			b = append(b, v...)
		case []byte:
			b = append(b, v...)
		default:
			panic(v)
		}
	}
	return b
}

// pcapOf writes a pcap file.
func pcapOf(o order, magic uint32, link uint32, tick time.Duration, list []framed) []byte {
	b := fields(o, magic, uint16(2), uint16(4), uint32(0), uint32(0), uint32(262144), link)
	for _, f := range list {
		b = append(b, fields(o, uint32(f.at.Unix()), uint32(f.at.Nanosecond()/int(tick)), uint32(len(f.data)), uint32(f.orig))...)
		if magic == 0xa1b2cd34 {
			b = append(b, fields(o, uint32(1), uint16(0x0800), uint8(0), uint8(0))...)
		}
		b = append(b, f.data...)
	}
	return b
}

// block is one of pcapng.
func block(o order, kind uint32, body ...[]byte) []byte {
	b := bytes.Join(body, nil)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return fields(o, kind, uint32(len(b)+12), b, uint32(len(b)+12))
}

func option(o order, code uint16, value string) []byte {
	b := fields(o, code, uint16(len(value)), value)
	for len(b)%4 != 0 {
		b = append(b, 0)
	}
	return b
}

func section(o order) []byte {
	return block(o, 0x0a0d0d0a, fields(o, uint32(0x1a2b3c4d), uint16(1), uint16(0), uint64(math.MaxUint64)), option(o, 1, "a comment"), option(o, 4, "test"), option(o, 0, ""))
}

func iface(o order, link uint16, options ...[]byte) []byte {
	return block(o, 1, fields(o, link, uint16(0), uint32(0)), bytes.Join(options, nil))
}

// enhanced is a packet with options: flags, a hash, a custom one, a comment.
func enhanced(o order, iface uint32, ts uint64, f framed) []byte {
	return block(o, 6, fields(o, iface, uint32(ts>>32), uint32(ts), uint32(len(f.data)), uint32(f.orig)), padded(f.data),
		option(o, 2, string(fields(o, uint32(1)))), option(o, 3, "\x02abcd"), option(o, 2988, string(fields(o, uint32(32473)))+"custom"), option(o, 1, "its comment"), option(o, 0, ""))
}

func padded(b []byte) []byte { return append(slices.Clone(b), make([]byte, (4-len(b)%4)%4)...) }

func micros(f framed) uint64 { return uint64(f.at.UnixMicro()) }

var (
	le = binary.LittleEndian
	be = binary.BigEndian
)

// containers are the ways in which a file may have the same packets.
func containers(link uint16, list []framed) map[string][]byte {
	l := uint32(link)
	ng := func(o order, options ...[]byte) []byte { return append(section(o), iface(o, link, options...)...) }
	all := map[string][]byte{
		"pcap": pcapOf(le, 0xa1b2c3d4, l, time.Microsecond, list), "pcap, big endian": pcapOf(be, 0xa1b2c3d4, l, time.Microsecond, list),
		"pcap, nanoseconds": pcapOf(le, 0xa1b23c4d, l, time.Nanosecond, list), "pcap, nanoseconds, big endian": pcapOf(be, 0xa1b23c4d, l, time.Nanosecond, list),
		"pcap, modified": pcapOf(le, 0xa1b2cd34, l, time.Microsecond, list), "pcap, frame check sequence": pcapOf(be, 0xa1b2c3d4, l|0x50000000, time.Microsecond, list),
	}
	for name, o := range map[string]order{"pcapng": le, "pcapng, big endian": be} {
		plain, nano, binaryTicks, offset, packets := ng(o), ng(o, option(o, 9, "\x09"), option(o, 2, "lo")), ng(o, option(o, 9, "\x94")), ng(o, option(o, 14, string(fields(o, uint64(1_000_000_000))))), ng(o)
		several := section(o)
		other := o
		for i, f := range list {
			plain = append(plain, enhanced(o, 0, micros(f), f)...)
			nano = append(nano, enhanced(o, 0, uint64(f.at.UnixNano()), f)...)
			s, ns := uint64(f.at.Unix()), uint64(f.at.Nanosecond())
			binaryTicks = append(binaryTicks, enhanced(o, 0, s<<20|ns<<20/1_000_000_000, f)...)
			offset = append(offset, enhanced(o, 0, micros(f)-1_000_000_000_000_000, f)...)
			packets = append(packets, block(o, 2, fields(o, uint16(0), uint16(0xffff), uint32(micros(f)>>32), uint32(micros(f)), uint32(len(f.data)), uint32(f.orig)), padded(f.data))...)
			if i%7 == 0 { // another section, of the other byte order, with two interfaces
				if other = le; i%2 == 0 {
					other = be
				}
				several = append(several, section(other)...)
				several = append(several, iface(other, 105)...)
				several = append(several, block(other, 0x0bad, fields(other, uint32(32473), "any custom block"))...)
				several = append(several, iface(other, link)...)
				several = append(several, block(other, 0x12345678, []byte("an unknown block"))...)
				several = append(several, block(other, 4, fields(other, uint16(1), uint16(14), "\x7f\x00\x00\x01localhost\x00\x00\x00", uint16(0), uint16(0)))...)
				several = append(several, block(other, 5, fields(other, uint32(1), uint64(0)), option(other, 5, string(fields(other, uint64(0)))), option(other, 0, ""))...)
			}
			several = append(several, enhanced(other, 1, micros(f), f)...)
		}
		all[name], all[name+", nanoseconds"], all[name+", ticks of 2^-20 s"], all[name+", with an offset"] = plain, nano, binaryTicks, offset
		all[name+", obsolete packet blocks"], all[name+", several sections and interfaces"] = packets, several
	}
	return all
}

// links are the link layers that may carry the same packets, with their types.
func links(data []byte) map[uint16][]byte {
	kind, ip := data[12:14], data[14:]
	family, ppp := "\x02\x00\x00\x00", "\x00\x21"
	if kind[0] == 0x86 {
		family, ppp = "\x1e\x00\x00\x00", "\x00\x57"
	}
	join := func(b ...any) []byte { return fields(be, b...) }
	loop := []byte(family)
	slices.Reverse(loop)
	return map[uint16][]byte{
		0: join(family, ip), 108: join(loop, ip), 101: ip, 12: ip, 14: ip,
		113: join("\x00\x00\x03\x04\x00\x06\x00\x00\x00\x00\x00\x00\x00\x00", kind, ip),
		276: join(kind, "\x00\x00\x00\x00\x00\x01\x03\x04\x00\x06\x00\x00\x00\x00\x00\x00\x00\x00", ip),
		9:   join("\xff\x03", ppp, ip), 50: join("\xff\x03", ppp, ip),
	}
}

// tagged are frames of Ethernet with something between its header and IP.
func tagged(data []byte) map[string][]byte {
	ppp := "\x00\x21"
	if data[12] == 0x86 {
		ppp = "\x00\x57"
	}
	size := uint16(len(data) - 14 + 2)
	return map[string][]byte{
		"VLAN":  fields(be, data[:12], "\x81\x00\x00\x05", data[12:]),
		"QinQ":  fields(be, data[:12], "\x88\xa8\x00\x05\x81\x00\x00\x06", data[12:]),
		"MPLS":  fields(be, data[:12], "\x88\x47\x00\x01\x00\xff\x00\x01\x01\xff", data[14:]),
		"PPPoE": fields(be, data[:12], "\x88\x64\x11\x00\x00\x01", size, ppp, data[14:]),
	}
}

// withExtensions is a packet of IPv4 as one of IPv6 with extension headers.
func withExtensions(data []byte) []byte {
	ip := data[14:]
	size := int(ip[0]&15) * 4
	payload := ip[size:min(len(ip), int(be.Uint16(ip[2:])))]
	headers := []byte("\x2b\x00\x01\x04\x00\x00\x00\x00" + "\x3c\x00\x00\x00\x00\x00\x00\x00" + "\x2c\x00\x01\x04\x00\x00\x00\x00" + "\x00\x00\x00\x00\x00\x00\x00\x07")
	headers[24] = ip[9]
	return fields(be, data[:12], "\x86\xdd\x60\x00\x00\x00", uint16(len(headers)+len(payload)), "\x00\x40", strings.Repeat("\x00", 10), "\xff\xff", ip[12:16], strings.Repeat("\x00", 10), "\xff\xff", ip[16:20], headers, payload)
}

// inFragments returns a packet of IPv4 in fragments of at most size bytes.
func inFragments(f framed, size int) (out []framed) {
	ip := f.data[14:]
	n := int(ip[0]&15) * 4
	payload := ip[n:min(len(ip), int(be.Uint16(ip[2:])))]
	for from := 0; from < len(payload); from += size {
		part := payload[from:min(from+size, len(payload))]
		h := slices.Clone(ip[:n])
		be.PutUint16(h[2:], uint16(n+len(part)))
		v := uint16(from / 8)
		if from+size < len(payload) {
			v |= 0x2000
		}
		be.PutUint16(h[6:], v)
		out = append(out, framed{f.at, fields(be, f.data[:14], h, part), 14 + n + len(part)})
	}
	if len(out) > 2 && len(payload)%3 == 0 {
		out[0], out[1] = out[1], out[0]
	}
	return out
}

// The same packets are the same records, whatever the format of the file, its byte order,
// the link layer and the fragments in which they came.
func TestFormats(t *testing.T) {
	for _, path := range []string{"../../internal/decode/postgresql/testdata/pgx.pcap", "../../internal/decode/dns/testdata/udp.pcap", "../../internal/decode/redis/testdata/cli.pcap"} {
		list := framesOf(t, path)
		wholePath := strings.TrimPrefix(path, "../../internal/decode/")
		want := read(t, pcapOf(le, 0xa1b2c3d4, 1, time.Microsecond, list))
		if len(want.lines) < 20 || want.err != nil {
			t.Fatalf("%s: %d records, %v", path, len(want.lines), want.err)
		}
		same := func(name string, b []byte, want []string) {
			t.Helper()
			got := read(t, b)
			got.identities(t)
			if got.err != nil || !slices.Equal(got.lines, want) {
				i := 0
				for i < min(len(got.lines), len(want)) && got.lines[i] == want[i] {
					i++
				}
				t.Errorf("%s, %s: %v; %d records of %d; the %dth:\n%.600q\n%.600q", wholePath, name, got.err, len(got.lines), len(want), i, at(got.lines, i), at(want, i))
			}
			again, err := rewrite(b)
			if err != nil {
				t.Errorf("%s, %s: %v", wholePath, name, err)
			} else if second := read(t, again); !slices.Equal(second.lines, want) {
				t.Errorf("%s, %s: other records when it is written as pcapng and read again", wholePath, name)
			}
		}
		for name, b := range containers(1, list) {
			w := want.lines
			if strings.Contains(name, "2^-20") {
				w = read(t, b).lines // its times are others by up to a microsecond
				if len(w) != len(want.lines) {
					t.Errorf("%s, %s: %d records of %d", wholePath, name, len(w), len(want.lines))
				}
			}
			same(name, b, w)
		}
		each := func(f func(framed) []framed) []byte {
			var out []framed
			for _, p := range list {
				out = append(out, f(p)...)
			}
			return pcapOf(le, 0xa1b2c3d4, 1, time.Microsecond, out)
		}
		for link := range links(list[0].data) {
			var out []framed
			for _, f := range list {
				data := links(f.data)[link]
				out = append(out, framed{f.at, data, f.orig + len(data) - len(f.data)})
			}
			same(fmt.Sprintf("link type %d", link), pcapOf(be, 0xa1b2c3d4, uint32(link), time.Microsecond, out), want.lines)
		}
		for name := range tagged(list[0].data) {
			same(name, each(func(f framed) []framed {
				data := tagged(f.data)[name]
				return []framed{{f.at, data, f.orig + len(data) - len(f.data)}}
			}), want.lines)
		}
		for _, size := range []int{16, 200, 1480} {
			same("fragments", each(func(f framed) []framed {
				if f.data[12] != 8 || len(f.data) < f.orig {
					return []framed{f}
				}
				return inFragments(f, size)
			}), want.lines)
		}
		// Of IPv6 the addresses are others.
		var ports []string
		for _, l := range want.lines {
			ports = append(ports, strings.ReplaceAll(l, `"ip":"`, `"ip":"::ffff:`))
		}
		same("extension headers of IPv6", each(func(f framed) []framed {
			data := withExtensions(f.data)
			return []framed{{f.at, data, len(data)}}
		}), ports)
	}
}

// A Simple Packet Block has no time, and a file that is cut off anywhere is read up to
// there.
func TestUntimedAndCutFiles(t *testing.T) {
	list := framesOf(t, "../../internal/decode/redis/testdata/cli.pcap")
	want := read(t, pcapOf(le, 0xa1b2c3d4, 1, time.Microsecond, list))
	simple := append(section(le), iface(le, 1)...)
	for _, f := range list {
		simple = append(simple, block(le, 3, fields(le, uint32(f.orig)), f.data)...)
	}
	got := read(t, simple)
	got.identities(t)
	if got.err != nil || len(got.lines) != len(want.lines) {
		t.Errorf("simple packets: %d records of %d, %v", len(got.lines), len(want.lines), got.err)
	}
	for name, b := range containers(1, list[:20]) {
		for n := 1; n < len(b); n += 1 + n/50 {
			r := read(t, b[:n])
			r.identities(t)
		}
		if t.Failed() {
			t.Fatal(name)
		}
	}
}
