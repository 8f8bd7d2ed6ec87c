package sockets

func known(n *uint32) uint32 {
	if n == nil {
		return 0
	}
	return *n
}
