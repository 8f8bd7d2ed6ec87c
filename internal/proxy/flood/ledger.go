package flood

import (
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// Ledger bounds what one client may cost over all its connections, and
// remembers those that flooded.
//
// A client is where the connection comes from: a machine of the network by its
// address, and one of this machine, where all come from 127.0.0.1, by what
// the caller says, which is asked only for connections that stand out. All
// connections whose client is not known share one budget; when that is empty,
// each new connection's client is asked for, for a while.
type Ledger struct {
	ask     func(client, server netip.AddrPort) (string, bool)
	burst   float64 // of a connection
	penalty time.Duration

	watching atomic.Int64 // until when each connection's client is asked for, as UnixNano
	delayed  atomic.Int32 // connections whose closing is delayed

	mu       sync.Mutex // guards what follows
	accounts map[string]*Account
	unknown  budget
}

// Account is what is known of one client. The Ledger's mu guards it.
type Account struct {
	budget    budget
	penalised time.Time // until then
	next      time.Time // when the next connection is let in meanwhile
	seen      time.Time
}

const (
	// A connection may spend so much of its burst a second, lastingly.
	rateShare = 1. / 8
	// A client may spend as much as so many connections.
	clientShare = 4
	// A penalised client's connections have so much of a usual one's budget, and
	// one is let in every admitEvery.
	penalisedShare = 1. / 16
	admitEvery     = 100 * time.Millisecond
	// A connection waits so long to be let in, or is closed afterwards.
	admitMost = 3 * time.Second
	// A connection that flooded is closed after this part of the penalty.
	delayShare = 1. / 30
	// So many are delayed at once; others are closed at once.
	maxDelayed  = 512
	maxAccounts = 1024
)

// NewLedger returns a ledger without clients. ask names the client of a connection
// from this machine, which goes from client to server; nil: none is known. frames
// bounds the frames without work that a connection may send at once, in the units
// of cost.go. penalty is how long a client that sent more is remembered.
func NewLedger(ask func(client, server netip.AddrPort) (string, bool), frames int, penalty time.Duration) *Ledger {
	l := &Ledger{ask: ask, burst: float64(frames), penalty: penalty, accounts: map[string]*Account{}}
	l.unknown = newBudget(l.burst, l.burst*rateShare) // when it is empty, their clients are asked for
	return l
}

func (l *Ledger) clientBudget() budget {
	return newBudget(l.burst*clientShare, l.burst*clientShare*rateShare)
}

// step is how much a connection owes before its client is charged.
func (l *Ledger) step() float64 { return l.burst / 16 }

// suspicious is how much a connection has spent when its client is asked for.
func (l *Ledger) suspicious() float64 { return l.burst / 8 }

// connBudget is the budget of a new connection.
func (l *Ledger) connBudget(a *Account) budget {
	burst := l.burst
	if a != nil {
		l.mu.Lock()
		if time.Now().Before(a.penalised) {
			burst *= penalisedShare
		}
		l.mu.Unlock()
	}
	return newBudget(burst, burst*rateShare)
}

// accountOf finds the client of a connection, or nil where it is not known.
func (l *Ledger) accountOf(c net.Conn) *Account {
	remote, ok := c.RemoteAddr().(*net.TCPAddr)
	if !ok {
		return nil
	}
	key, known := networkClient(remote.AddrPort().Addr().Unmap())
	if !known {
		local, ok := c.LocalAddr().(*net.TCPAddr)
		if !ok || l.ask == nil {
			return nil
		}
		if key, known = l.ask(remote.AddrPort(), local.AddrPort()); !known {
			return nil
		}
	}
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.accounts[key]
	if a == nil {
		l.makeRoom(now)
		a = &Account{budget: l.clientBudget()}
		l.accounts[key] = a
	}
	a.seen = now
	return a
}

// networkClient names the client at an address of the network; false: it is on
// this machine. Of an IPv6 address the half counts that the network gives: a
// client chooses the other.
func networkClient(ip netip.Addr) (string, bool) {
	if ip.IsLoopback() {
		return "", false
	}
	if ip.Is6() {
		p, err := ip.WithZone("").Prefix(64)
		return p.String(), err == nil
	}
	return ip.String(), true
}

// makeRoom forgets a client where there are too many: one that is not
// penalised rather than one that is, and the one that was not seen for longest.
// The caller holds l.mu.
func (l *Ledger) makeRoom(now time.Time) {
	if len(l.accounts) < maxAccounts {
		return
	}
	oldest, found := "", (*Account)(nil)
	for key, a := range l.accounts {
		if found == nil {
			oldest, found = key, a
			continue
		}
		out, best := now.Before(a.penalised), now.Before(found.penalised)
		if out != best && best || out == best && a.seen.Before(found.seen) {
			oldest, found = key, a
		}
	}
	delete(l.accounts, oldest)
}

// charge takes n from a client's budget, and reports whether there was enough.
// A client that is not known (nil) is never refused for others.
func (l *Ledger) charge(a *Account, n float64) bool {
	if n <= 0 {
		return true
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if a == nil {
		if !l.unknown.spend(n) {
			l.unknown.tokens = 0
			l.watch(time.Now())
		}
		return true
	}
	if a.budget.spend(n) {
		return true
	}
	a.budget.tokens = 0 // it has no debts
	now := time.Now()
	a.penalised = now.Add(l.penalty)
	l.watch(now)
	return false
}

// penalise remembers that a client's connection was over its budget.
func (l *Ledger) penalise(a *Account) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if a != nil {
		a.penalised = now.Add(l.penalty)
	}
	l.watch(now)
}

// Penalised reports whether a client is remembered as one that flooded. It is
// named as ask names it, or by its address.
func (l *Ledger) Penalised(client string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.accounts[client]
	return a != nil && a.penalised.After(time.Now())
}

// watch has each new connection's client asked for. The caller holds l.mu.
func (l *Ledger) watch(now time.Time) { l.watching.Store(now.Add(l.penalty).UnixNano()) }

// Admit waits until a new connection may go on, and reports whether it may. The
// account is nil where the client was not asked for. Closing done ends the wait.
func (l *Ledger) Admit(c net.Conn, done <-chan struct{}) (*Account, bool) {
	if until := l.watching.Load(); until == 0 || time.Now().UnixNano() > until {
		return nil, true
	}
	a := l.accountOf(c)
	if a == nil {
		return nil, true
	}
	wait := l.turn(a, time.Now())
	if wait == 0 {
		return a, true
	}
	if wait > admitMost {
		l.delay(admitMost, done)
		return nil, false
	}
	return a, pause(wait, done)
}

// turn returns how long a client's new connection waits; more than admitMost:
// too many wait already.
func (l *Ledger) turn(a *Account, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.After(a.penalised) {
		return 0
	}
	if a.next.Before(now) {
		a.next = now
	}
	wait := a.next.Sub(now)
	if wait <= admitMost {
		a.next = a.next.Add(admitEvery)
	}
	return wait
}

// delayClose keeps a connection that is to be closed, so that its client does not
// come again at once.
func (l *Ledger) delayClose(done <-chan struct{}) { l.delay(l.closeDelay(), done) }

func (l *Ledger) closeDelay() time.Duration { return time.Duration(float64(l.penalty) * delayShare) }

func (l *Ledger) delay(d time.Duration, done <-chan struct{}) {
	if l.delayed.Add(1) <= maxDelayed {
		pause(d, done)
	}
	l.delayed.Add(-1)
}

// pause waits, and reports whether the time has passed.
func pause(d time.Duration, done <-chan struct{}) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-done:
		return false
	}
}
