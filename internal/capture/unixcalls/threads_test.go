package unixcalls

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"
)

// call returns the records of a whole call: its bytes, and its end at a position.
func (w written) call(text string, position uint64) (data, done written) {
	data, done = w, w
	data.kind, data.flags, data.text = kindData, flagFirst, text
	done.kind, done.offset, done.sent, done.copied = kindDone, position, uint64(len(text)), uint64(len(text))
	return data, done
}

// Threads that send by one socket at once: what is over first is not what was entered
// first, and nothing is missing.
func TestThreadsAtOnce(t *testing.T) {
	one := written{tid: 1, entered: 10, id: 10, peer: 20}
	two := written{tid: 2, entered: 11, id: 10, peer: 20}
	three := written{tid: 3, entered: 12, id: 10, peer: 20}
	a1, a2 := one.call("one", 8)
	b1, b2 := two.call("two", 5)
	c1, c2 := three.call("three", 0)
	l, a := run(t, []written{
		{kind: kindSocket, tid: 1, id: 10, peer: 20, flags: flagClient, text: "/x"},
		a1, b1, c1, c2, b2, a2,
	})
	check(t, l, `c1 open "/x" client known true midstream true`, `c1 client "one"`, `c1 client "two"`, `c1 client "three"`)
	// One that is behind a loss, whose end was before that of one that is entered later.
	next := func(w written, text string, position uint64) {
		t.Helper()
		for i, r := range []written{w, w} {
			d, e := r.call(text, position)
			if i == 1 {
				d = e
			}
			if err := a.Record(begin.Add(time.Second), d.bytes(w.entered+5)); err != nil {
				t.Fatal(err)
			}
		}
	}
	l.lines = nil
	next(written{tid: 1, entered: 2000, id: 10, peer: 20}, "four", 18)
	next(written{tid: 1, entered: 3000, id: 10, peer: 20}, "five", 22)
	check(t, l, `c1 client "four" after 7`, `c1 client "five"`)
	a.Close()
	if c := a.Counts(); c != (Counts{Calls: 5, Bytes: 19}) || a.held != 0 {
		t.Errorf("%+v, %d bytes are held", c, a.held)
	}
}

// A hole that a call was waited for which then turns out to have sent nothing.
func TestHoleThatStays(t *testing.T) {
	slow := written{tid: 1, entered: 10, id: 10, peer: 20}
	fast := written{tid: 2, entered: 5, id: 10, peer: 20}
	s1, s2 := slow.call("void", 0)
	s2.sent, s2.copied = 0, 0
	f1, f2 := fast.call("fast", 100)
	l, a := run(t, []written{{kind: kindSocket, tid: 1, id: 10, peer: 20, flags: flagClient, text: "/x"}, s1, f1, f2, s2})
	a.Close()
	check(t, l, `c1 open "/x" client known true midstream true`, `c1 client "fast"`, `c1 client "" after 100`,
		`c1 client ends false after 0`, `c1 server ends false after 0`)
}

// Calls whose ends are lost, of threads that make no other call: neither their bytes nor
// their connections stay.
func TestEndsAreLost(t *testing.T) {
	l := &log{names: map[*Conn]string{nil: "-"}}
	a := New(l)
	at, now := begin, uint64(1000)
	take := func(w written) {
		t.Helper()
		now += 1000
		at = at.Add(time.Microsecond)
		if w.entered == 0 {
			w.entered = now
		}
		if err := a.Record(at, w.bytes(now)); err != nil {
			t.Fatal(err)
		}
	}
	big := strings.Repeat("x", 1<<16)
	const threads = 2 * maxHeld >> 16
	for i := range uint32(threads) {
		id := uint64(100 + 2*i)
		take(written{kind: kindSocket, tid: 10 + i, id: id, peer: id + 1, flags: flagClient, text: "/x", inode: 10 + i})
		take(written{kind: kindData, tid: 10 + i, id: id, peer: id + 1, flags: flagFirst, text: big})
		if i%100 == 99 {
			// Something comes behind them on some, and the sockets of the others are closed.
			data, done := written{tid: 5, entered: now + 5, id: id + 1, peer: id}.call("answer", 0)
			take(data)
			take(done)
			at = at.Add(10 * time.Second)
			now += 10e9
			a.Expire(at)
			a.Gone(at, nil)
			a.Expire(at.Add(time.Minute))
		}
	}
	at = at.Add(10 * time.Second)
	a.Gone(at, nil)
	a.Expire(at)
	if c := a.Counts(); a.held != 0 || len(a.threads)+a.open.Len()+len(a.sockets) != 0 || c.Unread != 0 || c.Calls != threads/100 {
		t.Errorf("%d bytes, %d threads, %d connections, %d sockets, %+v", a.held, len(a.threads), a.open.Len(), len(a.sockets), c)
	}
}

