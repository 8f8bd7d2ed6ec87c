package taps

import (
	"fmt"
	"math/bits"
	"os"
	"slices"
	"sync"

	"lodge/internal/bpf"
	"lodge/internal/helper/policy"
)

// usage is how much each user has, over all clients.
type usage struct {
	mu    sync.Mutex // guards users
	users map[uint32]*userUsage
	// held are the probes that the kernel holds.
	held sync.WaitGroup
}

type userUsage struct {
	taps   int
	bytes  int64
	probes int
	// held says how often the kernel has not let go of probes yet.
	held int
	// kept are rings of taps that have ended, which the user had at the last look.
	kept []*bpf.TapRing
}

func newUsage() *usage { return &usage{users: map[uint32]*userUsage{}} }

// take notes more taps of a user, or none, with rings of so many bytes.
func (u *usage) take(uid uint32, taps int, bytes int64) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.look()
	one := u.users[uid]
	if one == nil {
		one = &userUsage{}
		u.users[uid] = one
	}
	var err error
	switch {
	case one.taps+taps > policy.UserTaps:
		err = &TooManyError{fmt.Sprintf("user %d has %d, as many as one may have", uid, one.taps)}
	case one.bytes+bytes > policy.UserRingBytes:
		err = &TooManyError{fmt.Sprintf("rings of %d bytes, and user %d has %d of the %d that one may have",
			bytes, uid, one.bytes, policy.UserRingBytes)}
	}
	if err != nil {
		u.forget(uid)
		return err
	}
	one.taps += taps
	one.bytes += bytes
	return nil
}

// release notes that these are gone. Those of its rings that the user has kept go
// on counting.
func (u *usage) release(uid uint32, taps int, bytes int64, rings []*bpf.TapRing) {
	u.mu.Lock()
	defer u.mu.Unlock()
	one := u.users[uid]
	one.taps -= taps
	one.bytes -= bytes
	for _, r := range rings {
		one.kept = append(one.kept, r)
		one.bytes += int64(r.Bytes())
	}
	u.look()
}

// takeProbe notes one more probe of a user.
func (u *usage) takeProbe(uid uint32) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	one := u.users[uid] // who probes has a ring
	if one.probes >= policy.UserProbes {
		return &NotProbedError{fmt.Sprintf("user %d has %d probes, as many as one may have", uid, one.probes)}
	}
	one.probes++
	return nil
}

// releaseProbes notes that so many probes of a user are gone.
func (u *usage) releaseProbes(uid uint32, n int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.users[uid].probes -= n
	u.forget(uid)
}

// hold notes that the kernel holds so many probes of a user until gone is closed. Threads
// of this process wait for that.
func (u *usage) hold(uid uint32, n int, gone <-chan struct{}) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.users[uid].held++
	u.held.Go(func() {
		<-gone
		u.mu.Lock()
		defer u.mu.Unlock()
		one := u.users[uid]
		one.held--
		one.probes -= n
		u.forget(uid)
	})
}

// holds reports whether the kernel holds probes of a user.
func (u *usage) holds(uid uint32) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	one := u.users[uid]
	return one != nil && one.held > 0
}

// look forgets what users have let go, and users who have nothing. The caller
// holds mu.
func (u *usage) look() {
	for uid, one := range u.users {
		one.look()
		u.forget(uid)
	}
}

// look forgets the rings that are gone.
func (u *userUsage) look() {
	u.kept = slices.DeleteFunc(u.kept, func(r *bpf.TapRing) bool {
		if r.Held() {
			return false
		}
		u.bytes -= int64(r.Bytes())
		return true
	})
}

// forget removes a user who has nothing. The caller holds mu.
func (u *usage) forget(uid uint32) {
	if one := u.users[uid]; one.taps == 0 && one.bytes == 0 && one.probes == 0 && len(one.kept) == 0 {
		delete(u.users, uid)
	}
}

// The bounds of the size of rings that are not asked for.
const (
	maxDefaultRing = 16 << 20
	minDefaultRing = 64 << 10
)

// defaultRingBytes is as much as each of a user's taps may have.
func defaultRingBytes(cpus int) int {
	n := policy.UserRingBytes / policy.UserTaps / cpus
	n = 1 << (bits.Len(uint(n)) - 1)
	return max(min(n, maxDefaultRing), minDefaultRing, os.Getpagesize())
}
