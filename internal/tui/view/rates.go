package view

import (
	"time"

	"lodge/internal/sockets"
)

// Rate is the traffic of one socket, or of several, in bytes a second.
type Rate struct {
	Send, Receive float64
	// Known is false where the kernel does not count (UDP), and for the first
	// reading.
	Known bool
}

func (r Rate) total() float64 { return r.Send + r.Receive }

// add adds the rate of another socket: what is known counts.
func (r *Rate) add(o Rate) {
	if o.Known {
		r.Send += o.Send
		r.Receive += o.Receive
		r.Known = true
	}
}

// socketKey names a socket until the machine restarts.
type socketKey struct {
	namespace uint32
	cookie    uint64
}

// Rates are the rates of sockets.
type Rates map[socketKey]Rate

func keyOf(r *sockets.Row) socketKey { return socketKey{r.Namespace, r.Cookie} }

type counter struct{ sent, received uint64 }

// Meter makes rates from the counters of two readings.
type Meter struct {
	at   time.Time
	last map[socketKey]counter
}

// Reset forgets the last reading: the next one has no rates.
func (m *Meter) Reset() { *m = Meter{} }

// Read returns the rates of the sockets since the last reading. All bytes of a socket
// that was not there then count for the time since.
func (m *Meter) Read(at time.Time, rows []sockets.Row) Rates {
	seconds := at.Sub(m.at).Seconds()
	usable := m.last != nil && seconds > 0
	now := make(map[socketKey]counter, len(m.last)+16)
	rates := make(Rates, len(m.last)+16)
	for i := range rows {
		r := &rows[i]
		if r.TCP == nil || r.Cookie == 0 || r.State == stateListen {
			continue
		}
		k, c := keyOf(r), counter{r.TCP.Sent, r.TCP.Received}
		now[k] = c
		was := m.last[k]
		if !usable || c.sent < was.sent || c.received < was.received {
			continue
		}
		rates[k] = Rate{
			Send:    float64(c.sent-was.sent) / seconds,
			Receive: float64(c.received-was.received) / seconds,
			Known:   true,
		}
	}
	m.at, m.last = at, now
	return rates
}
