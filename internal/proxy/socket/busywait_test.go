package socket

import (
	"io"
	"net"
	"testing"
)

// Wait tells what is there from what is not, and from the end.
func TestWait(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	peer, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	// readable waits, without a limit, for what was sent to arrive.
	readable := func() {
		t.Helper()
		if _, err := FirstByte(s.Raw); err != nil && err != io.EOF {
			t.Fatal(err)
		}
	}
	wait := func(w *BusyWait) (there bool) {
		t.Helper()
		if err := s.Raw.Control(func(fd uintptr) { there = w.Wait(fd) }); err != nil {
			t.Fatal(err)
		}
		return there
	}
	w := &BusyWait{n: BusyAfter}
	if wait(w) || w.On() {
		t.Errorf("nothing is there: %+v", w)
	}
	w.n = BusyAfter
	io.WriteString(peer, "x")
	readable()
	if !wait(w) || !w.On() {
		t.Errorf("something is there: %+v", w)
	}
	c.Read(make([]byte, 1))
	peer.Close()
	readable()
	if !wait(w) {
		t.Error("the end is there")
	}
	var none *BusyWait
	if none.On() {
		t.Error("none waits")
	}
}
