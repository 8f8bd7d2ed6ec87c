package stream_test

import (
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"io/fs"
	"net/netip"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"lodge/internal/decode"
	"lodge/internal/decode/captest"
)

var captures = flag.String("captures", "", "compare with tshark on the captures below this directory, instead of testdata")

// differences are where tshark's connections are others than ours.
var differences = map[string][]string{
	// Bytes that were acknowledged and not captured: tshark counts them only if it
	// sees more of the same side. All but one byte are missing; that is the FIN's.
	"miss_end_data.pcap":    {"stream 0 server: 0 bytes and 2902 missing, tshark 0 and 0"},
	"one-sided-2745.pcap":   {"stream 0 server: 0 bytes and 67 missing, tshark 0 and 0", "stream 1 server: 0 bytes and 52 missing, tshark 0 and 0"},
	"truncated-header.pcap": {"stream 0 client: 0 bytes and 477 missing, tshark 0 and 0", "stream 0 server: 0 bytes and 128 missing, tshark 0 and 0"},
	// Bytes that the capture cut off: tshark is silent about them.
	"retransmit-fast009.pcap": {"stream 0 client: 0 bytes and 474 missing, tshark 0 and 0", "stream 0 server: 0 bytes and 23783 missing, tshark 0 and 0"},
	// What was sent again has other bytes than before: we take the first ones, which
	// the receiver has taken, tshark the later ones.
	"reassembly.pcap": {"stream 0 client: other bytes from 13318 on"},
	// Bytes after the other side's RST: they are sent, and never accepted. We count
	// them as Counts.AfterEnd.
	"rst-inject-rae.pcap": {"stream 0 client: 25 bytes and 0 missing, tshark 175 and 0"},
	// A capture with random bits in headers. tshark ignores an acknowledgement that
	// is wrong by 3840 bytes and RSTs; here they cost what follows.
	"linux_sll_oversized_addr.pcapng": {
		"stream 0 client: 65 bytes and 3840 missing, tshark 247 and 26",
		"stream 0 server: 3883 bytes and 791 missing, tshark 4716 and 1516",
		"51218 → 21999: 39 and 833 bytes, not one of tshark's",
		"51218 → 21999: 273 and 0 bytes, not one of tshark's",
	},
}

var missing = regexp.MustCompile(`\[(\d+) bytes missing in capture file\]\x00?`)

// theirs returns the connections of a capture, as tshark follows them: at most n.
func theirs(t *testing.T, file string, n int) (all []*follower) {
	t.Helper()
	args := []string{"-q"}
	for k := range n {
		args = append(args, "-z", fmt.Sprintf("follow,tcp,raw,%d", k))
	}
	var f *follower
	for l := range strings.SplitSeq(string(captest.TsharkOutput(t, file, args...)), "\n") {
		switch {
		case strings.HasPrefix(l, "Node 0: "):
			f = nil
			if a := node(l); a.IsValid() { // else tshark has fewer
				f = &follower{client: a}
				all = append(all, f)
			}
		case f != nil && strings.HasPrefix(l, "Node 1: "):
			f.server = node(l)
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

// node returns the address of a line of tshark's. It is not valid where there is
// no such stream.
func node(l string) netip.AddrPort {
	a, _ := netip.ParseAddrPort(strings.TrimSpace(l[len("Node 0: "):]))
	return a
}

// TestTshark compares the bytes of each side with those that tshark follows.
func TestTshark(t *testing.T) {
	dir, known := "testdata", differences
	if *captures != "" {
		dir, known = *captures, nil
	}
	err := filepath.WalkDir(dir, func(file string, _ fs.DirEntry, err error) error {
		if ext := filepath.Ext(file); err != nil || ext != ".pcap" && ext != ".pcapng" {
			return err
		}
		t.Run(strings.TrimPrefix(file, dir+"/"), func(t *testing.T) {
			mine := tcpOnly(ours(t, file))
			got := compare(mine, theirs(t, file, len(mine)+2))
			if want := known[filepath.Base(file)]; !slices.Equal(got, want) {
				t.Errorf("differences\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
			}
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// compare returns the differences of our connections and tshark's, in the order
// of their begin.
func compare(ours, theirs []*follower) (all []string) {
	used := make([]bool, len(ours))
	for k, f := range theirs {
		i := slices.IndexFunc(ours, func(g *follower) bool {
			return !used[g.number] && (f.client == g.client && f.server == g.server || f.client == g.server && f.server == g.client)
		})
		if i < 0 {
			if n, m := len(f.sides[0].b), len(f.sides[1].b); n+m > 0 { // else it is only an end of one
				all = append(all, fmt.Sprintf("stream %d: %d and %d bytes, not one of ours", k, n, m))
			}
			continue
		}
		used[i] = true
		sides := ours[i].sides
		if f.client != ours[i].client {
			sides[0], sides[1] = sides[1], sides[0]
		}
		for s := range sides {
			x, y := sides[s], f.sides[s]
			switch {
			case len(x.b) != len(y.b) || x.missing != y.missing:
				all = append(all, fmt.Sprintf("stream %d %s: %d bytes and %d missing, tshark %d and %d", k, decode.Side(s), len(x.b), x.missing, len(y.b), y.missing))
			case !bytes.Equal(x.b, y.b):
				at := 0
				for x.b[at] == y.b[at] {
					at++
				}
				all = append(all, fmt.Sprintf("stream %d %s: other bytes from %d on", k, decode.Side(s), at))
			}
		}
	}
	for i, g := range ours {
		if !used[i] {
			all = append(all, fmt.Sprintf("%d → %d: %d and %d bytes, not one of tshark's", g.client.Port(), g.server.Port(), len(g.sides[0].b), len(g.sides[1].b)))
		}
	}
	return all
}
