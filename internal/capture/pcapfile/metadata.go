package pcapfile

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"strings"
	"time"
)

// Records of the Name Resolution Block.
const (
	recordEnd  = 0
	recordIPv4 = 1
	recordIPv6 = 2
)

// nameCost is the factor by which names take more memory, for their length, than
// other blocks.
const nameCost = 3

// names reads a Name Resolution Block.
func (p *pcapng) names(b []byte) error {
	if !p.have.keep(len(b) * nameCost) {
		return nil
	}
	for {
		if len(b) == 0 {
			return nil // without the end record that should be there
		}
		if len(b) < 4 {
			return malformed("%d bytes are left where a record should be", len(b))
		}
		kind, n := p.order.Uint16(b), int(p.order.Uint16(b[2:]))
		b = b[4:]
		if kind == recordEnd {
			return nil // options follow, none of which is kept
		}
		if n > len(b) {
			return malformed("a record has the length %d, with %d bytes left", n, len(b))
		}
		size := 4
		switch kind {
		case recordIPv6:
			size = 16
			fallthrough
		case recordIPv4:
			if n < size {
				return malformed("a record of an address has the length %d", n)
			}
			addr, _ := netip.AddrFromSlice(b[:size])
			name := Name{Addr: addr}
			for s := range strings.SplitSeq(string(b[size:n]), "\x00") {
				if s != "" {
					name.Names = append(name.Names, s)
				}
			}
			p.have.names = append(p.have.names, name)
		}
		b = b[min(padded(n), len(b)):]
	}
}

// statistics reads an Interface Statistics Block.
func (p *pcapng) statistics(b []byte) error {
	if len(b) < 12 {
		return malformed("it has %d bytes", len(b)+minBlock)
	}
	index, iface, err := p.lookup(p.order.Uint32(b))
	if err != nil || !p.have.keep(len(b)) {
		return err
	}
	stamp := func(hi, lo uint32) time.Time { return iface.clock.time(uint64(hi)<<32 | uint64(lo)) }
	s := Statistics{Interface: index, Time: stamp(p.order.Uint32(b[4:]), p.order.Uint32(b[8:]))}
	err = options(b[12:], p.order, func(o option) error {
		switch o.code {
		case optComment:
			s.Comments = append(s.Comments, o.text())
		case optStatisticsStart, optStatisticsEnd:
			hi, lo, err := o.pair()
			if o.code == optStatisticsStart {
				s.Start = stamp(hi, lo)
			} else {
				s.End = stamp(hi, lo)
			}
			return err
		case optStatisticsReceived:
			return o.count(&s.Received)
		case optStatisticsDropped:
			return o.count(&s.Dropped)
		case optStatisticsAccepted:
			return o.count(&s.Accepted)
		case optStatisticsOSDropped:
			return o.count(&s.OSDropped)
		case optStatisticsDelivered:
			return o.count(&s.Delivered)
		}
		return nil
	})
	if err != nil {
		return err
	}
	p.have.statistics = append(p.have.statistics, s)
	return nil
}

// secrets reads a Decryption Secrets Block.
func (p *pcapng) secrets(b []byte) error {
	if len(b) < 8 {
		return malformed("it has %d bytes", len(b)+minBlock)
	}
	kind, n := p.order.Uint32(b), p.order.Uint32(b[4:])
	b = b[8:]
	if uint64(n) > uint64(len(b)) {
		return malformed("its secrets have the length %d, with %d bytes left", n, len(b))
	}
	if !p.have.keep(len(b)) {
		return nil
	}
	s := Secrets{Type: kind, Data: bytes.Clone(b[:n])}
	if err := options(b[min(padded(int(n)), len(b)):], p.order, comments(&s.Comments)); err != nil {
		return err
	}
	p.have.secrets = append(p.have.secrets, s)
	return nil
}

// comments returns a function for options that appends those that are comments.
func comments(to *[]string) func(option) error {
	return func(o option) error {
		if o.code == optComment {
			*to = append(*to, o.text())
		}
		return nil
	}
}

// Custom Blocks of the Wireshark Foundation.
const (
	penWireshark = 32622
	entryProcess = 3
)

// custom reads a Custom Block: a process, or one that is skipped.
func (p *pcapng) custom(b []byte) error {
	if len(b) < 4 {
		return malformed("it has %d bytes", len(b)+minBlock)
	}
	if p.order.Uint32(b) != penWireshark {
		p.have.counts.Skipped++
		return nil
	}
	// What follows is little-endian in sections of both byte orders, but for the
	// options of the block, which follow the entry.
	b = b[4:]
	if len(b) < 8 {
		return malformed("an entry of Wireshark's has %d bytes", len(b))
	}
	kind, n := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:])
	b = b[8:]
	if kind != entryProcess {
		p.have.counts.Skipped++
		return nil
	}
	if n < 4 || uint64(n) > uint64(len(b)) {
		return malformed("a process has the length %d, with %d bytes left", n, len(b))
	}
	if !p.have.keep(len(b)) {
		return nil
	}
	process, err := readProcess(b[:n])
	if err != nil {
		return err
	}
	if err := options(b[min(padded(int(n)), len(b)):], p.order, comments(&process.Comments)); err != nil {
		return err
	}
	p.have.addProcess(process)
	return nil
}

// readProcess reads the body of a Process Information Block.
func readProcess(b []byte) (Process, error) {
	process := Process{PID: binary.LittleEndian.Uint32(b)}
	err := options(b[4:], binary.LittleEndian, func(o option) error {
		switch o.code {
		case optComment:
			process.Comments = append(process.Comments, o.text())
		case optProcessName:
			process.Name = o.text()
		case optProcessPath:
			process.Path = o.text()
		case optProcessArgs:
			if len(o.value) > 0 {
				process.Args = strings.Split(string(o.value), "\x00")
			}
		case optProcessPPID:
			return o.uint32(&process.PPID)
		case optProcessUID:
			process.HasUID = true
			return o.uint32(&process.UID)
		case optProcessUser:
			process.User = o.text()
		case optProcessUUID:
			process.UUID = bytes.Clone(o.value)
			return o.size(16)
		case optProcessStarted:
			var ns uint64
			if err := o.uint64(&ns); err != nil {
				return err
			}
			process.Started = time.Unix(int64(ns/1e9), int64(ns%1e9)).UTC()
		}
		return nil
	})
	return process, err
}
