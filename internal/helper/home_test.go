package helper

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"lodge/internal/helper/claims"
	"lodge/internal/helper/homes"
	"lodge/internal/helper/policy"
	"lodge/internal/helperapi"
	"lodge/internal/procfs"
)

// Many homes are asked for and given up at any moment: none is left, and the
// same helper goes on.
func TestHomesThatAreGivenUp(t *testing.T) {
	needRoot(t)
	c := serve(t, 65534)
	mount, err := procfs.CgroupMount()
	if err != nil {
		t.Fatal(err)
	}
	for i := range 30 {
		ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*time.Millisecond)
		hf, err := c.CreateHome(ctx, testIP(30), false)
		if err == nil {
			err = errors.Join(hf.Close(), c.RemoveHome(t.Context(), hf.Path, true))
		} else if errors.Is(err, context.DeadlineExceeded) {
			err = nil
		}
		cancel()
		if err != nil {
			t.Fatalf("after %d ms: %v", i, err)
		}
	}
	// The next one is as if nothing had been.
	hf, err := c.CreateHome(t.Context(), testIP(30), false)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(hf.Close(), c.RemoveHome(t.Context(), hf.Path, true)); err != nil {
		t.Error(err)
	}
	if left, _ := filepath.Glob(filepath.Join(mount, "lodge-65534-*", "home-"+testIP(30).String())); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// A home of this client in which nobody is was made for a call that is
// forgotten: it is made anew.
func TestAHomeIsMadeAnew(t *testing.T) {
	needRoot(t)
	c := serve(t, 65534)
	for range 2 {
		hf, err := c.CreateHome(t.Context(), testIP(31), false)
		if err != nil {
			t.Fatal(err)
		}
		if err := hf.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestTypedErrors(t *testing.T) {
	owner := uint32(7)
	for _, tc := range []struct {
		err  error
		code helperapi.Code
		own  *uint32
	}{
		{errors.New("x"), "", nil},
		{fmt.Errorf("a: %w", &homes.TakenError{Reason: "x", Owner: 7}), helperapi.HomeTaken, &owner},
		{&policy.NotYoursError{What: claims.Address(netip.MustParseAddr("127.83.20.7")), Owner: 7}, helperapi.HomeTaken, &owner},
		{&policy.NotYoursError{What: claims.Name("a.test"), Owner: 7}, helperapi.NotYours, &owner},
		{&unknownError{"dance"}, helperapi.UnknownOperation, nil},
		{&tooManyCallsError{}, helperapi.TooManyCalls, nil},
		{errors.Join(errGivenUp, errors.New("x")), helperapi.Canceled, nil},
		{&homes.TooManyError{UID: 7}, helperapi.TooManyHomes, nil},
	} {
		r := failed(1, tc.err)
		if r.Code != tc.code || (r.Owner == nil) != (tc.own == nil) || r.Owner != nil && *r.Owner != *tc.own {
			t.Errorf("%v: %+v", tc.err, r)
		}
		err := r.Err("do it")
		if helperapi.Taken(err) != (tc.code == helperapi.HomeTaken) {
			t.Errorf("%v: taken is %v", err, helperapi.Taken(err))
		}
	}
}
