package helper

import (
	"fmt"
	"strings"
	"sync"
	"time"
)

// claims says which user has what only one user can have: a name below .test,
// an address, a port of the web. The first user who asks has it, in any number
// of sessions, and others get it when the last of these has let it go. Names and
// ports are kept for that user for grace after that, so that a daemon that is
// started anew finds them again.
type claims struct {
	mu   sync.Mutex // guards what follows
	held map[string]*claim
	// count is how many each user has.
	count map[uint32]int
	// swept is when those that are over were last removed.
	swept time.Time
	now   func() time.Time
}

type claim struct {
	uid      uint32
	sessions int
	freed    time.Time // where sessions is 0
}

// grace is how long what a user has let go is kept for that user.
const grace = 3 * time.Second

// maxClaims bounds what one user has at once, those under grace included.
const maxClaims = 8192

func newClaims() *claims {
	return &claims{held: map[string]*claim{}, count: map[uint32]int{}, now: time.Now}
}

// notYoursError says that another user has it.
type notYoursError struct {
	what  string
	owner uint32
}

func (e *notYoursError) Error() string { return fmt.Sprintf("%s belongs to user %d", e.what, e.owner) }

// take notes one more session of the user that has what key means.
func (c *claims) take(key string, uid uint32) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sweep()
	cl := c.held[key]
	if cl != nil && cl.uid != uid && !c.over(cl) {
		return &notYoursError{key, cl.uid}
	}
	if cl == nil || cl.uid != uid {
		if c.count[uid] >= maxClaims {
			return fmt.Errorf("%s: user %d has %d names and addresses, the most that one user may have", key, uid, maxClaims)
		}
		c.drop(key)
		cl = &claim{uid: uid}
		c.held[key] = cl
		c.count[uid]++
	}
	cl.sessions++
	return nil
}

// release takes back one take.
func (c *claims) release(key string, uid uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	cl := c.held[key]
	if cl == nil || cl.uid != uid || cl.sessions == 0 {
		return
	}
	if cl.sessions--; cl.sessions > 0 {
		return
	}
	if cl.freed = c.now(); strings.HasPrefix(key, "address ") {
		c.drop(key)
	}
}

func (c *claims) over(cl *claim) bool { return cl.sessions == 0 && c.now().Sub(cl.freed) >= grace }

// sweep removes what is over, not at every call. Call it with mu held.
func (c *claims) sweep() {
	if now := c.now(); now.Sub(c.swept) >= grace {
		c.swept = now
		for key, cl := range c.held {
			if c.over(cl) {
				c.drop(key)
			}
		}
	}
}

// drop removes a claim, if there is one. Call it with mu held.
func (c *claims) drop(key string) {
	cl := c.held[key]
	if cl == nil {
		return
	}
	delete(c.held, key)
	if c.count[cl.uid]--; c.count[cl.uid] == 0 {
		delete(c.count, cl.uid)
	}
}
