package stream_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"lodge/internal/capture/packet"
	"lodge/internal/capture/pcapfile"
	"lodge/internal/capture/stream"
	"lodge/internal/decode"
	"lodge/internal/decode/captest"
)

var captures = flag.String("captures", "", "compare with tshark also on the captures below this directory")

// side is what one side of a connection sent: missing bytes are counted.
type side struct {
	b       []byte
	missing int64
}

// follower is one TCP connection, as this package or tshark puts it together.
type follower struct {
	client, server netip.AddrPort
	sides          [2]side
}

func (f *follower) Data(s decode.Side, _ time.Time, b []byte) {
	f.sides[s].b = append(f.sides[s].b, b...)
}
func (f *follower) Gap(s decode.Side, _ time.Time, n int64) { f.sides[s].missing += max(0, n) }
func (f *follower) End(decode.Side, time.Time, decode.End)  {}

// ours returns the connections of a capture, as this package has them.
func ours(t *testing.T, file string) (all []*follower, counts stream.Counts) {
	t.Helper()
	in, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	r, err := pcapfile.Open(in)
	if err != nil {
		t.Skip(err)
	}
	table := stream.New(stream.Options{}, func(o stream.Opened) stream.Conn {
		if o.Key.Protocol != packet.TCP {
			return nil
		}
		f := &follower{client: o.Key.Src, server: o.Key.Dst}
		all = append(all, f)
		return f
	})
	var p packet.Packet
	for {
		rec, err := r.Next()
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			break
		}
		if err != nil {
			t.Skip(err)
		}
		if packet.Parse(packet.LinkType(rec.LinkType), rec.Data, int(rec.OrigLen), &p) != nil {
			continue
		}
		p.Time = rec.Time
		table.Expire(p.Time)
		table.Packet(&p)
	}
	table.Flush()
	return all, table.Counts()
}

var missing = regexp.MustCompile(`\[(\d+) bytes missing in capture file\]\x00?`)

// theirs returns the connections of a capture, as tshark follows them.
func theirs(t *testing.T, file string) (all []*follower) {
	t.Helper()
	n := -1
	for _, l := range captest.Tshark(t, file, "-T", "fields", "-e", "tcp.stream") {
		for _, v := range strings.Split(l[0], ",") {
			if k, err := strconv.Atoi(v); err == nil {
				n = max(n, k)
			}
		}
	}
	if n < 0 {
		return nil
	}
	args := []string{"-q"}
	for k := range n + 1 {
		args = append(args, "-z", fmt.Sprintf("follow,tcp,raw,%d", k))
	}
	var f *follower
	for _, l := range strings.Split(string(captest.TsharkOutput(t, file, args...)), "\n") {
		switch {
		case strings.HasPrefix(l, "Node 0: "):
			f = &follower{client: netip.MustParseAddrPort(node(l))}
			all = append(all, f)
		case strings.HasPrefix(l, "Node 1: "):
			f.server = netip.MustParseAddrPort(node(l))
		case f != nil && l != "" && strings.Trim(l, "\t0123456789abcdef") == "":
			s := decode.Client
			if l[0] == '\t' {
				s = decode.Server
			}
			b, err := hex.DecodeString(strings.TrimSpace(l))
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range missing.FindAllSubmatch(b, -1) {
				n, _ := strconv.ParseInt(string(m[1]), 10, 64)
				f.sides[s].missing += n
			}
			f.sides[s].b = append(f.sides[s].b, missing.ReplaceAll(b, nil)...)
		}
	}
	return all
}

// node returns the address of a line of tshark's. IPv6 has no brackets there.
func node(l string) string {
	a := strings.TrimSpace(l[len("Node 0: "):])
	if i := strings.LastIndexByte(a, ':'); strings.Count(a, ":") > 1 && a[0] != '[' {
		a = "[" + a[:i] + "]" + a[i:]
	}
	return a
}

func TestTshark(t *testing.T) {
	var files []string
	if *captures != "" {
		filepath.WalkDir(*captures, func(path string, d fs.DirEntry, err error) error {
			if ext := filepath.Ext(path); ext == ".pcap" || ext == ".pcapng" {
				files = append(files, path)
			}
			return nil
		})
	}
	for _, file := range files {
		t.Run(strings.TrimPrefix(file, *captures), func(t *testing.T) {
			a, c := ours(t, file)
			b := theirs(t, file)
			used := map[int]bool{}
			for k, f := range b {
				found := false
				for i, g := range a {
					if used[i] || !(f.client == g.client && f.server == g.server || f.client == g.server && f.server == g.client) {
						continue
					}
					used[i], found = true, true
					sides := g.sides
					if f.client != g.client {
						sides[0], sides[1] = sides[1], sides[0]
					}
					for s := range sides {
						x, y := sides[s], f.sides[s]
						if !bytes.Equal(x.b, y.b) || x.missing != y.missing {
							at := 0
							for at < len(x.b) && at < len(y.b) && x.b[at] == y.b[at] {
								at++
							}
							t.Errorf("stream %d %s %v: %d bytes and %d missing, tshark %d and %d; equal up to %d", k, decode.Side(s), f.client, len(x.b), x.missing, len(y.b), y.missing, at)
						}
					}
					break
				}
				if !found && len(f.sides[0].b)+len(f.sides[1].b) > 0 {
					t.Errorf("stream %d of tshark's, %v → %v, %d and %d bytes, is missing", k, f.client, f.server, len(f.sides[0].b), len(f.sides[1].b))
				}
			}
			for i, g := range a {
				if !used[i] {
					t.Errorf("connection %v → %v, %d and %d bytes, is not tshark's", g.client, g.server, len(g.sides[0].b), len(g.sides[1].b))
				}
			}
			if t.Failed() {
				t.Logf("%+v", c)
			}
		})
	}
}
