package proxy

import (
	"sync/atomic"
	"time"
)

// Usage is what a service was asked so far.
type Usage struct {
	Requests uint64    // begun, tunnels included
	Open     int       // under way
	Last     time.Time // when the last one ended, to about a second; zero if none did
}

// usage counts a service's requests.
type usage struct {
	requests atomic.Uint64
	open     atomic.Int64
	last     atomic.Int64
}

func (u *usage) begin() { u.requests.Add(1); u.open.Add(1) }

// tunnel is for a request that has become a tunnel, which ends for itself.
func (u *usage) tunnel() { u.open.Add(1) }

func (u *usage) end(now int64) { u.last.Store(now); u.open.Add(-1) }
