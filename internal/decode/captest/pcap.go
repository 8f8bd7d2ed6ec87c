package captest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"

	"lodge/internal/capture/packet"
)

// record is one packet of a capture file.
type record struct {
	at      time.Time
	link    packet.LinkType
	data    []byte
	origLen int
}

// readPackets calls f with each packet of a capture file. A file that ends within
// a packet ends before it.
func readPackets(file string, f func(record) error) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if len(b) < 24 {
		return errors.New("file is too short for a capture")
	}
	var order binary.ByteOrder = binary.LittleEndian
	magic := order.Uint32(b)
	if magic == 0xd4c3b2a1 || magic == 0x4d3cb2a1 {
		order = binary.BigEndian
		magic = order.Uint32(b)
	}
	unit := time.Microsecond
	switch magic {
	case 0xa1b2c3d4:
	case 0xa1b23c4d:
		unit = time.Nanosecond
	default:
		return fmt.Errorf("file begins with %#x: it is not a pcap file", magic)
	}
	link := packet.LinkType(order.Uint32(b[20:]))
	for b = b[24:]; len(b) >= 16; {
		n := int(order.Uint32(b[8:]))
		if n > len(b)-16 {
			return nil
		}
		r := record{
			at:      time.Unix(int64(order.Uint32(b)), int64(time.Duration(order.Uint32(b[4:]))*unit)),
			link:    link,
			data:    b[16 : 16+n],
			origLen: int(order.Uint32(b[12:])),
		}
		if err := f(r); err != nil {
			return fmt.Errorf("parse packet: %w", err)
		}
		b = b[16+n:]
	}
	return nil
}
