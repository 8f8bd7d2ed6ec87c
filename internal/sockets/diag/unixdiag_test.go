package diag

import (
	"encoding/hex"
	"testing"

	"golang.org/x/sys/unix"
)

// What Linux 6.18 wrote on a little-endian machine, after the netlink header.
const (
	// A connected stream socket, accepted from the path /run/x.
	unixStreamBytes = "01010100" + "c8320100" + "0a00000001000000" +
		"0b000000" + "2f72756e2f7800" + "00" + // UNIX_DIAG_NAME
		"08000200" + "c7320100" + // UNIX_DIAG_PEER
		"0c000400" + "0500000007000000" + // UNIX_DIAG_RQLEN
		"05000600" + "00000000" + // UNIX_DIAG_SHUTDOWN
		"08000700" + "e8030000" // UNIX_DIAG_UID
	// A datagram socket with the abstract name \0a\0b.
	unixAbstractBytes = "01020700" + "01000000" + "ffffffff00000000" + "08000000" + "00610062"
)

func TestParseUnix(t *testing.T) {
	for _, c := range []struct {
		name, hex string
		rec       Record
		info      UnixInfo
		bad       bool
	}{
		{"stream", unixStreamBytes,
			Record{Proto: ProtoUnix, Family: unix.AF_UNIX, State: 1, Inode: 0x132c8, Cookie: 0x10000000a, LocalPort: 1, RQueue: 5, WQueue: 7, UID: 1000, Flags: FlagUID},
			UnixInfo{Path: "/run/x", Kind: "stream", Peer: 0x132c7}, false},
		{"abstract", unixAbstractBytes,
			Record{Proto: ProtoUnix, Family: unix.AF_UNIX, State: 7, Inode: 1, Cookie: 0xffffffff, LocalPort: 1},
			UnixInfo{Path: "@a@b", Kind: "datagram"}, false},
		{"short", unixStreamBytes[:30], Record{}, UnixInfo{}, true},
		{"attribute too long", unixStreamBytes[:32] + "ff000000", Record{}, UnixInfo{}, true},
	} {
		var r Record
		var info UnixInfo
		err := parseUnix(fromHex(t, c.hex), &r, &info)
		if (err != nil) != c.bad {
			t.Errorf("%s: %v", c.name, err)
		}
		if err == nil && (r != c.rec || info != c.info) {
			t.Errorf("%s: got %+v %+v", c.name, r, info)
		}
	}
}

func TestUnixQuestion(t *testing.T) {
	want := "2800000014000103" + "0000000000000000" + "01000000" + "82040000" + "00000000" + "55000000" + "0000000000000000"
	if got := hex.EncodeToString(unixQuestion(1<<1 | 1<<7 | 1<<10)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func FuzzParseUnix(f *testing.F) {
	f.Add(fromHex(f, unixStreamBytes))
	f.Add(fromHex(f, unixAbstractBytes))
	f.Fuzz(func(t *testing.T, b []byte) {
		var r Record
		var info UnixInfo
		if parseUnix(b, &r, &info) == nil && info.Path != "" && r.LocalPort != 1 {
			t.Errorf("name %q of %+v", info.Path, r)
		}
	})
}
