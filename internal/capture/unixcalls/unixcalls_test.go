package unixcalls

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"lodge/internal/decode"
)

// log is a sink that writes down what it gets.
type log struct {
	lines []string
	names map[*Conn]string
	pids  [][2]uint32 // that each socket knows of its peer, by connection
}

func (l *log) add(c *Conn, format string, args ...any) {
	l.lines = append(l.lines, l.names[c]+" "+fmt.Sprintf(format, args...))
}

func (l *log) Open(c *Conn) {
	l.names[c] = fmt.Sprint("c", len(l.names))
	l.add(c, "open %q client known %v midstream %v", c.Path, c.ClientKnown, c.Midstream)
	l.pids = append(l.pids, [2]uint32{c.ClientPID, c.PeerPID})
}

func (l *log) Data(c *Conn, s decode.Side, p Piece) {
	text := fmt.Sprintf("%s %q", s, p.Data)
	if p.Missing > 0 {
		text += fmt.Sprintf(" after %d", p.Missing)
	}
	if p.Descriptors > 0 {
		text += fmt.Sprintf(" with %d", p.Descriptors)
	}
	l.add(c, "%s", text)
}

func (l *log) End(c *Conn, s decode.Side, _ time.Time, missing int64, how decode.End) {
	l.add(c, "%s ends %v after %d", s, how == decode.Closed, missing)
}

func (l *log) Refused(a Attempt) {
	l.add(nil, "refused %s %v by %d", a.Path, syscall.Errno(a.Errno), a.Process.PID)
}

// written is a record as the programs write it.
type written struct {
	kind                      kind
	tid                       uint32
	entered, id, peer         uint64
	offset, sent, copied      uint64
	flags, outcome            uint8
	inode, peerInode, peerPID uint32
	descriptors, errno        uint32
	socketType                uint8
	text                      string
}

var begin = time.Unix(1000, 0)

func (w written) bytes(now uint64) []byte {
	b := make([]byte, RecordSize, RecordSize+len(w.text))
	ne := binary.NativeEndian
	for i, v := range []uint64{now, w.entered, w.id, w.peer, w.offset, w.sent, w.copied, 7} {
		ne.PutUint64(b[8*i:], v)
	}
	pid := w.tid + 1000
	if w.kind == kindDone && w.sent == 0 {
		pid = 0 // as in a record of a call that has sent nothing
	}
	for i, v := range []uint32{pid, w.tid, 0, w.peerPID, w.inode, w.peerInode, w.descriptors, uint32(len(w.text))} {
		ne.PutUint32(b[80+4*i:], v)
	}
	if w.socketType == 0 {
		w.socketType = uint8(Stream)
	}
	b[112], b[113], b[114], b[115] = byte(w.kind), w.flags, w.socketType, w.outcome
	ne.PutUint32(b[116:], w.errno)
	copy(b[120:], "program")
	return append(b, w.text...)
}

func run(t *testing.T, records []written) (*log, *Assembler) {
	t.Helper()
	l := &log{names: map[*Conn]string{nil: "-"}}
	a := New(l)
	for i, w := range records {
		if err := a.Record(begin.Add(time.Duration(i)*time.Millisecond), w.bytes(uint64(1000+i))); err != nil {
			t.Fatal(err)
		}
	}
	return l, a
}

func check(t *testing.T, l *log, want ...string) {
	t.Helper()
	if !slices.Equal(l.lines, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(l.lines, "\n"), strings.Join(want, "\n"))
	}
}

// An answer that is sent before the request's call is over waits for it.
func TestOrder(t *testing.T) {
	l, a := run(t, []written{
		{kind: kindConnecting, tid: 1, entered: 1, id: 10, text: "/run/x\x00"},
		{kind: kindConnected, tid: 1, entered: 1, id: 10, peer: 20, inode: 5, peerPID: 99},
		{kind: kindData, tid: 1, entered: 2, id: 10, peer: 20, flags: flagFirst, text: "ask"},
		{kind: kindData, tid: 2, entered: 3, id: 20, peer: 10, flags: flagFirst, text: "answer", descriptors: 2},
		{kind: kindDone, tid: 2, entered: 3, id: 20, peer: 10, sent: 6, copied: 6},
		{kind: kindData, tid: 1, entered: 2, id: 10, peer: 20, offset: 3, text: " more"},
		{kind: kindDone, tid: 1, entered: 2, id: 10, peer: 20, sent: 5, copied: 5},
		{kind: kindShutdown, tid: 1, entered: 4, id: 10, peer: 20, sent: syscall.SHUT_WR},
	})
	a.Close()
	check(t, l,
		`c1 open "/run/x" client known true midstream false`,
		`c1 client "ask m"`, `c1 server "answer" with 2`, `c1 client ends true after 0`, `c1 server ends false after 0`)
	if c := a.Counts(); c != (Counts{Calls: 2, Bytes: 11}) || len(a.sockets)+len(a.threads)+a.open.Len()+a.held != 0 {
		t.Errorf("%+v, %d sockets, %d bytes", c, len(a.sockets), a.held)
	}
}

