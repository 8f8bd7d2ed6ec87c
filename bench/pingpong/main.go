// Command pingpong is the measuring program of bench/home: a server and a
// client that send bytes to each other over TCP and say how long it takes.
//
//	pingpong serve IP:PORT    prints "ready", serves one client, ends with it or with its input
//	pingpong ask IP:PORT      reads orders from its input, prints one number for each
//
// Orders, one a line, CPU numbers for the client and the server last:
//
//	rtt BYTES MILLISECONDS CPU CPU    median round trip, in nanoseconds
//	tput MILLISECONDS CPU CPU         median time for 256 KiB to arrive, in nanoseconds
//	connect MILLISECONDS CPU CPU      median of connect, accept and close, in nanoseconds
//
// It uses blocking system calls on one locked thread, with the collector off,
// so that what is measured is the kernel's road and not Go's. It knows nothing
// of lodge: the same program runs everywhere.
package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"runtime/debug"
	"slices"

	"golang.org/x/sys/unix"
)

func main() {
	debug.SetGCPercent(-1)
	runtime.LockOSThread()
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "pingpong:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 2 {
		return errors.New("usage: pingpong serve|ask IP:PORT")
	}
	at, err := netip.ParseAddrPort(args[1])
	if err != nil || !at.Addr().Is4() {
		return fmt.Errorf("read address %q: not an IPv4 address and port", args[1])
	}
	sa := &unix.SockaddrInet4{Port: int(at.Port()), Addr: at.Addr().As4()}
	switch args[0] {
	case "serve":
		return serve(sa)
	case "ask":
		return ask(sa, os.Stdin, os.Stdout)
	}
	return fmt.Errorf("do %q: serve or ask", args[0])
}

// order is what the client asks of the server, on the connection that both
// keep: eight bytes.
type order struct {
	what  byte // 'r', 't' or 'c'
	cpu   int
	count uint32 // 'r': bytes of a message; 'c': connections that will come
}

func (o order) bytes() []byte {
	b := make([]byte, 8)
	b[0] = o.what
	binary.LittleEndian.PutUint16(b[2:], uint16(o.cpu))
	binary.LittleEndian.PutUint32(b[4:], o.count)
	return b
}

func parseOrder(b []byte) order {
	return order{what: b[0], cpu: int(binary.LittleEndian.Uint16(b[2:])), count: binary.LittleEndian.Uint32(b[4:])}
}

const (
	orderBytes = 8
	writeBytes = 64 << 10  // one write of a one-way stream
	chunkBytes = 256 << 10 // what is timed of it
	least      = 32        // messages or chunks, however long they take
	batch      = 128       // connections between two looks at the clock's end
	maxBytes   = 1 << 20   // of a message
)

func pin(cpu int) error {
	var set unix.CPUSet
	set.Set(cpu)
	return os.NewSyscallError("sched_setaffinity", unix.SchedSetaffinity(0, &set))
}

func median(ns []uint32) uint32 {
	if len(ns) == 0 {
		return 0
	}
	slices.Sort(ns)
	return ns[len(ns)/2]
}
