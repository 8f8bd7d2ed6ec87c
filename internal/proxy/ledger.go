package proxy

import (
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// ledger bounds what one client may cost over all its connections, and
// remembers those that flooded.
//
// A client is who the connection comes from: a machine of the network by its
// address, and one of this machine, where all come from 127.0.0.1, by what
// Config.Client says, which is asked only for connections that stand out. All
// connections whose client is not known share one budget; when that is empty,
// each new connection's client is asked for, for a while.
type ledger struct {
	ask     func(client, server netip.AddrPort) (string, bool)
	burst   float64 // of a connection
	penalty time.Duration

	watching atomic.Int64 // until when each connection's client is asked for, as UnixNano
	held     atomic.Int32 // connections that are held before they are closed

	mu       sync.Mutex // guards what follows
	accounts map[string]*account
	unknown  budget
}

// account is what is known of one client. The ledger's mu guards it.
type account struct {
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
	// A connection that flooded is held for this part of the penalty before it
	// is closed.
	holdShare = 1. / 30
	// So many connections are held at once; others are closed at once.
	maxHeld     = 512
	maxAccounts = 1024
)

func newLedger(cfg Config, lim Limits) *ledger {
	l := &ledger{ask: cfg.Client, burst: float64(lim.Frames), penalty: lim.PenaltyTime, accounts: map[string]*account{}}
	l.unknown = newBudget(l.burst, l.burst*rateShare) // when it is empty, it is only asked who they are
	return l
}

func (l *ledger) clientBudget() budget {
	return newBudget(l.burst*clientShare, l.burst*clientShare*rateShare)
}

// step is how much a connection owes before its client is charged.
func (l *ledger) step() float64 { return l.burst / 16 }

// suspicious is how much a connection has spent when its client is asked for.
func (l *ledger) suspicious() float64 { return l.burst / 8 }

// connBudget is the budget of a new connection.
func (l *ledger) connBudget(a *account) budget {
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
func (l *ledger) accountOf(c net.Conn) *account {
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
		a = &account{budget: l.clientBudget()}
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
// l.mu is held.
func (l *ledger) makeRoom(now time.Time) {
	if len(l.accounts) < maxAccounts {
		return
	}
	oldest, found := "", (*account)(nil)
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
func (l *ledger) charge(a *account, n float64) bool {
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
func (l *ledger) penalise(a *account) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if a != nil {
		a.penalised = now.Add(l.penalty)
	}
	l.watch(now)
}

// watch has each new connection's client asked for. l.mu is held.
func (l *ledger) watch(now time.Time) { l.watching.Store(now.Add(l.penalty).UnixNano()) }

// admit waits until a new connection may go on, and reports whether it may.
func (l *ledger) admit(low *lowConn, done <-chan struct{}) bool {
	if until := l.watching.Load(); until == 0 || time.Now().UnixNano() > until {
		return true
	}
	if low.account = l.accountOf(low.Conn); low.account == nil {
		return true
	}
	wait := l.turn(low.account, time.Now())
	if wait == 0 {
		return true
	}
	if wait > admitMost {
		l.holdFor(admitMost, done)
		return false
	}
	return pause(wait, done)
}

// turn returns how long a client's new connection waits; more than admitMost:
// too many wait already.
func (l *ledger) turn(a *account, now time.Time) time.Duration {
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

// hold keeps a connection that is to be closed, so that its client does not
// come again at once.
func (l *ledger) hold(done <-chan struct{}) { l.holdFor(l.holdTime(), done) }

func (l *ledger) holdTime() time.Duration { return time.Duration(float64(l.penalty) * holdShare) }

func (l *ledger) holdFor(d time.Duration, done <-chan struct{}) {
	if l.held.Add(1) <= maxHeld {
		pause(d, done)
	}
	l.held.Add(-1)
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