// A sender that is waited for does not keep any number of others.
func TestManyWait(t *testing.T) {
	records := []written{
		{kind: kindSocket, tid: 1, id: 10, peer: 20, flags: flagClient, text: "/x"},
		{kind: kindData, tid: 1, entered: 2, id: 10, peer: 20, flags: flagFirst, text: "request"},
	}
	for i := range maxWaiting + 10 {
		data, done := written{tid: 2, entered: uint64(3 + i), id: 20, peer: 10}.call("no", uint64(2*i))
		records = append(records, data, done)
	}
	l, a := run(t, records)
	if len(l.lines) != 1+1+maxWaiting+10 || l.lines[1] != `c1 client "request"` {
		t.Errorf("%d lines", len(l.lines))
	}
	a.Close()
}

// A socket whose other end has become another one, and one of which more is told after
// its connection was forgotten: nothing is missing.
func TestForgotten(t *testing.T) {
	send := func(peer, position uint64) []written {
		d, e := written{tid: 1, entered: position + 1, id: 10, peer: peer}.call("text", position)
		return []written{d, e}
	}
	records := []written{{kind: kindSocket, tid: 1, id: 10, peer: 20, flags: flagClient, text: "/x"}}
	for i := range uint64(3) {
		records = append(records, send(20, 4*i)...)
	}
	for i := range uint64(3) {
		records = append(records, send(21, 12+4*i)...)
	}
	l, a := run(t, records)
	check(t, l, `c1 open "/x" client known true midstream true`, `c1 client "text"`, `c1 client "text"`, `c1 client "text"`,
		`c1 client ends false after 0`, `c1 server ends false after 0`,
		`c2 open "/x" client known true midstream true`, `c2 client "text"`, `c2 client "text"`, `c2 client "text"`)
	for i := range uint64(maxOpen) {
		id := 100 + 2*i
		d, e := written{tid: 2, entered: 100 + i, id: id, peer: id + 1}.call("x", 0)
		for _, w := range []written{d, e} {
			if err := a.Record(begin.Add(time.Second), w.bytes(5000)); err != nil {
				t.Fatal(err)
			}
		}
	}
	l.lines = nil
	for _, w := range send(21, 24) {
		if err := a.Record(begin.Add(time.Second), w.bytes(5000)); err != nil {
			t.Fatal(err)
		}
	}
	if text := strings.Join(l.lines, "\n"); a.Counts().Evicted != 2 || !strings.HasSuffix(text, `client "text"`) {
		t.Errorf("%d evicted, %s", a.Counts().Evicted, text)
	}
	a.Close()
}

