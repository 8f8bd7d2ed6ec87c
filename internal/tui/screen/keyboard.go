package screen

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// escapeTime is how long the keyboard waits for the rest of a sequence. An escape
// character that nothing follows within it is the Escape key.
const escapeTime = 50 * time.Millisecond

// Keyboard reads the terminal in and calls each for every event, until each
// returns false or stop is readable. The end of the input is an error.
func Keyboard(in, stop *os.File, each func(Event) bool) error {
	var d decoder
	buf := make([]byte, 4096)
	for {
		wait := -1
		if d.pending() {
			wait = int(escapeTime.Milliseconds())
		}
		fds := []unix.PollFd{{Fd: int32(in.Fd()), Events: unix.POLLIN}, {Fd: int32(stop.Fd()), Events: unix.POLLIN}}
		n, err := unix.Poll(fds, wait)
		var events []Event
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return fmt.Errorf("read terminal: %w", err)
		case fds[1].Revents != 0:
			return nil
		case n == 0:
			events = d.expire()
		default:
			n, err := unix.Read(int(in.Fd()), buf)
			switch {
			case errors.Is(err, unix.EINTR) || errors.Is(err, unix.EAGAIN):
				continue
			case err != nil:
				return fmt.Errorf("read terminal: %w", err)
			case n == 0:
				return errors.New("read terminal: it is gone")
			}
			events = d.feed(buf[:n])
		}
		for _, e := range events {
			if !each(e) {
				return nil
			}
		}
	}
}
