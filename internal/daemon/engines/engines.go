// Package engines chooses the engine of a new home, and has the helper make and remove
// the homes of the ebpf engine. That an engine works is known for a while only: the
// proof is a home that is made.
package engines

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"lodge/internal/daemon/helperconn"
	"lodge/internal/helperapi"
	"lodge/internal/home/seccomphome/support"
	"lodge/internal/localapi"
	"lodge/internal/loopback"
	"lodge/internal/stall"
)

// retry is how long a helper that could make no home is not asked for another: the
// disk may have been full, or the machine out of descriptors.
const retry = 5 * time.Second

// Engines knows which engines work here.
type Engines struct {
	helper *helperconn.Conn
	left   leftovers

	mu sync.Mutex // guards what follows; never held while the helper is asked
	// cannot is why the helper, which is there, could make no home when it was
	// last asked for one, or is empty.
	cannot   string
	cannotAt time.Time
}

// New returns the engines that there are with a helper.
func New(helper *helperconn.Conn) *Engines {
	return &Engines{helper: helper, left: leftovers{helper: helper}}
}

// Close ends what is done in the background. The connection to the helper is its
// owner's to close.
func (e *Engines) Close() { e.left.close() }

// EBPF reports whether the ebpf engine works here, as far as is known, and why.
func (e *Engines) EBPF(ctx context.Context) (bool, string) {
	err := e.helper.Ask(ctx, func(c *helperapi.Client) error {
		_, err := c.Hello(ctx)
		return err
	})
	if err != nil {
		if os.Geteuid() != 0 && (errors.Is(err, os.ErrNotExist) || localapi.NotRunning(err)) {
			return false, "it needs root, or lodge's helper, which is not installed"
		}
		return false, "the helper cannot be used: " + err.Error()
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.cannot != "" && time.Since(e.cannotAt) < retry {
		return false, e.cannot
	}
	return true, "the helper can attach eBPF programs to cgroups"
}

// Probe asks the helper for everything that it can need. The answer is nil where it
// does not say.
func (e *Engines) Probe(ctx context.Context) *helperapi.Hello {
	var h *helperapi.Hello
	err := e.helper.Ask(ctx, func(c *helperapi.Client) (err error) {
		h, err = c.Probe(ctx)
		return err
	})
	if err != nil {
		return nil
	}
	if ok, why := h.CanMakeHomes(); !ok {
		e.Failed(errors.New(why))
	}
	return h
}

// Unreachable returns why the helper, which is needed for the ebpf engine, gives no
// answer, as far as is known without asking it.
func (e *Engines) Unreachable() error {
	_, err := e.helper.State()
	return err
}

// Failed notes that no home could be made, so that the next choices are another
// engine, for a while. That the caller stopped waiting for the home says nothing.
func (e *Engines) Failed(err error) {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || helperapi.Taken(err) || stall.Is(err) {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.cannot, e.cannotAt = fmt.Sprintf("%v (tried again after %v)", err, retry), time.Now()
}

// worked notes that a home was made.
func (e *Engines) worked() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.cannot = ""
}

// Choose returns the engine for a new home: the one that is wanted, or the first that
// works, and why.
func (e *Engines) Choose(ctx context.Context, want loopback.Engine) (loopback.Engine, string, error) {
	if want == "" || want == loopback.EBPF {
		ok, why := e.EBPF(ctx)
		if ok {
			return loopback.EBPF, reason(want, why), nil
		}
		if want != "" {
			return "", "", &localapi.Error{Message: "use engine ebpf: " + why, Hint: "lodge doctor, or --engine seccomp"}
		}
		return Without(want, "ebpf: "+why)
	}
	return Without(want, "")
}

// Without is [Engines.Choose] where there is no engine ebpf, because of no. It asks no
// helper.
func Without(want loopback.Engine, no string) (loopback.Engine, string, error) {
	if want == "" || want == loopback.Seccomp {
		ok, why := support.Check()
		if ok {
			if no != "" {
				why = no
			}
			return loopback.Seccomp, reason(want, why), nil
		}
		if want != "" {
			return "", "", &localapi.Error{Message: "use engine seccomp: " + why, Hint: "lodge doctor, or --engine none"}
		}
		no += "; seccomp: " + why
	}
	return loopback.None, reason(want, no), nil
}

func reason(want loopback.Engine, why string) string {
	if want != "" {
		return "asked for"
	}
	return why
}
