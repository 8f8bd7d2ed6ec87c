package seccomphome

import (
	"testing"

	"golang.org/x/sys/unix"

	"lodge/internal/home/seccomphome/unotify"
)

// TestLostAnswers: an answer that was not taken is given once to the same call of
// the same thread on the same socket, and their number is bounded.
func TestLostAnswers(t *testing.T) {
	var lost lostAnswers
	key := lostKey{7, unix.SYS_CONNECT, 1}
	if _, ok := lost.take(key); ok {
		t.Fatal("an answer from nowhere")
	}
	lost.keep(key, unotify.Fail(unix.EISCONN))
	for _, other := range []lostKey{{8, unix.SYS_CONNECT, 1}, {7, unix.SYS_BIND, 1}, {7, unix.SYS_CONNECT, 2}} {
		if _, ok := lost.take(other); ok {
			t.Errorf("%+v takes the answer of %+v", other, key)
		}
	}
	if a, ok := lost.take(key); !ok || a.Errno != unix.EISCONN {
		t.Errorf("%+v, %v", a, ok)
	}
	if _, ok := lost.take(key); ok {
		t.Error("it is given twice")
	}
	for i := range 2 * lostMax {
		lost.keep(lostKey{cookie: uint64(i)}, unotify.LetThrough)
	}
	if n := len(lost.answers); n != lostMax {
		t.Errorf("%d answers, want %d", n, lostMax)
	}
}
