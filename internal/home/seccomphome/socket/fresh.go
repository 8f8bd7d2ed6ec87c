package socket

import "golang.org/x/sys/unix"

// Fresh returns a new TCP socket of the same kind, with the same options, that
// has no address yet. Its cookie is asked for when it is needed.
func (s *Socket) Fresh() (Socket, error) {
	fd, err := unix.Socket(s.Domain, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, s.Raw)
	if err != nil {
		return Socket{}, err
	}
	fresh := Socket{FD: fd, Domain: s.Domain, Proto: s.Proto, Raw: s.Raw}
	CopyOptions(s.FD, fd)
	return fresh, nil
}

// CopyOptions copies the options that programs set before bind. What one of
// the sockets does not have is left out.
func CopyOptions(from, to int) {
	for _, o := range [][2]int{
		{unix.SOL_SOCKET, unix.SO_REUSEADDR},
		{unix.SOL_SOCKET, unix.SO_REUSEPORT},
		{unix.SOL_SOCKET, unix.SO_KEEPALIVE},
		{unix.IPPROTO_TCP, unix.TCP_NODELAY},
		{unix.IPPROTO_TCP, unix.TCP_KEEPIDLE},
		{unix.IPPROTO_TCP, unix.TCP_KEEPINTVL},
		{unix.IPPROTO_TCP, unix.TCP_KEEPCNT},
		{unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT},
		{unix.IPPROTO_IPV6, unix.IPV6_V6ONLY},
	} {
		v, err := unix.GetsockoptInt(from, o[0], o[1])
		if err != nil {
			continue
		}
		if now, err := unix.GetsockoptInt(to, o[0], o[1]); err == nil && now != v {
			_ = unix.SetsockoptInt(to, o[0], o[1], v) // a wish, not a need
		}
	}
	for _, o := range []int{unix.SO_RCVTIMEO, unix.SO_SNDTIMEO} {
		if v, err := unix.GetsockoptTimeval(from, unix.SOL_SOCKET, o); err == nil {
			_ = unix.SetsockoptTimeval(to, unix.SOL_SOCKET, o, v) // as above
		}
	}
}
