package sockets

func queue(n uint32) *uint32 { return &n }

func known(n *uint32) uint32 {
	if n == nil {
		return 0
	}
	return *n
}
