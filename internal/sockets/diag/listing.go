package diag

import (
	"context"
	"errors"

	"golang.org/x/sys/unix"
)

// Listing is one dump: what is asked for, and the answer after Read.
type Listing struct {
	// Space is written to each record.
	Space uint16
	Proto uint8 // ProtoTCP, ProtoUDP or ProtoUnix
	// Expect is how many sockets to make room for.
	Expect   int
	Question Question

	Recs []Record
	// Infos and Unix are what record.extra leads to, of TCP and of Unix sockets.
	Infos []TCPInfo
	Unix  []UnixInfo
	Err   error
	// Missing is why sock_diag did not answer, so that /proc/net was read; nil
	// where it did.
	Missing error
}

// Name returns the protocol's name as a person writes it.
func (l *Listing) Name() string {
	switch l.Proto {
	case ProtoUDP:
		return "UDP"
	case ProtoUnix:
		return "Unix"
	}
	return "TCP"
}

// Read makes the dump on c.
func (l *Listing) Read(ctx context.Context, c *Conn) {
	reset := func() { l.Recs, l.Infos, l.Unix = l.Recs[:0], l.Infos[:0], l.Unix[:0] }
	if l.Expect > 0 {
		l.Recs = make([]Record, 0, l.Expect+l.Expect/64+256)
	}
	proc := false
	l.Err = c.either(tableOfRecord(l.Proto), func() error { return l.readDiag(ctx, c, reset) }, func() error {
		reset()
		proc = true
		return l.readProc(ctx, &c.proc)
	})
	if proc {
		l.Missing = c.Why(l.Proto)
	}
}

// readDiag asks sock_diag.
func (l *Listing) readDiag(ctx context.Context, c *Conn, reset func()) error {
	if l.Proto == ProtoUnix {
		return c.collect(ctx, unixQuestion(l.Question.States), reset, l.addUnix)
	}
	err := c.collect(ctx, l.Question.bytes(), reset, l.addInet)
	if l.Question.Family != unix.AF_UNSPEC || !(errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EOPNOTSUPP)) {
		return err
	}
	// A kernel without the older form of the question.
	reset()
	for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
		ask := l.Question
		ask.Family = family
		recs, infos := len(l.Recs), len(l.Infos)
		err := c.collect(ctx, ask.bytes(), func() { l.Recs, l.Infos = l.Recs[:recs], l.Infos[:infos] }, l.addInet)
		if err != nil {
			return err
		}
	}
	return nil
}

// readProc reads /proc/net, which knows no filter but the states.
func (l *Listing) readProc(ctx context.Context, from *procNet) error {
	q := &l.Question
	if l.Proto == ProtoUnix {
		return from.unix(ctx, q.States, func(r *Record, info UnixInfo) error {
			r.Space = l.Space
			l.Unix = append(l.Unix, info)
			r.Extra = uint32(len(l.Unix))
			l.Recs = append(l.Recs, *r)
			return nil
		})
	}
	for _, six := range []bool{false, true} {
		if six && q.Family == unix.AF_INET || !six && q.Family == unix.AF_INET6 {
			continue
		}
		err := from.inet(ctx, tableOfRecord(l.Proto), six, q.States, func(r *Record) error {
			r.Space = l.Space
			l.Recs = append(l.Recs, *r)
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (l *Listing) addInet(body []byte) error {
	l.Recs = append(l.Recs, Record{Peer: -1, Space: l.Space, Proto: l.Proto})
	r := &l.Recs[len(l.Recs)-1]
	if !l.Question.Info {
		return parseRecord(body, r, nil)
	}
	var info TCPInfo
	if err := parseRecord(body, r, &info); err != nil {
		return err
	}
	if info != (TCPInfo{}) {
		l.Infos = append(l.Infos, info)
		r.Extra = uint32(len(l.Infos))
	}
	return nil
}

func (l *Listing) addUnix(body []byte) error {
	r := Record{Peer: -1, Space: l.Space}
	var info UnixInfo
	if err := parseUnix(body, &r, &info); err != nil {
		return err
	}
	l.Unix = append(l.Unix, info)
	r.Extra = uint32(len(l.Unix))
	l.Recs = append(l.Recs, r)
	return nil
}
