package kit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"lodge/internal/keeperapi"
	"lodge/internal/operation"
	"lodge/internal/project"
	"lodge/internal/show"
	"lodge/internal/stall"
)

// status prints an error, if there is one, as one line to w, and returns the exit
// status.
func status(w io.Writer, err error) int {
	if err == nil {
		return ExitDone
	}
	var ex *ExitError
	if errors.As(err, &ex) {
		return ex.Code
	}
	if errors.Is(err, context.Canceled) {
		return 130
	}
	code, hint := ExitNotDone, ""
	var h *Hinted
	var nu *operation.NotUpError
	var u *UsageError
	var ke *keeperapi.Error
	var p *project.Error
	var halted *stall.Error
	switch {
	case errors.As(err, &u):
		code, hint = ExitUsage, u.Hint
	case errors.As(err, &h):
		hint = h.Hint
	case errors.As(err, &halted):
		hint = halted.Hint()
	case errors.As(err, &nu):
		hint = nu.Hint()
	case errors.As(err, &p):
		code = ExitUsage
	case errors.As(err, &ke):
		hint = ke.Hint
		if hint == "" && ke.Service != "" {
			hint = "lodge logs " + ke.Service
		}
		if ke.Status != 0 {
			code = ke.Status
		}
		for _, l := range ke.LastLines {
			fmt.Fprintf(w, "%s | %s\n", ke.Service, show.Colored(l))
		}
	}
	msg := strings.ReplaceAll(err.Error(), "\n", "; ")
	if hint != "" {
		msg += " (hint: " + hint + ")"
	}
	fmt.Fprintln(w, "lodge: "+msg)
	return code
}

// finish returns the exit status of a command that returned err: that of the signal,
// if one ended it.
func finish(ctx context.Context, w io.Writer, err error) int {
	var by *Interrupted
	if !errors.As(err, &by) && !errors.As(context.Cause(ctx), &by) {
		return status(w, err)
	}
	var ex *ExitError
	if errors.As(err, &ex) {
		return ex.Code
	}
	return by.Status()
}
