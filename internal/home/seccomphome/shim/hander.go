package shim

import (
	"errors"
	"runtime"

	"lodge/internal/fdpass"

	"golang.org/x/sys/unix"
)

// hander sends the filter's descriptor to the keeper. It has a thread of its
// own, made before the filter is set: the filter is on one thread only, and
// that of a strict home stops sendmsg until the keeper has the descriptor.
type hander struct {
	listener chan int
	sent     chan error
}

func newHander(fd int) *hander {
	h := &hander{listener: make(chan int), sent: make(chan error)}
	started := make(chan struct{})
	go func() {
		runtime.LockOSThread()
		close(started)
		ready, rights := Reply{Kind: replyReady}.encode(), fdpass.Encode(<-h.listener)
		for {
			err := unix.Sendmsg(fd, ready, rights, nil, unix.MSG_NOSIGNAL)
			if !errors.Is(err, unix.EINTR) {
				h.sent <- err
				return
			}
		}
	}()
	<-started
	return h
}

// send returns when the keeper can receive the descriptor.
func (h *hander) send(listener int) error {
	h.listener <- listener
	return <-h.sent
}