// Datagrams: threads that send by one socket to different paths, one that is connected
// anew, and those that nothing takes.
func TestDatagrams(t *testing.T) {
	const datagram = uint8(Datagram)
	to := func(tid uint32, entered uint64, path string) written {
		return written{kind: kindSocket, tid: tid, entered: entered, id: 10, flags: flagDestination, text: path, socketType: datagram}
	}
	a1, a2 := written{tid: 1, entered: 1, id: 10, socketType: datagram}.call("to a", 0)
	b1, b2 := written{tid: 2, entered: 2, id: 10, socketType: datagram}.call("to b", 4)
	c1, c2 := written{tid: 1, entered: 5, id: 10, socketType: datagram}.call("lost", 0)
	c2.sent, c2.copied, c2.errno = 0, 0, uint32(syscall.ENOENT)
	connected := func(peer uint64, path string) written {
		return written{kind: kindSocket, tid: 1, id: 10, peer: peer, flags: flagClient, text: path, socketType: datagram}
	}
	d1, d2 := written{tid: 1, entered: 8, id: 10, peer: 30, socketType: datagram}.call("to c", 8)
	e1, e2 := written{tid: 1, entered: 9, id: 10, peer: 40, socketType: datagram}.call("to d", 12)
	l, a := run(t, []written{
		to(1, 1, "/a"), to(2, 2, "/b"), a1, b1, b2, a2, to(1, 5, "/none"), c1, c2, connected(30, "/c"), d1, d2, connected(40, "/d"), e1, e2,
		{kind: kindConnecting, tid: 1, entered: 20, id: 10, text: "/dev/log", socketType: datagram},
		{kind: kindConnected, tid: 1, entered: 20, id: 10, errno: uint32(syscall.ENOENT), socketType: datagram},
		{kind: kindConnecting, tid: 1, entered: 21, id: 10, text: "/c", socketType: datagram},
		{kind: kindConnected, tid: 1, entered: 21, id: 10, peer: 30, socketType: datagram},
	})
	want := []string{
		`c1 open "/a" client known true midstream true`, `c2 open "/b" client known true midstream true`, `c2 client "to b"`, `c1 client "to a"`,
		`c3 open "/none" client known true midstream true`, `- refused /none no such file or directory by 1001`,
		`c4 open "/c" client known true midstream true`, `c4 client "to c"`, `c5 open "/d" client known true midstream true`, `c5 client "to d"`,
		`- refused /dev/log no such file or directory by 1001`,
	}
	check(t, l, want...)
	if len(a.to) != 0 {
		t.Errorf("%d destinations are kept", len(a.to))
	}
	a.Close()
}

// A connection that waits for its listener to accept others, and one that is not waited
// for.
func TestListenerIsFull(t *testing.T) {
	l, a := run(t, []written{
		{kind: kindConnecting, tid: 1, entered: 1, id: 10, text: "/full\x00"},
		{kind: kindConnected, tid: 1, entered: 1, id: 10, errno: uint32(syscall.EAGAIN)},
		{kind: kindConnecting, tid: 1, entered: 2, id: 10, text: "/waits\x00"},
		{kind: kindConnecting, tid: 2, entered: 3, id: 11, text: "/made\x00"},
		{kind: kindConnected, tid: 2, entered: 3, id: 11, peer: 12},
	})
	a.Expire(begin.Add(time.Minute))
	a.Close()
	check(t, l, `- refused /full resource temporarily unavailable by 1001`, `c1 open "/made" client known true midstream false`,
		`c1 client ends false after 0`, `c1 server ends false after 0`, fmt.Sprintf(`- refused /waits %v by 1001`, syscall.EINPROGRESS))
}

// The socket of a connection that comes from another network namespace is not looked for
// in that of the tap.
func TestForeign(t *testing.T) {
	l, a := run(t, []written{
		{kind: kindConnecting, tid: 1, entered: 1, id: 10, text: "/x\x00"},
		{kind: kindConnected, tid: 1, entered: 1, id: 10, peer: 20, inode: 5, flags: flagForeign},
	})
	a.Gone(begin.Add(time.Minute), nil)
	check(t, l, `c1 open "/x" client known true midstream false`)
	a.Close()
}

// A call that was handed over before it was over, of a connection that has ended: nothing of
// it stays.
func TestEarlyAndGone(t *testing.T) {
	data := written{kind: kindData, tid: 1, entered: 2, id: 10, peer: 20, flags: flagFirst, text: "request"}
	answer, done := written{tid: 2, entered: 3, id: 20, peer: 10}.call("no", 0)
	l, a := run(t, []written{{kind: kindSocket, tid: 1, id: 10, peer: 20, flags: flagClient, text: "/x"}, data, answer, done})
	a.Expire(begin.Add(time.Minute))
	data.offset, data.text, data.flags = 7, " goes on", 0
	if err := a.Record(begin.Add(time.Minute), data.bytes(2000)); err != nil || a.held != 8 {
		t.Fatal(err, a.held)
	}
	other, done := written{tid: 3, entered: 4, id: 10, peer: 30}.call("x", 0) // another end
	for _, w := range []written{other, done} {
		if err := a.Record(begin.Add(time.Minute), w.bytes(3000)); err != nil {
			t.Fatal(err)
		}
	}
	a.Expire(begin.Add(time.Hour))
	if a.held != 0 || len(a.threads) != 0 {
		t.Errorf("%d bytes, %d threads, %q", a.held, len(a.threads), l.lines)
	}
	a.Close()
}
