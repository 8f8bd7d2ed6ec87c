package probe

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"

	"lodge/internal/probe/answer"
)

// maxRead is how many bytes of a server are read on one connection: one that
// never stops talking is cut off here.
const maxRead = 256 << 10

// grace is how long the rest of an answer that has begun is waited for.
const grace = 250 * time.Millisecond

// session is one connection of a probe, with its times. One goroutine uses it.
type session struct {
	net.Conn // what is talked on: the connection itself, or TLS over it

	connect   time.Duration
	handshake time.Duration // of TLS, if there was one
	asked     time.Time     // when the last question was sent, or the connection was made
	firstByte time.Duration // from asked to the first byte of the answer; zero if none came
	received  int           // bytes, within TLS where there is one
	until     time.Time
	closed    bool // the other side closed, or reset
	reset     bool // it did the latter; after a close in good order the kernel says EPIPE
	wanted    bool // the other side closed, or reset, where more of the answer was waited for
}

// connect makes a session that ends with ctx, and at until. The function that
// it gives closes it.
func (n Network) connect(ctx context.Context, transport string, to netip.AddrPort, until time.Time) (*session, func(), error) {
	start := time.Now()
	dialing, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	c, err := n.dial(dialing, transport, to)
	if err != nil {
		return nil, nil, err
	}
	s := &session{Conn: c, asked: time.Now(), until: until}
	s.connect = s.asked.Sub(start)
	_ = c.SetDeadline(until)
	// A connection that is closed fails every later deadline as well, which a
	// deadline in the past would not.
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	return s, func() {
		stop()
		_ = c.Close()
	}, nil
}

// Read notes when the first byte came, and stops at the bound.
func (s *session) Read(b []byte) (int, error) {
	if s.received >= maxRead {
		return 0, answer.ErrEndless
	}
	n, err := s.Conn.Read(b[:min(len(b), maxRead-s.received)])
	if n > 0 && s.firstByte == 0 {
		s.firstByte = max(time.Since(s.asked), 1)
	}
	s.received += n
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		s.closed = true
		s.reset = s.reset || errors.Is(err, syscall.ECONNRESET)
	}
	return n, err
}

// broken is how the answer broke off, "" where it did not. An answer that ends
// with the connection is whole when that is closed, but not when it is reset.
func (s *session) broken(ctx context.Context, a *answer.Answer) answer.Failure {
	switch {
	case s.reset && s.wanted:
		return answer.Reset
	case a == nil || !a.Short:
	case s.closed && ctx.Err() == nil:
		return answer.ClosedEarly
	case a.Status() != 0:
	case errors.Is(ctx.Err(), context.DeadlineExceeded) || !time.Now().Before(s.until):
		return answer.Timeout
	default:
		return answer.BadAnswer // interim responses without end
	}
	return ""
}

// Write notes a reset.
func (s *session) Write(b []byte) (int, error) {
	n, err := s.Conn.Write(b)
	if errors.Is(err, syscall.ECONNRESET) {
		s.reset = true
	}
	return n, err
}

// say sends a question; the time to the first byte counts from now.
func (s *session) say(question []byte) error {
	s.firstByte, s.asked = 0, time.Now()
	_, err := s.Write(question)
	return err
}

// hear reads until known has heard enough, the other side closes, or patience
// (zero: the session's end) is over. It returns the answer and the bytes.
func (s *session) hear(sent []byte, patience time.Duration, known func(answer.Reply) (*answer.Answer, bool)) (*answer.Answer, []byte) {
	return s.hearOn(sent, nil, patience, known)
}

// hearOn is hear where the first bytes of the answer were read already.
func (s *session) hearOn(sent, data []byte, patience time.Duration, known func(answer.Reply) (*answer.Answer, bool)) (*answer.Answer, []byte) {
	until := s.until
	if patience > 0 && time.Now().Add(patience).Before(until) {
		until = time.Now().Add(patience)
	}
	s.wanted = false
	_ = s.SetReadDeadline(until)
	defer func() { _ = s.SetReadDeadline(s.until) }()
	chunk := make([]byte, 4096)
	for begun, spoke := false, false; ; {
		var err error
		if begun || spoke || len(data) == 0 {
			var n int
			n, err = s.Read(chunk)
			data = append(data, chunk[:n]...)
		}
		if err != nil && s.closed {
			_, s.wanted = known(answer.Reply{Sent: sent, Data: data})
		}
		final := err != nil || len(data) >= answer.MaxHead+2*answer.MaxBody
		a, more := known(answer.Reply{Sent: sent, Data: data, Final: final})
		if final || !more {
			return a, data
		}
		if !spoke && len(data) > 0 {
			// A server that has begun to speak is heard to the end of what it says.
			if spoke = true; until.Before(s.until) {
				until = s.until
				_ = s.SetReadDeadline(until)
			}
		}
		if soon := time.Now().Add(grace); !begun && a != nil && a.HTTP != nil && soon.Before(until) {
			// For what a page is, its head is enough: the body comes soon, or never,
			// and a drip does not buy time. A greeting has no such part: its line
			// counts when it is whole, however many packets it comes in.
			begun = true
			_ = s.SetReadDeadline(soon)
		}
	}
}

// further asks for something more where the answer is known already: the time
// to the first byte stays that of the answer.
func (s *session) further(question []byte, known func(answer.Reply) (*answer.Answer, bool)) *answer.Answer {
	took, wanted := s.firstByte, s.wanted
	defer func() { s.firstByte, s.wanted = took, wanted }()
	if s.say(question) != nil {
		return nil
	}
	a, _ := s.hear(question, 8*grace, known)
	return a
}
