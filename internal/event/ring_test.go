package event

import (
	"fmt"
	"strings"
	"testing"
)

func socket() Event {
	return Event{Kind: KindSocket, Socket: &Socket{Change: SocketOpen, PID: 1}}
}

// brief writes events as "1 s2 -3..7(reason,of)": a number, one of a socket, a loss.
func brief(list []Event) string {
	var out []string
	for _, e := range list {
		switch {
		case e.Lost != nil:
			out = append(out, fmt.Sprintf("-%d..%d(%s,%s,%d)", e.Lost.From, e.Number, e.Lost.Reason, e.Lost.Of, e.Lost.Count))
		case e.OfSockets():
			out = append(out, fmt.Sprintf("s%d", e.Number))
		default:
			out = append(out, fmt.Sprint(e.Number))
		}
	}
	return strings.Join(out, " ")
}

func TestSocketsTakeNoPlaceFromOthers(t *testing.T) {
	b := NewBus("s", 8) // 4 sockets
	first := b.SubscribeAll(Position{})
	b.Publish(service(1), socket(), socket(), service(2))
	if got := brief(first.Pending()); got != "1 s2 s3 4" {
		t.Errorf("merged: %s", got)
	}
	for range 100 {
		b.Publish(socket()) // 5 to 104
	}
	b.Publish(service(3)) // 105
	b.Publish(socket())   // 106
	if got := brief(b.Kept()); got != "1 4 105" {
		t.Errorf("kept: %s", got)
	}
	for _, c := range []struct {
		name string
		s    *Subscription
		want string
	}{
		{"slow", first, "-5..101(slow_reader,socket,97) s102 s103 s104 105 s106"},
		{"all", b.SubscribeAll(Position{}), "1 -2..3(too_old,socket,2) 4 -5..101(too_old,socket,97) s102 s103 s104 105 s106"},
		{"all after 60", b.SubscribeAll(Position{"s", 60}), "-61..101(too_old,socket,41) s102 s103 s104 105 s106"},
		{"without sockets", b.Subscribe(Position{}), "1 4 105"},
		{"without sockets, after 60", b.Subscribe(Position{"s", 60}), "105"},
		{"after 106", b.Subscribe(Position{"s", 106}), ""},
	} {
		if got := brief(c.s.Pending()); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
		if at := c.s.Position().Number; at != 106 {
			t.Errorf("%s: it is at %d", c.name, at)
		}
	}
}

// The process before told sockets, which nothing has kept: they are counted.
func TestSocketsOfAKilledProcess(t *testing.T) {
	a := NewBus("s", 8)
	a.Publish(service(1), socket(), socket(), service(2), socket(), socket())
	b := NewBus("s", 8)
	b.Resume(a.Kept(), a.Position().Number)
	b.Publish(socket(), service(3))
	for after, want := range map[uint64]string{
		0: "1 -2..3(daemon_ended,socket,2) 4 -5..6(daemon_ended,socket,2) s7 8",
		2: "-3..3(daemon_ended,socket,1) 4 -5..6(daemon_ended,socket,2) s7 8",
		5: "-6..6(daemon_ended,socket,1) s7 8",
		6: "s7 8",
	} {
		if got := brief(b.SubscribeAll(Position{"s", after}).Pending()); got != want {
			t.Errorf("after %d: %s, want %s", after, got, want)
		}
	}
	if got := brief(b.Subscribe(Position{"s", 2}).Pending()); got != "4 8" {
		t.Errorf("without sockets: %s", got)
	}
}

// A reader that is behind in both rings misses numbers of any kind first, and then
// those of sockets.
func TestBothRingsAreFull(t *testing.T) {
	b := NewBus("s", 4) // 2 sockets
	s := b.SubscribeAll(Position{})
	for i := range 10 {
		b.Publish(service(i), socket()) // services are odd
	}
	if got := brief(s.Pending()); got != "-1..11(slow_reader,,11) -12..12(slow_reader,socket,1) 13 -14..14(slow_reader,socket,1) 15 -16..16(slow_reader,socket,1) 17 s18 19 s20" {
		t.Errorf("got %s", got)
	}
}
