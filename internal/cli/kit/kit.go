// Package kit is what every command of lodge needs: the environment of a run, exit
// statuses, errors with hints, output, the decisions about terminals, and signals.
// It knows no command, and reaches no daemon.
package kit

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"

	"lodge/internal/localapi"
	"lodge/internal/show"
	"lodge/internal/stall"
)

// Env is what a command line runs in.
type Env struct {
	Args    []string // without the program's name
	Environ []string
	Dir     string // the working directory, absolute
	DirErr  error  // why it is not known; Dir is / then
	Stdin   *os.File
	Stdout  *os.File
	Stderr  *os.File
	// Lodged is the daemon's program, Helper the privileged one; both are paths.
	Lodged, Helper string
	Version        string
	// Exec executes a program in the place of this one, like [syscall.Exec], which is
	// called where it is nil. Tests run the program's code instead, and return its exit
	// status as an [*ExitError].
	Exec func(path string, argv, environ []string) error
	// Exit ends the process at once, like [os.Exit]; nil: every command is waited for,
	// and none is taken for a brief one.
	Exit func(status int)
}

// Kit is one run of the command line. Commands are functions of it.
type Kit struct {
	Env Env
	// Out has the results: Env.Stdout, behind [Results].
	Out io.Writer
	// Err has everything else: Env.Stderr.
	Err io.Writer

	signals  *interrupts // nil before Run
	remarked atomic.Bool // see Remark
}

// New returns the kit of a run in env. Results go to out.
func New(env Env, out io.Writer) *Kit { return &Kit{Env: env, Out: out, Err: env.Stderr} }

// Getenv returns the last value of a variable of the run's environment, or "".
func (k *Kit) Getenv(key string) string {
	for i := len(k.Env.Environ) - 1; i >= 0; i-- {
		if v, ok := strings.CutPrefix(k.Env.Environ[i], key+"="); ok {
			return v
		}
	}
	return ""
}

// WantsColor reports whether f is a terminal that may have colours.
func (k *Kit) WantsColor(f *os.File) bool {
	return show.WantsColor(IsTerminal(f), k.Getenv("NO_COLOR"), k.Getenv("TERM"))
}

// PrintJSON prints a result as JSON.
func (k *Kit) PrintJSON(v any) error { return show.JSON(k.Out, v) }

// Warn prints warnings, one a line.
func (k *Kit) Warn(texts ...string) {
	for _, w := range texts {
		fmt.Fprintln(k.Err, "lodge: "+w)
	}
}

// Remark prints a remark that is no warning, such as that a process is of another
// version. Only the first remark of a run is printed.
func (k *Kit) Remark(text string) {
	if !k.remarked.Swap(true) {
		k.Warn(text)
	}
}

// NoteHalted tells that a process that is waited for does not run. The wait
// goes on.
func (k *Kit) NoteHalted(e *stall.Error) {
	end := "\n"
	if IsTerminal(k.Env.Stderr) {
		end = "\r\n" // the terminal may be raw
	}
	fmt.Fprintf(k.Err, "lodge: %v; waiting (hint: %s)%s", e, e.Hint(), end)
}

// HaltedNotes returns a line for each project whose keeper does not answer.
func HaltedNotes(ps []localapi.Project) []string {
	var out []string
	for _, p := range ps {
		if p.Unresponsive == "" {
			continue
		}
		text := fmt.Sprintf("project %s: %s; its state is that of before", p.Shown(), p.Unresponsive)
		if p.UnresponsiveHint != "" {
			text += " (hint: " + p.UnresponsiveHint + ")"
		}
		out = append(out, text)
	}
	return out
}
