package facts

import "slices"

// Kernel is what sysctls and counters of this network namespace say.
type Kernel struct {
	// EphemeralFirst to EphemeralLast are the ports of outgoing connections
	// (net.ipv4.ip_local_port_range); zero where it could not be read.
	EphemeralFirst, EphemeralLast uint16
	// Reserved are left out of that range (ip_local_reserved_ports).
	Reserved []Range
	// UnprivilegedStart is the first port that every user may bind.
	UnprivilegedStart uint16
	// Overflows and Drops count, since boot, connections that found a
	// listener's queue full (TcpExt ListenOverflows, ListenDrops).
	Overflows, Drops uint64
	AbortOnOverflow  bool
}

// Range is a range of ports, both ends included.
type Range struct{ First, Last uint16 }

// IsReserved reports whether a port is left out of the ephemeral range.
func (k *Kernel) IsReserved(port uint16) bool {
	return slices.ContainsFunc(k.Reserved, func(r Range) bool { return port >= r.First && port <= r.Last })
}

// IsEphemeral reports whether the kernel may take a port for an outgoing
// connection.
func (k *Kernel) IsEphemeral(port uint16) bool {
	return k.EphemeralLast != 0 && port >= k.EphemeralFirst && port <= k.EphemeralLast && !k.IsReserved(port)
}