// Each kind of loss is a gap of the right size.
func TestGaps(t *testing.T) {
	l, a := run(t, []written{
		{kind: kindSocket, tid: 1, id: 10, peer: 20, flags: flagClient, text: "\x00name"},
		// Not all was copied.
		{kind: kindData, tid: 1, entered: 2, id: 10, peer: 20, flags: flagFirst, text: "one"},
		{kind: kindDone, tid: 1, entered: 2, id: 10, peer: 20, sent: 13, copied: 3, outcome: 4},
		// A call of which nothing is told.
		{kind: kindData, tid: 1, entered: 4, id: 10, peer: 20, flags: flagFirst, text: "two"},
		{kind: kindDone, tid: 1, entered: 4, id: 10, peer: 20, offset: 18, sent: 3, copied: 3},
		// One that the kernel sends.
		{kind: kindSkipped, tid: 1, entered: 5, id: 10, peer: 20, offset: 21, sent: 100, outcome: 5},
		// The end of a call is lost.
		{kind: kindData, tid: 1, entered: 6, id: 10, peer: 20, flags: flagFirst, text: "lost"},
		{kind: kindData, tid: 1, entered: 7, id: 10, peer: 20, flags: flagFirst, text: "void"},
		{kind: kindDone, tid: 1, entered: 7, id: 10, peer: 20},
		{kind: kindData, tid: 1, entered: 8, id: 10, peer: 20, flags: flagFirst, text: "three"},
		{kind: kindDone, tid: 1, entered: 8, id: 10, peer: 20, offset: 125, sent: 3, copied: 3},
		{kind: kindSkipped, tid: 1, entered: 9, id: 10, peer: 20, offset: 128, sent: 7, outcome: 5},
	})
	a.Close()
	check(t, l, `c1 open "@name" client known true midstream true`, `c1 client "one"`, `c1 client "" after 10`,
		`c1 client "two" after 5`, `c1 client "" after 100`, `c1 client "thr" after 4`, `c1 client "" after 7`, `c1 client ends false after 0`, `c1 server ends false after 0`)
	if c := a.Counts(); c.Calls != 2 || c.Bytes != 9 {
		t.Errorf("%+v", c)
	}
}

// A sender that waits for a reader that has answered already.
func TestEarlyAnswer(t *testing.T) {
	l, a := run(t, []written{
		{kind: kindSocket, tid: 1, id: 10, peer: 20, flags: flagClient, text: "/x"},
		{kind: kindData, tid: 1, entered: 2, id: 10, peer: 20, flags: flagFirst, text: "request"},
		{kind: kindData, tid: 2, entered: 3, id: 20, peer: 10, flags: flagFirst, text: "no"},
		{kind: kindDone, tid: 2, entered: 3, id: 20, peer: 10, sent: 2, copied: 2},
	})
	a.Expire(begin.Add(time.Second))
	if len(l.lines) != 1 {
		t.Fatal(l.lines)
	}
	a.Expire(begin.Add(time.Minute))
	end := written{kind: kindDone, tid: 1, entered: 2, id: 10, peer: 20, sent: 5, copied: 5}
	if err := a.Record(begin.Add(time.Minute), end.bytes(2000)); err != nil {
		t.Fatal(err)
	}
	check(t, l, `c1 open "/x" client known true midstream true`, `c1 client "request"`, `c1 server "no"`)
	if c := a.Counts(); c.Unsure != 2 || a.held != 0 {
		t.Errorf("%+v, %d bytes are held", c, a.held)
	}
}

