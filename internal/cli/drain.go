package cli

import (
	"os"
	"time"
)

// drain waits for the last output of a command that has ended. A process that
// it left behind may hold the terminal open, so the wait is short.
func drain(f *os.File, shown <-chan struct{}) {
	t := time.NewTimer(300 * time.Millisecond)
	defer t.Stop()
	select {
	case <-shown:
	case <-t.C:
		_ = f.SetReadDeadline(time.Now())
	}
}
