package http2

import (
	"fmt"
	"testing"

	"lodge/internal/decode"
)

// TestOdd holds that what the protocol forbids is shown, or counted as lost, and that
// the streams beside it are read.
func TestOdd(t *testing.T) {
	cl, sv := newPeer(decode.Client), newPeer(decode.Server)
	steps := append(begin(),
		cl.headers(1, 0, append(get("/pseudo"), ":path: /other", ":shoe: 44")...),
		cl.headers(1, flagEndStream, ":method: PUT", "x-sum: 1"),
		sv.headers(1, 0, ":status: 200"),
		sv.headers(1, flagEndStream, ":status: 500", "x-sum: 2"),
		cl.headers(3, flagEndStream, ":scheme: http", ":path: /no-method"),
		sv.headers(3, flagEndStream, ":status: 400"),
		cl.headers(5, flagEndStream, ":method: CONNECT"),
		sv.headers(5, flagEndStream, ":status: 400"),
		cl.headers(7, 0, append(get("/length"), "content-length: 9")...),
		c(rawFrame(frameData, flagEndStream, 7, "12345")),
		sv.headers(7, flagEndStream, ":status: 204", "content-length: 4"),
		cl.headers(9, flagEndStream, append([]string{":method: HEAD"}, get("/head")[1:]...)...),
		sv.headers(9, flagEndStream, ":status: 200", "content-length: 4"),
		cl.headers(11, flagEndStream, get("/no-header")...),
		s(rawFrame(frameData, flagEndStream, 11, "a body")),
		c(rawFrame(frameData, 0, 19, "nine")),                      // 13 bytes: a stream that is idle
		c(rawFrame(frameReset, 0, 21, "\x00\x00\x00\x08")),         // 13 bytes
		cl.headers(23, flagEndStream, get("/last")...),             //
		c(rawFrame(frameContinuation, flagEndHeaders, 23, "\x82")), // 10 bytes
		sv.headers(23, flagEndStream, ":status: 200"),
	)
	want(t, decodeSteps(t, decode.Options{}, steps),
		`1 GET h/pseudo -> 200 req trailer [{x-sum 1}] resp trailer [{x-sum 2}]`+
			` ?request header: it has :path more than once (request smuggling?): the first one is used`+
			` ?request header: it has the pseudo-header field ":shoe", which must not be there`+
			` ?request trailer: it has the pseudo-header field ":method", which must not be there`+
			` ?response trailer: it has the pseudo-header field ":status", which must not be there`,
		`3  /no-method -> 400 ?request header: it has no :method`,
		`5 CONNECT  -> 400 ?request header: it has no :authority`,
		`7 GET h/length -> 204 req[{content-length 9}] req="12345"/5 resp[{content-length 4}]`+
			` ?request: its content-length is 9, and its body has 5 bytes (request smuggling?)`,
		`9 HEAD h/head -> 200 resp[{content-length 4}]`,
		`11 GET h/no-header ->  resp="a body"/6 resp truncated ?response: its header was not sent`,
		`23 GET h/last -> 200`,
	)
}

// TestOddStreams holds that what is sent on streams that are not open is counted, but for
// what may cross the end of the stream.
func TestOddStreams(t *testing.T) {
	cl, sv := newPeer(decode.Client), newPeer(decode.Server)
	steps := append(begin(),
		cl.headers(5, flagEndStream, get("/5")...),
		cl.headers(7, 0, get("/7")...),
		sv.headers(7, flagEndStream, ":status: 413"),
		s(rawFrame(frameReset, 0, 7, "\x00\x00\x00\x00")),
		c(rawFrame(frameData, flagEndStream, 7, "on its way")),
		c(rawFrame(frameData, 0, 3, "was passed over")),
		c(rawFrame(frameData, 0, 9, "is idle")),
		sv.headers(5, flagEndStream, ":status: 200"),
	)
	passed := cl.headers(3, flagEndStream, get("/3")...)
	steps = append(steps, passed)
	got := decodeSteps(t, decode.Options{}, steps)
	want(t, got, "7 GET h/7 -> 413 req incomplete", "5 GET h/5 -> 200")
	lost := map[decode.LossReason]int64{decode.LostMalformed: int64(2*headerLen + len("was passed over"+"is idle") + len(passed.b))}
	if fmt.Sprint(got.losses) != fmt.Sprint(lost) {
		t.Errorf("lost %v, want %v", got.losses, lost)
	}
}

// TestManyOpen holds that each stream is shown that is open when the connection ends.
func TestManyOpen(t *testing.T) {
	cl := newPeer(decode.Client)
	steps := begin()
	var lines []string
	for i := range 250 {
		path := fmt.Sprint("/", i)
		steps = append(steps, cl.headers(uint32(2*i+1), flagEndStream, get(path)...))
		lines = append(lines, fmt.Sprintf("%d GET h%s ->  resp incomplete", 2*i+1, path))
	}
	want(t, decodeSteps(t, decode.Options{}, steps), lines...)
}