// Connections that were not made, and those that were closed.
func TestEnds(t *testing.T) {
	l, a := run(t, []written{
		{kind: kindConnecting, tid: 1, entered: 1, id: 10, text: "/none\x00"},
		{kind: kindConnected, tid: 1, entered: 1, id: 10, errno: uint32(syscall.ENOENT)},
		{kind: kindConnecting, tid: 1, entered: 2, id: 10, text: "/full\x00"},
		{kind: kindConnected, tid: 1, entered: 2, id: 10, errno: uint32(syscall.EAGAIN)},
		{kind: kindSocket, tid: 1, id: 30, peer: 40, flags: flagServer, text: "/x", inode: 3, peerInode: 4},
		{kind: kindData, tid: 1, entered: 5, id: 30, peer: 40, flags: flagFirst, text: "welcome"},
		{kind: kindDone, tid: 1, entered: 5, id: 30, peer: 40, sent: 7, copied: 7},
	})
	a.Gone(begin, map[uint32]bool{}) // older than what was sent
	a.Gone(begin.Add(time.Minute), map[uint32]bool{3: true, 4: true})
	check(t, l, `- refused /none no such file or directory by 1001`, `- refused /full resource temporarily unavailable by 1001`, `c1 open "/x" client known true midstream true`, `c1 server "welcome"`)
	a.Gone(begin.Add(time.Minute), map[uint32]bool{3: true})
	a.Gone(begin.Add(time.Minute), map[uint32]bool{})
	check(t, l, `- refused /none no such file or directory by 1001`, `- refused /full resource temporarily unavailable by 1001`, `c1 open "/x" client known true midstream true`, `c1 server "welcome"`,
		`c1 client ends true after 0`, `c1 server ends true after 0`)
	if a.Open() {
		t.Error("a connection is open that is over")
	}
}

// Whatever stands in a ring costs bounded memory and never fails otherwise than by an
// error.
func FuzzRecord(f *testing.F) {
	f.Add(written{kind: kindData, tid: 1, entered: 2, id: 10, peer: 20, flags: flagFirst, text: "x"}.bytes(5))
	f.Add(written{kind: kindDone, tid: 1, entered: 2, id: 10, peer: 20, sent: 1 << 63, copied: 1 << 62}.bytes(5))
	f.Fuzz(func(t *testing.T, b []byte) {
		a := New(&log{names: map[*Conn]string{}})
		for len(b) > 0 {
			n := min(len(b), RecordSize+int(b[0]))
			_ = a.Record(begin, b[:n]) // an error is one way to end
			b = b[n:]
		}
		a.Expire(begin.Add(time.Hour))
		a.Gone(begin.Add(time.Hour), nil)
		a.Close()
		if a.held != 0 || a.open.Len() != 0 {
			t.Errorf("%d bytes and %d connections are left", a.held, a.open.Len())
		}
	})
}

// Paths as programs give them.
func TestPaths(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "/run/x\x00": "/run/x", "/run/x": "/run/x", "/a\xff\xfe\x80": "/a\ufffd", "\x00name": "@name", "\x00": "@",
		"\x00in\x00side\x00\x00\x00": "@in@side", "/\x1b[31m\n": "/\x1b[31m\n",
	} {
		var r record
		if err := r.parse(begin, written{kind: kindSocket, text: in}.bytes(1)); err != nil {
			t.Fatal(err)
		}
		if got := r.path(); got != want {
			t.Errorf("%q is %q, want %q", in, got, want)
		}
	}
}

// Either socket knows which process is at the other end, also in the middle of a connection.
func TestPeers(t *testing.T) {
	l, _ := run(t, []written{
		{kind: kindSocket, tid: 1, id: 10, peer: 20, flags: flagServer, text: "/x", peerPID: 7},
		{kind: kindData, tid: 1, entered: 2, id: 10, peer: 20, flags: flagFirst, text: "answer"},
		{kind: kindSocket, tid: 2, id: 30, peer: 40, flags: flagClient, text: "/x", peerPID: 8},
		{kind: kindData, tid: 2, entered: 3, id: 30, peer: 40, flags: flagFirst, text: "request"},
	})
	if want := [][2]uint32{{7, 0}, {0, 8}}; !slices.Equal(l.pids, want) {
		t.Errorf("%v, want %v", l.pids, want)
	}
}
