package helper

import (
	"context"
	"sync"

	"lodge/internal/helper/policy"
)

// users bounds how many calls of each user are being done at once, by the
// policy's table.
type users struct {
	mu     sync.Mutex // guards byUser
	byUser map[uint32]*userCalls
}

// userCalls has a token for each call of a user that is being done.
type userCalls struct {
	sessions int // guarded by the users' mu
	slots    map[string]chan struct{}
}

func newUsers() *users { return &users{byUser: map[uint32]*userCalls{}} }

// enter notes one more session of the user. leave must be called at its end.
func (u *users) enter(uid uint32) *userCalls {
	u.mu.Lock()
	defer u.mu.Unlock()
	c := u.byUser[uid]
	if c == nil {
		c = &userCalls{slots: map[string]chan struct{}{}}
		for _, r := range policy.Rules() {
			c.slots[r.Op] = make(chan struct{}, r.AtOnce)
		}
		u.byUser[uid] = c
	}
	c.sessions++
	return c
}

func (u *users) leave(uid uint32) {
	u.mu.Lock()
	defer u.mu.Unlock()
	c := u.byUser[uid]
	if c.sessions--; c.sessions == 0 {
		delete(u.byUser, uid)
	}
}

// acquire waits until one more call of the operation may be done; it must then
// be released.
func (c *userCalls) acquire(ctx context.Context, op string) error {
	select {
	case c.slots[op] <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (c *userCalls) release(op string) { <-c.slots[op] }
