package explain

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"lodge/internal/cli/kit"
	"lodge/internal/explain"
	explainfacts "lodge/internal/explain/facts"
	"lodge/internal/pidfd"
)

// endPatience is how long a process has to end after SIGTERM.
const endPatience = 10 * time.Second

// endHolders ends the processes that hold the address, after asking.
func endHolders(ctx context.Context, k *kit.Kit, f *explainfacts.Facts, yes bool) error {
	victims := explain.Victims(f)
	if why := explain.NoVictim(f); len(victims) == 0 && why != nil {
		return &kit.Hinted{Err: why, Hint: why.Hint}
	}
	if len(victims) == 0 {
		return &kit.Hinted{Err: errors.New("end process: no process that can be seen holds it"), Hint: "another user's processes are seen by root only"}
	}
	fmt.Fprintln(k.Out)
	for _, v := range victims {
		line := fmt.Sprintf("pid %d, %s", v.PID, v.Name)
		if v.Command != "" {
			line = fmt.Sprintf("pid %d, %s", v.PID, v.Command)
		}
		if v.User != "" {
			line += ", user " + v.User
		}
		if v.Warning != "" {
			fmt.Fprintf(k.Err, "lodge: %s (better: %s)\n", v.Warning, v.Stop)
		}
		if !yes {
			ok, err := confirm(ctx, k, "end "+line+"? [y/N] ")
			if err != nil {
				return err
			}
			if !ok {
				return &kit.Hinted{Err: fmt.Errorf("end process %d: not ended, as was answered", v.PID), Hint: "answer y, or use --yes"}
			}
		}
		err := explain.End(ctx, v, endPatience)
		switch {
		case errors.Is(err, pidfd.ErrGone):
			fmt.Fprintf(k.Out, "%s: has ended already\n", line)
		case errors.Is(err, pidfd.ErrStays):
			return &kit.Hinted{Err: err, Hint: fmt.Sprintf("kill -KILL %d ends it without asking it", v.PID)}
		case errors.Is(err, os.ErrPermission):
			return &kit.Hinted{Err: err, Hint: "it is another user's: run lodge explain --kill as root"}
		case err != nil:
			return err
		default:
			fmt.Fprintf(k.Out, "%s: ended\n", line)
		}
	}
	return nil
}

// confirm asks a question on the terminal. Without one there is no answer.
func confirm(ctx context.Context, k *kit.Kit, question string) (bool, error) {
	if !kit.IsTerminal(k.Env.Stdin) {
		return false, &kit.UsageError{Err: errors.New("--kill asks, and standard input is no terminal"), Hint: "lodge explain --kill --yes WHAT"}
	}
	fmt.Fprint(k.Err, question)
	answer := make(chan string, 1)
	go func() { // ends with a line, or with the program: a read cannot be undone
		s, _ := bufio.NewReader(k.Env.Stdin).ReadString('\n')
		answer <- s
	}()
	select {
	case s := <-answer:
		s = strings.ToLower(strings.TrimSpace(s))
		return s == "y" || s == "yes", nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}
