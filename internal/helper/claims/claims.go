package claims

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"lodge/internal/helper/policy"
)

// Table is which user has what. It may be used by several goroutines.
type Table struct {
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

// New returns an empty table.
func New() *Table { return &Table{held: map[string]*claim{}, count: map[uint32]int{}, now: time.Now} }

// take notes one more session of the user that has what key means.
func (c *Table) take(key string, uid uint32) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sweep()
	cl := c.held[key]
	if cl != nil && cl.uid != uid && !c.over(cl) {
		return &policy.NotYoursError{What: key, Owner: cl.uid}
	}
	if cl == nil || cl.uid != uid {
		if c.count[uid] >= policy.UserClaims {
			return fmt.Errorf("%s: user %d has %d names and addresses, the most that one user may have", key, uid, policy.UserClaims)
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
func (c *Table) release(key string, uid uint32) {
	c.mu.Lock()
	defer c.mu.Unlock()
	cl := c.held[key]
	if cl == nil || cl.uid != uid || cl.sessions == 0 {
		return
	}
	if cl.sessions--; cl.sessions > 0 {
		return
	}
	if cl.freed = c.now(); strings.HasPrefix(key, addressPrefix) {
		c.drop(key)
	}
}

func (c *Table) over(cl *claim) bool { return cl.sessions == 0 && c.now().Sub(cl.freed) >= grace }

// sweep removes what is over, not at every call. The caller holds mu.
func (c *Table) sweep() {
	if now := c.now(); now.Sub(c.swept) >= grace {
		c.swept = now
		for key, cl := range c.held {
			if c.over(cl) {
				c.drop(key)
			}
		}
	}
}

// drop removes a claim, if there is one. The caller holds mu.
func (c *Table) drop(key string) {
	cl := c.held[key]
	if cl == nil {
		return
	}
	delete(c.held, key)
	if c.count[cl.uid]--; c.count[cl.uid] == 0 {
		delete(c.count, cl.uid)
	}
}
