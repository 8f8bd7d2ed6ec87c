package http2

import "strconv"

const headerLen = 9

// maxScanned is the longest frame that a beginning is looked for at: no frame is
// longer unless the receiver allows it, which few do.
const maxScanned = 16384

// preface is what a client sends first.
const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

// The types of frames.
const (
	frameData         = 0x0
	frameHeaders      = 0x1
	framePriority     = 0x2
	frameReset        = 0x3
	frameSettings     = 0x4
	framePush         = 0x5
	framePing         = 0x6
	frameGoAway       = 0x7
	frameWindow       = 0x8
	frameContinuation = 0x9
)

// Flags of frames.
const (
	flagEndStream  = 0x1
	flagAck        = 0x1
	flagEndHeaders = 0x4
	flagPadded     = 0x8
	flagPriority   = 0x20
)

// frame is a frame's header.
type frame struct {
	length int
	kind   byte
	flags  byte
	stream uint32
	r      bool // the reserved bit
}

func parseFrame(b []byte) frame {
	return frame{
		length: int(b[0])<<16 | int(b[1])<<8 | int(b[2]),
		kind:   b[3],
		flags:  b[4],
		stream: be32(b[5:]) &^ (1 << 31),
		r:      b[5]&0x80 != 0,
	}
}

func be32(b []byte) uint32 {
	return uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
}

func (f frame) has(flag byte) bool { return f.flags&flag != 0 }

// flagsOf are the flags that a type of frame may have.
var flagsOf = [...]byte{
	frameData:         flagEndStream | flagPadded,
	frameHeaders:      flagEndStream | flagEndHeaders | flagPadded | flagPriority,
	framePriority:     0,
	frameReset:        0,
	frameSettings:     flagAck,
	framePush:         flagEndHeaders | flagPadded,
	framePing:         flagAck,
	frameGoAway:       0,
	frameWindow:       0,
	frameContinuation: flagEndHeaders,
}

// valid reports whether the header is one that the protocol allows.
func (f frame) valid() bool {
	onStream := f.stream != 0
	switch f.kind {
	case frameData:
		return onStream
	case frameHeaders:
		return onStream
	case framePriority:
		return onStream && f.length == 5
	case frameReset:
		return onStream && f.length == 4
	case frameSettings:
		return !onStream && f.length%6 == 0 && (!f.has(flagAck) || f.length == 0)
	case framePush:
		return onStream && f.length >= 4
	case framePing:
		return !onStream && f.length == 8
	case frameGoAway:
		return !onStream && f.length >= 8
	case frameWindow:
		return f.length == 4
	case frameContinuation:
		return onStream
	}
	return true
}

// likely reports whether bytes that look like this header are one: it is what
// implementations send.
func (f frame) likely() bool {
	return int(f.kind) < len(flagsOf) && f.flags&^flagsOf[f.kind] == 0 && !f.r && f.valid() &&
		f.length <= maxScanned && f.stream < 1<<28 &&
		(f.length > 0 || f.kind != frameHeaders)
}

// codes are the error codes of RST_STREAM and GOAWAY (RFC 9113, section 7).
var codes = [...]string{
	"NO_ERROR", "PROTOCOL_ERROR", "INTERNAL_ERROR", "FLOW_CONTROL_ERROR", "SETTINGS_TIMEOUT", "STREAM_CLOSED",
	"FRAME_SIZE_ERROR", "REFUSED_STREAM", "CANCEL", "COMPRESSION_ERROR", "CONNECT_ERROR", "ENHANCE_YOUR_CALM",
	"INADEQUATE_SECURITY", "HTTP_1_1_REQUIRED",
}

func codeName(code uint32) string {
	if int64(code) < int64(len(codes)) {
		return codes[code]
	}
	return "error " + strconv.FormatUint(uint64(code), 10)
}
