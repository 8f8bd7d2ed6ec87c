package projects

import (
	"context"
	"errors"
	"fmt"

	"lodge/internal/keeperapi"
	"lodge/internal/stall"
)

// unresponsive reports why a keeper did not tell its state, or "" where it is about to
// end.
func unresponsive(p *Project, err error) (reason, hint string) {
	if errors.Is(err, keeperapi.ErrGone) {
		return "", ""
	}
	var why *stall.Error
	if !errors.As(err, &why) {
		h, ok := stall.Look(p.rec.PID)
		if !ok {
			if errors.Is(err, context.DeadlineExceeded) {
				return fmt.Sprintf("its keeper (process %d) did not answer within %v", p.rec.PID, askKeeper), ""
			}
			return fmt.Sprintf("its keeper (process %d) cannot be reached: %s", p.rec.PID, unreachable(err)), "end the project: lodge down --project " + p.rec.Config.ID
		}
		why = &stall.Error{Halt: h}
	}
	return fmt.Sprintf("its keeper (process %d) is %s", why.PID, why.Reason()), why.Hint()
}

// unreachable puts into words why a keeper that runs gives no answer.
func unreachable(err error) string {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return "it does not answer"
	case errors.Is(err, keeperapi.ErrUnreachable):
		return keeperapi.ErrUnreachable.Error()
	case errors.Is(err, keeperapi.ErrGone):
		return "it does not listen"
	}
	return err.Error()
}
