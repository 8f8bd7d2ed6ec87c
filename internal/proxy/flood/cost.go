package flood

import "time"

// What frames cost in tokens. A request and the bytes of bodies cost nothing:
// they are what HTTP/2 is for, and flow control and the limit of streams bound
// them. What they bring with them in an honest client is earned: after a piece
// of a body come two WINDOW_UPDATE frames (stream and connection) and a PING
// that measures the bandwidth (gRPC), after a long piece more of them, and an
// answer may be cut short.
const (
	costFrame    = 1  // any frame without work
	costSettings = 4  // each is acknowledged
	costReset    = 16 // a stream that is reset at once has started a request
	costGoAway   = 64 // a connection that ends by an error of the client's

	earnedData   = 3
	earnedAnswer = 16
	earnedEvery  = 1 << 10 // bytes that are sent earn one: Go's clients acknowledge 4 KiB with two frames
)

// rapid is how young a stream is whose reset counts as a rapid one.
const rapid = 250 * time.Millisecond

// ages tells in constant space whether a stream of a client is older than
// rapid: identifiers of streams only grow.
type ages struct {
	last   uint32 // the highest stream so far
	marked uint32 // the highest when mark was set
	mark   time.Time
	old    uint32 // all streams up to here are older than rapid
}

func (a *ages) tick(now time.Time) {
	switch since := now.Sub(a.mark); {
	case since >= 2*rapid:
		a.old, a.marked, a.mark = a.last, a.last, now // nothing was opened since: see opened
	case since >= rapid:
		a.old, a.marked, a.mark = a.marked, a.last, now
	}
}

func (a *ages) opened(stream uint32, now time.Time) {
	a.tick(now)
	a.last = max(a.last, stream)
}

// received returns what a frame of the client's costs; less than zero: it
// earns something.
func (a *ages) received(f *frame, now func() time.Time) float64 {
	switch f.typ {
	case frameData:
		if f.data() > 0 {
			return -earnedData
		}
		if f.flags&flagEndStream != 0 {
			return 0
		}
	case frameHeaders:
		a.opened(f.stream, now())
		return 0
	case frameReset:
		a.tick(now())
		if f.stream > a.old {
			return costReset
		}
	case frameSettings:
		return costSettings
	}
	return costFrame
}

// sent returns what a frame that answers the client costs it.
func sent(f *frame) float64 {
	switch f.typ {
	case frameData:
		if f.length > 0 {
			return -earnedData - float64(f.length)/earnedEvery
		}
	case frameHeaders:
		return -earnedAnswer
	case frameReset:
		// The server resets a stream for what the client did wrong with it: that
		// costs as much as a reset of the client's own.
		switch f.code() {
		case codeNo, codeInternal, codeCancel:
		default:
			return costReset
		}
	case frameGoAway:
		if f.code() != codeNo {
			return costGoAway
		}
	}
	return 0
}

// budget is a token bucket. Its owner guards it.
type budget struct {
	tokens, burst, rate float64 // rate is in tokens a second
	at                  time.Time
}

func newBudget(burst, rate float64) budget {
	return budget{tokens: burst, burst: burst, rate: rate, at: time.Now()}
}

// aheadMost is how many times the burst may be earned in advance: the server
// sends far ahead of a client, within its window, and the client acknowledges
// later what was sent long before.
const aheadMost = 8

// earn adds what a request, or a piece of a body, has earned.
func (b *budget) earn(n float64) { b.tokens = min(b.tokens+n, max(b.tokens, aheadMost*b.burst)) }

// spend reports whether there was enough. The clock is read only when the
// bucket looks empty.
func (b *budget) spend(n float64) bool {
	b.tokens -= n
	if b.tokens >= 0 {
		return true
	}
	now := time.Now()
	b.tokens = min(b.tokens+now.Sub(b.at).Seconds()*b.rate, b.burst)
	b.at = now
	return b.tokens >= 0
}
