package flood

import "encoding/binary"

// Frame types of HTTP/2 (RFC 9113, section 6), and the flags that matter here.
const (
	frameData     = 0x0
	frameHeaders  = 0x1
	frameReset    = 0x3
	frameSettings = 0x4
	frameGoAway   = 0x7

	flagEndStream = 0x1 // of DATA and HEADERS
	flagPadded    = 0x8
)

// Error codes of HTTP/2 (RFC 9113, section 7).
const (
	codeNo         = 0x0
	codeInternal   = 0x2
	codeCancel     = 0x8
	codeCalm       = 0xb // ENHANCE_YOUR_CALM
	codeInadequate = 0xc // INADEQUATE_SECURITY
)

const (
	frameHeadLen   = 9
	maxFramePrefix = 8 // what is kept of a payload at most
)

// Preface is what a client of HTTP/2 sends first (RFC 9113, section 3.4).
const Preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// frame is the head of a frame, with the part of its payload that tells what
// it costs.
type frame struct {
	typ, flags byte
	length     int
	stream     uint32
	prefix     [maxFramePrefix]byte
}

// data returns the number of bytes that a DATA frame carries.
func (f *frame) data() int {
	if f.flags&flagPadded == 0 {
		return f.length
	}
	return max(f.length-1-int(f.prefix[0]), 0)
}

// code returns the error code of a RST_STREAM or GOAWAY frame.
func (f *frame) code() uint32 {
	if f.typ == frameGoAway {
		return binary.BigEndian.Uint32(f.prefix[4:])
	}
	return binary.BigEndian.Uint32(f.prefix[:])
}

// frameScanner finds the frames in one direction of a connection, in pieces of
// any size. It checks nothing: the server of the connection does.
type frameScanner struct {
	skip int // bytes until the next head: of the preface, or of a payload
	have int // bytes of buf
	want int // bytes of buf that make the frame known; 0: not known yet
	buf  [frameHeadLen + maxFramePrefix]byte
}

// next returns the first frame whose head is complete, and what follows it in
// b. Without one, all of b was taken in.
func (s *frameScanner) next(b []byte) (f frame, rest []byte, ok bool) {
	for len(b) > 0 {
		if s.skip > 0 {
			n := min(s.skip, len(b))
			s.skip, b = s.skip-n, b[n:]
			continue
		}
		want := max(s.want, frameHeadLen)
		n := copy(s.buf[s.have:want], b)
		s.have, b = s.have+n, b[n:]
		if s.have < want {
			break
		}
		h := &s.buf
		f = frame{length: int(h[0])<<16 | int(h[1])<<8 | int(h[2]), typ: h[3], flags: h[4], stream: binary.BigEndian.Uint32(h[5:]) &^ (1 << 31)}
		if s.want == 0 {
			s.want = frameHeadLen + min(f.length, prefixLen(&f))
			if s.want > frameHeadLen {
				continue
			}
		}
		copy(f.prefix[:], h[frameHeadLen:s.want])
		s.skip = f.length - (s.want - frameHeadLen)
		s.have, s.want = 0, 0
		return f, b, true
	}
	return frame{}, nil, false
}

// between reports whether the bytes so far end with a whole frame.
func (s *frameScanner) between() bool { return s.skip == 0 && s.have == 0 }

// prefixLen is how many bytes of the payload tell what a frame costs.
func prefixLen(f *frame) int {
	switch {
	case f.typ == frameData && f.flags&flagPadded != 0:
		return 1
	case f.typ == frameReset:
		return 4
	case f.typ == frameGoAway:
		return 8
	}
	return 0
}

// goAway makes a GOAWAY frame.
func goAway(last, code uint32) []byte {
	b := []byte{0, 0, 8, frameGoAway, 0, 0, 0, 0, 0}
	b = binary.BigEndian.AppendUint32(b, last)
	return binary.BigEndian.AppendUint32(b, code)
}
