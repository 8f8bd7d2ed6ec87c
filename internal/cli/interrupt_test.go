package cli

import (
	"os"
	"os/signal"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// What `lodge up` does is tried in package test.
func TestAnInterruptedCommandLine(t *testing.T) {
	sh := newShell(t)
	sh.write("lodge.toml", "version = 1\n[services.web]\ncommand = \"sleep 1000\"\nready = false\n")
	sh.ok("up", "-d", "--engine", "none")
	ended := make(chan struct{})
	codes := make(chan int, 1)
	go func() {
		defer close(ended)
		code, _, _ := sh.run("logs", "-f")
		codes <- code
	}()
	// Signals to this process end the command from the moment it catches them.
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	guard := make(chan os.Signal, 1) // until it does, and after
	signal.Notify(guard, unix.SIGINT)
	defer signal.Stop(guard)
	for {
		select {
		case <-ended:
			if code := <-codes; code != 130 {
				t.Errorf("logs -f: %d", code)
			}
			return
		case <-tick.C:
			if err := unix.Kill(os.Getpid(), unix.SIGINT); err != nil {
				t.Fatal(err)
			}
		}
	}
}
