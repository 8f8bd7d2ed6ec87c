package taps

import (
	"errors"
	"fmt"
	"math/bits"
	"os"
	"sync"

	"lodge/internal/bpf"
	"lodge/internal/helper/policy"
)

// usage is how much each user has, over all clients.
type usage struct {
	mu    sync.Mutex // guards users
	users map[uint32]*userUsage
}

type userUsage struct {
	taps  int
	bytes int64
	// mapped are rings of taps that have ended, whose memory the user had mapped at
	// the last look.
	mapped []mappedRing
}

type mappedRing struct {
	ring  *bpf.TapRing
	bytes int64
}

func newUsage() *usage { return &usage{users: map[uint32]*userUsage{}} }

// take notes one more tap of a user, with rings of so many bytes.
func (u *usage) take(uid uint32, bytes int64) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	err := u.look()
	one := u.users[uid]
	if one == nil {
		one = &userUsage{}
		u.users[uid] = one
	}
	switch {
	case one.taps >= policy.UserTaps:
		err = errors.Join(err, &TooManyError{fmt.Sprintf("user %d has %d, as many as one may have", uid, one.taps)})
	case one.bytes+bytes > policy.UserRingBytes:
		err = errors.Join(err, &TooManyError{fmt.Sprintf("rings of %d bytes, and user %d has %d of the %d that one may have",
			bytes, uid, one.bytes, policy.UserRingBytes)})
	}
	if err != nil {
		u.forget(uid)
		return err
	}
	one.taps++
	one.bytes += bytes
	return nil
}

// release notes that a tap is gone. Of its rings, those that the user has mapped
// go on counting.
func (u *usage) release(uid uint32, bytes int64, rings []*bpf.TapRing) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	one := u.users[uid]
	one.taps--
	one.bytes -= bytes
	for _, r := range rings {
		m := mappedRing{r, int64(r.Bytes())}
		one.mapped = append(one.mapped, m)
		one.bytes += m.bytes
	}
	return u.look()
}

// look lets go of what users have let go, and of users who have nothing. The
// caller holds mu.
func (u *usage) look() error {
	var errs []error
	for uid, one := range u.users {
		errs = append(errs, one.look())
		u.forget(uid)
	}
	return errors.Join(errs...)
}

// look lets go of the rings that are not mapped any more.
func (u *userUsage) look() error {
	var errs []error
	kept := u.mapped[:0]
	for _, m := range u.mapped {
		if m.ring.Mapped() {
			kept = append(kept, m)
			continue
		}
		u.bytes -= m.bytes
		errs = append(errs, m.ring.Close())
	}
	clear(u.mapped[len(kept):])
	u.mapped = kept
	return errors.Join(errs...)
}

// forget removes a user who has nothing. The caller holds mu.
func (u *usage) forget(uid uint32) {
	if one := u.users[uid]; one.taps == 0 && len(one.mapped) == 0 {
		delete(u.users, uid)
	}
}

// The bounds of the size of rings that are not asked for.
const (
	maxDefaultRing = 4 << 20
	minDefaultRing = 64 << 10
)

// defaultRingBytes is as much as each of a user's taps may have.
func defaultRingBytes(cpus int) int {
	n := policy.UserRingBytes / policy.UserTaps / cpus
	n = 1 << (bits.Len(uint(n)) - 1)
	return max(min(n, maxDefaultRing), minDefaultRing, os.Getpagesize())
}
