package run

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"lodge/internal/cli/kit"
	"lodge/internal/cli/session"
	"lodge/internal/keeperapi"
	"lodge/internal/localapi"
	"lodge/internal/operation"
	"lodge/internal/service"
)

// told prints the session's project as JSON, after what was asked of it ended
// with err, which it returns.
func told(ctx context.Context, k *kit.Kit, c *localapi.Client, s *localapi.Session, err error) error {
	if ctx.Err() != nil {
		return err
	}
	ps, perr := operation.Current(ctx, c, s.Project.ID)
	if perr == nil {
		perr = k.PrintJSON(localapi.Projects{Projects: ps})
	}
	if err == nil {
		return perr
	}
	return err
}

// Wait returns the command lodge wait.
func Wait(k *kit.Kit) *cobra.Command {
	sel := session.Select(k)
	var timeout string
	var asJSON bool
	c := &cobra.Command{
		Use:   "wait [SERVICE...]",
		Short: "Wait until services are ready",
		Long: "Wait until the services named, or all, are ready, or have ended with status 0. It fails as soon as one has failed.\n" +
			"One that is not up is a failure too, unless a timeout is given: then it is waited for.",
		Example: `  lodge wait web --timeout 30s
  lodge up & lodge wait --timeout 2m && npm test`,
		RunE: sel.WithServices(func(c *cobra.Command, names []string) error {
			limit, err := time.Duration(0), error(nil)
			if timeout != "" {
				if limit, err = parseTimeout(timeout); err != nil {
					return &kit.UsageError{Err: err, Hint: "--timeout 30s"}
				}
			}
			return awaitServices(c.Context(), sel, names, limit, asJSON)
		}),
	}
	c.Flags().StringVar(&timeout, "timeout", "", "give up after `TIME`, such as 30s or 2m (default: never)")
	c.Flags().BoolVar(&asJSON, "json", false, "the project as JSON, as lodge ls has it, also if a service failed")
	sel.Flag(c)
	sel.CompleteServices(c, 0)
	return c
}

// parseTimeout reads a duration, or a number of seconds, that is not zero.
func parseTimeout(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	if n, nerr := strconv.ParseFloat(s, 64); nerr == nil {
		d, err = time.Duration(n*float64(time.Second)), nil
	}
	if err != nil {
		return 0, fmt.Errorf("read timeout %q: it is no duration", s)
	}
	if d <= 0 {
		return 0, fmt.Errorf("read timeout %q: it is not longer than 0", s)
	}
	return d, nil
}

// waitEvery is how often a project is looked for that is not up yet.
const waitEvery = 100 * time.Millisecond

// awaitServices waits for services, for no longer than limit; 0 is no limit.
func awaitServices(ctx context.Context, sel *session.Selection, names []string, limit time.Duration, asJSON bool) error {
	c, err := session.Connect(ctx, sel.Kit)
	if err != nil {
		return err
	}
	defer c.Close()
	waiting := ctx
	if limit > 0 {
		var cancel context.CancelFunc
		waiting, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	w := &waiter{names: names, patient: limit > 0}
	for {
		st, err := sel.Find(waiting, c, false)
		var none *operation.NotUpError
		switch {
		case err == nil:
			s := localapi.NewSession(st)
			err = sel.Patient(s, true).Watch(waiting, w.look)
			if errors.Is(err, errReady) {
				err = nil
			}
			gone := errors.Is(err, keeperapi.ErrGone) || errors.Is(err, keeperapi.ErrUnreachable)
			if late := waiting.Err() != nil && ctx.Err() == nil; late && err != nil {
				err = w.late(limit)
			} else if gone && w.patient {
				break // another may come
			} else if gone {
				err = fmt.Errorf("wait for services of %s: it was stopped", st.Shown())
			}
			if asJSON {
				return told(ctx, sel.Kit, c, s, err)
			}
			return err
		case waiting.Err() != nil && ctx.Err() == nil:
			return w.late(limit)
		case !errors.As(err, &none) || !w.patient:
			return err
		}
		select {
		case <-time.After(waitEvery):
		case <-waiting.Done():
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return w.late(limit)
		}
	}
}

var errReady = errors.New("all are ready")

// waiter looks at the states of a project until all services are ready.
type waiter struct {
	names   []string
	patient bool // what is not started may be soon
	missing service.Status
}

// look ends the watch with errReady, or with why they will not be.
func (w *waiter) look(p keeperapi.Project) error {
	var known, defined []string
	for _, s := range p.Services {
		known = append(known, s.Name)
		if s.Kind == service.KindService {
			defined = append(defined, s.Name)
		}
	}
	names := w.names
	if len(names) == 0 {
		names = defined
	}
	if len(names) == 0 && !w.patient {
		return &kit.Hinted{Err: fmt.Errorf("wait for services of %s: it has none", p.Name), Hint: "lodge up -d"}
	}
	w.missing = service.Status{}
	for _, n := range names {
		i := slices.Index(known, n)
		switch {
		case i < 0 && w.patient && len(defined) == 0:
			w.missing = service.Status{Name: n, State: service.Stopped}
			continue
		case i < 0:
			return &kit.UsageError{Err: fmt.Errorf("wait for service %s: no such service", n), Hint: "there are: " + strings.Join(known, ", ")}
		}
		switch s := p.Services[i]; s.State {
		case service.Up, service.Exited, service.Idle:
		case service.Failed:
			return &keeperapi.Error{Service: n, Message: fmt.Sprintf("wait for service %s: it failed: %s", n, s.Reason)}
		case service.Stopped:
			if !w.patient {
				return &keeperapi.Error{Service: n, Message: fmt.Sprintf("wait for service %s: it is stopped", n), Hint: "lodge up -d " + n}
			}
			w.missing = s
		default:
			w.missing = s
		}
	}
	if w.missing.Name != "" || len(names) == 0 {
		return nil
	}
	return errReady
}

// late is the error after the timeout.
func (w *waiter) late(limit time.Duration) error {
	s := w.missing
	if s.Name == "" {
		return &kit.Hinted{Err: fmt.Errorf("wait for services: not up after %s", limit), Hint: "lodge up -d"}
	}
	text := fmt.Sprintf("wait for service %s: not ready after %s: it is %s", s.Name, limit, s.State)
	if s.Reason != "" {
		text += ": " + s.Reason
	}
	return &keeperapi.Error{Service: s.Name, Message: text}
}
