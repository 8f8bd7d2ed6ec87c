package websocket

import "encoding/binary"

// The opcodes (RFC 6455 section 5.2).
const (
	opContinuation = 0
	opText         = 1
	opBinary       = 2
	opClose        = 8
	opPing         = 9
	opPong         = 10
)

// frame is the header of a frame.
type frame struct {
	fin    bool
	rsv    byte // RSV1 is bit 2, RSV3 bit 0
	opcode byte
	masked bool
	key    [4]byte
	length int64 // of the payload; negative where it is not valid
	header int   // bytes of the header itself
}

// alone reports whether the frame is a message of its own: those of control are, and
// those of an opcode that means nothing.
func (f *frame) alone() bool { return f.opcode > opBinary }

// reserved reports whether the opcode means nothing.
func (f *frame) reserved() bool {
	return f.opcode > opBinary && f.opcode < opClose || f.opcode > opPong
}

// control reports whether the opcode is one of control frames.
func (f *frame) control() bool { return f.opcode >= opClose }

// shortest reports whether the length is written in as few bytes as it can be (RFC
// 6455 section 5.2).
func (f *frame) shortest() bool {
	n := f.header - 2
	if f.masked {
		n -= 4
	}
	return n == 0 || n == 2 && f.length > 125 || n == 8 && f.length > 0xffff
}

// parseHeader reads the header of a frame, and reports whether all of it is
// there.
func parseHeader(b []byte) (f frame, ok bool) {
	if len(b) < 2 {
		return f, false
	}
	f = frame{fin: b[0]&0x80 != 0, rsv: b[0] >> 4 & 7, opcode: b[0] & 15, masked: b[1]&0x80 != 0, length: int64(b[1] & 0x7f), header: 2}
	switch f.length {
	case 126:
		f.header = 4
	case 127:
		f.header = 10
	}
	n := f.header
	if f.masked {
		f.header += 4
	}
	if len(b) < f.header {
		return f, false
	}
	switch n {
	case 4:
		f.length = int64(binary.BigEndian.Uint16(b[2:]))
	case 10:
		f.length = int64(binary.BigEndian.Uint64(b[2:]))
	}
	if f.masked {
		f.key = [4]byte(b[n:])
	}
	return f, true
}

// unmask unmasks a part of the payload, in place, from a position on.
func (f *frame) unmask(b []byte, at int64) {
	key := f.key
	for i := range key {
		key[i] = f.key[(int(at&3)+i)&3]
	}
	word := uint64(binary.LittleEndian.Uint32(key[:]))
	word |= word << 32
	for len(b) >= 8 {
		binary.LittleEndian.PutUint64(b, binary.LittleEndian.Uint64(b)^word)
		b = b[8:]
	}
	for i := range b {
		b[i] ^= key[i&3]
	}
}
