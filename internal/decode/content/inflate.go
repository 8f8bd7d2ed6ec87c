package content

import (
	"bufio"
	"bytes"
	"compress/flate"
	"compress/gzip"
	"errors"
	"io"

	"github.com/andybalholm/brotli"

	"lodge/internal/decode/zstd"
)

// Decompress undoes one coding, "gzip", "deflate", "br" or "zstd", and returns at most
// limit bytes; more reports that there are more. Where the input is cut off or damaged
// it returns what is before, and an error. Senders of "deflate" disagree whether
// it has zlib's header: both are accepted.
func Decompress(coding string, b []byte, limit int) (out []byte, more bool, err error) {
	if len(b) == 0 {
		return nil, false, nil
	}
	in := bufio.NewReaderSize(bytes.NewReader(b), 16)
	var z io.Reader
	switch coding {
	case "gzip":
		g, err := gzip.NewReader(in)
		if err != nil {
			return nil, false, cutOff(err)
		}
		z = g
	case "deflate":
		if zlibHeader(b) {
			_, _ = in.Discard(2)
		}
		z = flate.NewReader(in)
	case "br":
		z = brotli.NewReader(in)
	case "zstd":
		return zstd.Decompress(b, limit)
	default:
		return nil, false, errors.ErrUnsupported
	}
	var buf bytes.Buffer
	n, err := io.Copy(&buf, io.LimitReader(z, int64(limit)+1))
	if n > int64(limit) {
		return buf.Bytes()[:limit], true, nil
	}
	return buf.Bytes(), false, cutOff(err)
}

// cutOff returns the same error for an input that ends in a header, as for one
// that ends later.
func cutOff(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// zlibHeader reports whether b begins with zlib's header (RFC 1950).
func zlibHeader(b []byte) bool {
	return len(b) >= 2 && b[0]&0x0f == 8 && (int(b[0])<<8|int(b[1]))%31 == 0 && b[1]&0x20 == 0
}

// windowBytes is how far back DEFLATE refers.
const windowBytes = 32 << 10

// ErrTooMuch is that a piece has more bytes than it may have.
var ErrTooMuch = errors.New("too many bytes after decompression")

// Inflater decompresses the pieces of one DEFLATE stream, each of which ends at a
// byte after an empty block of which the last four bytes, 00 00 FF FF, may be
// missing: the messages of a WebSocket (RFC 7692), or what was flushed of a body.
// The zero Inflater is ready.
type Inflater struct {
	z      io.ReadCloser
	in     bytes.Reader
	piece  []byte
	window []byte
}

// flushed is the rest of an empty stored block, and an empty final one.
const flushed = "\x00\x00\xff\xff\x01\x00\x00\xff\xff"

// Piece decompresses a piece. It returns at most limit bytes of it, and how many
// there are; where there are more than most, an error. After keep, the next piece
// may refer to what this one and those before it had.
func (f *Inflater) Piece(piece []byte, keep bool, limit, most int) (out []byte, n int64, err error) {
	f.piece = append(append(f.piece[:0], piece...), flushed...)
	f.in.Reset(f.piece)
	if f.z == nil {
		f.z = flate.NewReaderDict(&f.in, f.window)
	} else if err := f.z.(flate.Resetter).Reset(&f.in, f.window); err != nil {
		return nil, 0, err
	}
	var chunk [4096]byte
	for err == nil {
		var got int
		got, err = f.z.Read(chunk[:])
		b := chunk[:got]
		n += int64(got)
		if room := limit - len(out); room > 0 {
			out = append(out, b[:min(room, len(b))]...)
		}
		if keep {
			f.remember(b)
		}
		if n > int64(most) && err == nil {
			err = ErrTooMuch
		}
	}
	if cap(f.piece) > 64<<10 {
		f.piece = nil
	}
	if errors.Is(err, io.EOF) {
		return out, n, nil
	}
	return out, n, err
}

// remember adds to the window, which has its capacity once and moves seldom.
func (f *Inflater) remember(b []byte) {
	b = b[max(0, len(b)-windowBytes):]
	if f.window == nil {
		f.window = make([]byte, 0, 2*windowBytes)
	}
	if len(f.window)+len(b) > cap(f.window) {
		keep := f.window[len(f.window)-windowBytes:]
		f.window = f.window[:copy(f.window[:windowBytes], keep)]
	}
	f.window = append(f.window, b...)
}
