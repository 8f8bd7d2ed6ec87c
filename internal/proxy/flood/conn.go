package flood

import (
	"crypto/tls"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"time"
)

// Conn is a client's connection that speaks HTTP/2, on its way to net/http's
// server. It counts the frames that carry no work, and ends a connection that
// sends too many of them.
//
// It hides a *tls.Conn from net/http, which serves the connection as HTTP/2 by
// its preface then: what it would check of TLS, NewConn checks.
type Conn struct {
	net.Conn // accepted, or TLS over it
	accepted net.Conn
	ledger   *Ledger
	done     <-chan struct{} // closed when the server shuts down

	// These belong to the goroutine that reads.
	in      frameScanner
	preface string // what is left of it to be read

	writing sync.Mutex // held while bytes are written; guards out
	out     frameScanner

	mu      sync.Mutex // guards what follows; a leaf
	account *Account   // of the client; nil: not asked for, or not known
	ages    ages
	budget  budget
	spent   float64 // in all
	owed    float64 // not charged to the client yet; less than zero: earned in advance
	over    bool

	once sync.Once // for Close
}

// farewellTime bounds how long a client that flooded may take what it is told.
const farewellTime = 10 * time.Second

// errFlood ends the reading of a connection that sends too many frames without
// work.
var errFlood = errors.New("read frames: too many that carry no work")

// errPreface ends a connection that promised HTTP/2 and speaks something else.
var errPreface = errors.New("read preface: it is not that of HTTP/2")

// errCipher ends a connection whose cipher HTTP/2 forbids.
var errCipher = errors.New("check TLS: its cipher suite is forbidden for HTTP/2")

// NewConn takes a connection whose client speaks HTTP/2: it has said so by ALPN,
// or in the bytes that are read first. c is accepted, or TLS over it; account is
// what [Ledger.Admit] returned for it. Closing done, when the server shuts down,
// ends waits.
func NewConn(l *Ledger, c, accepted net.Conn, account *Account, done <-chan struct{}) (*Conn, error) {
	h := &Conn{Conn: c, accepted: accepted, ledger: l, done: done, account: account, preface: Preface, budget: l.connBudget(account)}
	h.in.skip = len(Preface)
	if t, ok := c.(*tls.Conn); ok && !cipherAllowed(t.ConnectionState()) {
		_, err := c.Write(append([]byte{0, 0, 0, frameSettings, 0, 0, 0, 0, 0}, goAway(0, codeInadequate)...))
		return nil, errors.Join(errCipher, err)
	}
	return h, nil
}

// cipherAllowed reports whether HTTP/2 may use a connection of TLS: 1.3, or a
// suite of 1.2 with ephemeral keys and authenticated encryption (RFC 9113,
// section 9.2.2).
func cipherAllowed(st tls.ConnectionState) bool {
	if st.Version >= tls.VersionTLS13 {
		return true
	}
	name := tls.CipherSuiteName(st.CipherSuite)
	return st.Version == tls.VersionTLS12 && strings.HasPrefix(name, "TLS_ECDHE_") &&
		slices.ContainsFunc([]string{"_GCM_", "_CHACHA20_"}, func(s string) bool { return strings.Contains(name, s) })
}

// Read reads for net/http, and counts.
func (c *Conn) Read(b []byte) (int, error) {
	if c.flooded() {
		return 0, errFlood
	}
	n, err := c.Conn.Read(b)
	if len(c.preface) > 0 && n > 0 {
		k := min(n, len(c.preface))
		if string(b[:k]) != c.preface[:k] {
			return 0, errPreface
		}
		c.preface = c.preface[k:]
	}
	c.received(b[:n])
	c.settle()
	if c.flooded() {
		return 0, errFlood
	}
	return n, err
}

// Write writes for net/http, and counts.
func (c *Conn) Write(b []byte) (int, error) {
	c.writing.Lock()
	defer c.writing.Unlock()
	if c.flooded() {
		return 0, errFlood
	}
	n, err := c.Conn.Write(b)
	c.sent(b[:n])
	return n, err
}

func (c *Conn) received(b []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		f, rest, ok := c.in.next(b)
		if !ok {
			return
		}
		b = rest
		c.count(c.ages.received(&f, time.Now))
	}
}

func (c *Conn) sent(b []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		f, rest, ok := c.out.next(b)
		if !ok {
			return
		}
		b = rest
		c.count(sent(&f))
	}
}

// count takes a cost from the connection's budget, or adds what was earned.
// The caller holds c.mu.
func (c *Conn) count(cost float64) {
	if cost < 0 {
		c.budget.earn(-cost)
		c.owed = max(c.owed+cost, -aheadMost*c.budget.burst)
		return
	}
	c.owed += cost
	c.spent += cost
	if !c.budget.spend(cost) {
		c.over = true
	}
}

func (c *Conn) flooded() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.over
}

// settle charges the client for what its connection has cost, from time to
// time.
func (c *Conn) settle() {
	c.mu.Lock()
	owed := c.owed
	if owed < c.ledger.step() {
		c.mu.Unlock()
		return
	}
	c.owed = 0
	ask := c.account == nil && c.spent >= c.ledger.suspicious()
	c.mu.Unlock()
	if !c.ledger.charge(c.client(ask), owed) {
		c.mu.Lock()
		c.over = true
		c.mu.Unlock()
	}
}

// client returns the account of the client. With ask it is looked for where it
// is not known.
func (c *Conn) client(ask bool) *Account {
	c.mu.Lock()
	a := c.account
	c.mu.Unlock()
	if a != nil || !ask {
		return a
	}
	a = c.ledger.accountOf(c.accepted)
	c.mu.Lock()
	c.account = a
	c.mu.Unlock()
	return a
}

// Close closes the connection. One that flooded is told so first, and closed
// after a while: its client comes again no sooner.
func (c *Conn) Close() error {
	var err error
	c.once.Do(func() {
		c.mu.Lock()
		owed, over, last := c.owed, c.over, c.ages.last
		c.owed = 0
		c.mu.Unlock()
		a := c.client(over)
		c.ledger.charge(a, owed)
		if over {
			c.ledger.penalise(a)
			c.farewell(last)
			err = c.accepted.Close()
			return
		}
		err = c.Conn.Close()
	})
	return err
}

// farewell tells a client why its connection ends, where that can be told
// between two frames, and waits.
func (c *Conn) farewell(last uint32) {
	_ = c.Conn.SetWriteDeadline(time.Now().Add(farewellTime)) // ends a write that the client does not take
	c.writing.Lock()
	if c.out.between() {
		_, _ = c.Conn.Write(goAway(last, codeCalm)) // it may not listen any more
	}
	c.writing.Unlock()
	c.ledger.delayClose(c.done)
}

// Accepted returns the connection as it was accepted.
func (c *Conn) Accepted() net.Conn { return c.accepted }
