package claims

import (
	"errors"
	"testing"
	"time"

	"lodge/internal/helper/policy"
)

func TestClaims(t *testing.T) {
	now := time.Unix(1000, 0)
	c := New()
	c.now = func() time.Time { return now }
	refused := func(err error) bool {
		var e *policy.NotYoursError
		return errors.As(err, &e) && e.Owner == 1
	}
	if err := errors.Join(c.take("name a", 1), c.take("name a", 1), c.take("address b", 1)); err != nil {
		t.Fatal(err)
	}
	if err := c.take("name a", 2); !refused(err) || err.Error() != "name a belongs to user 1" {
		t.Errorf("taken: %v", err)
	}
	c.release("name a", 2) // not its
	c.release("name a", 1)
	if err := c.take("name a", 2); !refused(err) {
		t.Errorf("one session has gone: %v", err)
	}
	c.release("name a", 1)
	c.release("name a", 1) // once too often
	if err := c.take("name a", 2); !refused(err) {
		t.Errorf("under grace: %v", err)
	}
	if err := c.take("name a", 1); err != nil {
		t.Errorf("the owner comes back: %v", err)
	}
	c.release("name a", 1)
	now = now.Add(grace)
	if err := c.take("name a", 2); err != nil {
		t.Errorf("after grace: %v", err)
	}
	c.release("address b", 1)
	if err := c.take("address b", 2); err != nil {
		t.Errorf("an address has no grace: %v", err)
	}
	c.release("address b", 2)
	c.release("name a", 2)
	now = now.Add(2 * grace)
	if err := c.take("x", 3); err != nil || len(c.held) != 1 || len(c.count) != 1 {
		t.Errorf("%v; what is over is kept: %v, %v", err, c.held, c.count)
	}
}

func TestClaimsAreBounded(t *testing.T) {
	c := New()
	key := func(i int) string { return "name " + time.Duration(i).String() }
	for i := range policy.UserClaims {
		if err := c.take(key(i), 1); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.take("name one more", 1); err == nil {
		t.Error("no bound")
	}
	// Letting go and asking again does not get around it.
	c.release(key(0), 1)
	if err := c.take("name one more", 1); err == nil {
		t.Error("no bound on what is under grace")
	}
	if err := c.take("name one more", 2); err != nil {
		t.Errorf("another user: %v", err)
	}
	if err := c.take(key(1), 1); err != nil {
		t.Errorf("what one has: %v", err)
	}
}
