package diag

import (
	"encoding/binary"
	"testing"

	"golang.org/x/sys/unix"
)

func TestParseInfo(t *testing.T) {
	var b [infoLen + 100]byte
	for i := range b {
		b[i] = byte(i)
	}
	u32 := func(at int) uint32 { return binary.NativeEndian.Uint32(b[at:]) }
	want := TCPInfo{
		IdleSend: u32(44), IdleReceive: u32(52), RTT: u32(68), RTTVar: u32(72), CongestionW: u32(80), Retransmits: u32(100),
		Sent: binary.NativeEndian.Uint64(b[120:]), Received: binary.NativeEndian.Uint64(b[128:]),
	}
	if got := parseInfo(b[:]); got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	// Linux 3.x has a shorter one.
	want.Sent, want.Received = 0, 0
	if got := parseInfo(b[:104]); got != want {
		t.Errorf("old: got %+v", got)
	}
	if got := parseInfo(nil); got != (TCPInfo{}) {
		t.Errorf("empty: got %+v", got)
	}
}

// The attributes of a TCP socket with INET_DIAG_INFO before those that every
// socket has.
func TestParseRecordWithInfo(t *testing.T) {
	b := fromHex(t, tcp4Bytes)[HeaderLen:]
	info := make([]byte, attrLen+infoLen)
	binary.NativeEndian.PutUint16(info, uint16(len(info)))
	binary.NativeEndian.PutUint16(info[2:], attrInfo)
	binary.NativeEndian.PutUint32(info[attrLen+68:], 1234)
	b = append(append(b[:diagLen:diagLen], info...), b[diagLen:]...)
	var r Record
	var got TCPInfo
	if err := parseRecord(b, &r, &got); err != nil {
		t.Fatal(err)
	}
	if got.RTT != 1234 || r.Cgroup != 1 || r.Inode != 0x30f4 || r.Flags != FlagUID {
		t.Errorf("got %+v, %+v", r, got)
	}
}

func TestStateNames(t *testing.T) {
	for _, c := range []struct {
		proto, state uint8
		port         uint16
		want         string
	}{
		{ProtoTCP, 1, 1, "established"}, {ProtoUDP, 1, 1, "connected"}, {ProtoUnix, 1, 0, "connected"},
		{ProtoTCP, 2, 1, "syn_sent"}, {ProtoTCP, 3, 1, "syn_recv"}, {ProtoTCP, 12, 1, "syn_recv"},
		{ProtoTCP, 4, 1, "fin_wait_1"}, {ProtoTCP, 5, 1, "fin_wait_2"}, {ProtoTCP, 6, 1, "time_wait"},
		{ProtoTCP, 7, 1, "bound"}, {ProtoUDP, 7, 1, "bound"}, {ProtoUnix, 7, 1, "bound"}, {ProtoUnix, 7, 0, "close"},
		{ProtoTCP, 8, 1, "close_wait"}, {ProtoTCP, 9, 1, "last_ack"}, {ProtoTCP, 10, 1, "listen"}, {ProtoTCP, 11, 1, "closing"},
		{ProtoTCP, 99, 1, "unknown"},
	} {
		r := Record{Proto: c.proto, State: c.state, LocalPort: c.port}
		if got := r.StateName(); got != c.want {
			t.Errorf("%d %d %d: %s, want %s", c.proto, c.state, c.port, got, c.want)
		}
	}
}

func FuzzParseInfo(f *testing.F) {
	f.Add(fromHex(f, tcp4Bytes))
	f.Fuzz(func(t *testing.T, b []byte) {
		var r Record
		var info TCPInfo
		if parseRecord(b, &r, &info) == nil && r.Family != unix.AF_INET && r.Family != unix.AF_INET6 {
			t.Errorf("family %d", r.Family)
		}
	})
}
