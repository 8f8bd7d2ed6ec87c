package seccomphome

import "lodge/internal/home/seccomphome/unotify"

// lostMax bounds how many answers that were not taken a listener remembers.
const lostMax = 64

// lostAnswers has the answers that no caller took: before Linux 5.19 a signal takes
// the caller away while the call is being made, and the caller comes back
// and makes it again. The zero value is empty.
type lostAnswers struct {
	answers map[lostKey]unotify.Answer
}

// lostKey is a call that is made again: the same one of the same thread on the same
// socket.
type lostKey struct {
	tid    uint32
	nr     int32
	cookie uint64
}

// take returns the answer to a call that was made before, once.
func (t *lostAnswers) take(key lostKey) (unotify.Answer, bool) {
	a, ok := t.answers[key]
	if ok {
		delete(t.answers, key)
	}
	return a, ok
}

// keep keeps an answer that was not taken.
func (t *lostAnswers) keep(key lostKey, a unotify.Answer) {
	if len(t.answers) >= lostMax {
		return
	}
	if t.answers == nil {
		t.answers = make(map[lostKey]unotify.Answer)
	}
	t.answers[key] = a
}
