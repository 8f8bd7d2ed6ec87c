package events

import (
	"fmt"
	"net"
	"strconv"

	"lodge/internal/event"
)

// socketText returns what happened to a socket, in words: "tcp 127.0.0.1:80 opened,
// listen, nginx (pid 7)".
func socketText(s *event.Socket) string {
	if s.Change == event.SocketsFollowed {
		return fmt.Sprintf("sockets are followed from here on; there are %d", s.Sockets)
	}
	text := s.Protocol
	switch {
	case s.Local != nil && s.Remote != nil:
		text += " " + socketAddress(s.Local) + " to " + socketAddress(s.Remote)
	case s.Local != nil:
		text += " " + socketAddress(s.Local)
	case s.Path != "":
		text += " " + s.Path
	}
	switch s.Change {
	case event.SocketOpen:
		text += " opened, " + s.State
	case event.SocketClose:
		text += " closed, was " + s.State
	case event.SocketState:
		text += " " + s.State
		if s.StateBefore != s.State {
			text += ", was " + s.StateBefore
		}
	case event.SocketHolder:
		text += " has another holder"
	default:
		text += " " + s.Change
	}
	switch {
	case s.PID == 0:
		return text
	case s.Process != "":
		return text + fmt.Sprintf(", %s (process %d)", s.Process, s.PID)
	}
	return text + fmt.Sprintf(", process %d", s.PID)
}

func socketAddress(a *event.SocketAddress) string {
	return net.JoinHostPort(a.IP, strconv.Itoa(int(a.Port)))
}
