package pcapfile

import (
	"bytes"
	"encoding/binary"
)

// Options of all blocks.
const (
	optEnd     = 0
	optComment = 1
)

// Options of the Section Header Block.
const (
	optSectionHardware    = 2
	optSectionOS          = 3
	optSectionApplication = 4
)

// Options of the Interface Description Block.
const (
	optInterfaceName        = 2
	optInterfaceDescription = 3
	optInterfaceResolution  = 9
	optInterfaceFilter      = 11
	optInterfaceOS          = 12
	optInterfaceOffset      = 14
	optInterfaceHardware    = 15
)

// Options of the Enhanced Packet Block and the Packet Block.
const (
	optPacketFlags     = 2
	optPacketDropCount = 4
	optPacketProcess   = 8 // epb_processid_threadid
)

// Options of the Interface Statistics Block.
const (
	optStatisticsStart     = 2
	optStatisticsEnd       = 3
	optStatisticsReceived  = 4
	optStatisticsDropped   = 5
	optStatisticsAccepted  = 6
	optStatisticsOSDropped = 7
	optStatisticsDelivered = 8
)

// Options of the Process Information Block (wtap_opttypes.h of Wireshark).
const (
	optProcessName    = 2
	optProcessPath    = 3
	optProcessArgs    = 4
	optProcessPPID    = 5
	optProcessUID     = 6
	optProcessUser    = 7
	optProcessUUID    = 8
	optProcessStarted = 9
)

// option is one option of a block.
type option struct {
	code  uint16
	value []byte
	order binary.ByteOrder
}

// maxOptions bounds the options of a block, and so the memory for many short
// ones.
const maxOptions = 1 << 16

// options calls f for each option in b.
func options(b []byte, order binary.ByteOrder, f func(option) error) error {
	for n := 0; len(b) > 0; n++ {
		if n == maxOptions {
			return malformed("more than %d options", maxOptions)
		}
		if len(b) < 4 {
			return malformed("%d bytes are left where an option should be", len(b))
		}
		code, n := order.Uint16(b), int(order.Uint16(b[2:]))
		b = b[4:]
		if code == optEnd {
			return nil
		}
		if n > len(b) {
			return malformed("option %d has the length %d, with %d bytes left", code, n, len(b))
		}
		if err := f(option{code, b[:n], order}); err != nil {
			return err
		}
		b = b[min(padded(n), len(b)):]
	}
	return nil
}

// padded returns n rounded up to a multiple of 4.
func padded(n int) int { return (n + 3) &^ 3 }

// text returns the value of a string.
func (o option) text() string {
	s, _, _ := bytes.Cut(o.value, []byte{0})
	return string(s)
}

// size returns an error if the value has not n bytes.
func (o option) size(n int) error {
	if len(o.value) != n {
		return malformed("option %d has the length %d, not %d", o.code, len(o.value), n)
	}
	return nil
}

func (o option) uint32(to *uint32) error {
	if err := o.size(4); err != nil {
		return err
	}
	*to = o.order.Uint32(o.value)
	return nil
}

func (o option) uint64(to *uint64) error {
	if err := o.size(8); err != nil {
		return err
	}
	*to = o.order.Uint64(o.value)
	return nil
}

// pair reads two 32-bit numbers: the halves of a timestamp, the upper one first
// in both byte orders, or a process and a thread.
func (o option) pair() (first, second uint32, err error) {
	if err := o.size(8); err != nil {
		return 0, 0, err
	}
	return o.order.Uint32(o.value), o.order.Uint32(o.value[4:]), nil
}

func (o option) count(to *Count) error {
	to.Known = true
	return o.uint64(&to.N)
}
