package cli

import (
	"context"
	"errors"

	"golang.org/x/sys/unix"
)

// untilReaderGone returns a context that ends, too, when standard output has no
// reader any more, as in `lodge logs -f | head -1`: the next write, which would
// fail, may not come for hours. The caller calls stop.
func (a *app) untilReaderGone(ctx context.Context) (reading context.Context, stop func()) {
	reading, cancel := context.WithCancel(ctx)
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return reading, cancel // the next write fails
	}
	ended := make(chan struct{})
	out := a.env.Stdout
	go func() {
		defer close(ended)
		defer cancel()
		fds := []unix.PollFd{{Fd: int32(wake), Events: unix.POLLIN}, {Fd: int32(out.Fd())}} // POLLERR and POLLHUP come unasked
		for {
			if _, err := unix.Poll(fds, -1); !errors.Is(err, unix.EINTR) {
				return
			}
		}
	}()
	return reading, func() {
		cancel()
		_, _ = unix.Write(wake, []byte{1, 0, 0, 0, 0, 0, 0, 0}) // an eventfd takes it
		<-ended
		_ = unix.Close(wake) // nothing is lost
	}
}
