package mysql

import (
	"bytes"
	"compress/zlib"
	"io"
	"slices"
	"time"

	"lodge/internal/decode"
	"lodge/internal/decode/zstd"
)

// inflater undoes the compression of one side:
// https://dev.mysql.com/doc/dev/mysql-server/latest/page_protocol_basic_compression.html
type inflater struct {
	decode.Buffer
	conn *decode.Conn
	side decode.Side
	raw  int64 // bytes that are left of a packet that is not compressed
	// dead means that it is not known where a packet begins; lost bytes were passed
	// over since.
	dead bool
	lost int64
	z    io.ReadCloser
}

const (
	compressedHeader = 7
	inflatedPiece    = 16 << 10 // bytes that are handed on at a time

	// zstdMagic begins what is compressed with zstd and not zlib, of which the first
	// byte is 0x78. Both ends agreed on one, which is not known midstream.
	zstdMagic = "\x28\xb5\x2f\xfd"
)

// read reads the packets that are there: their content goes to data, and the
// number of bytes that cannot be had to gap.
func (z *inflater) read(data func(time.Time, []byte), gap func(int64)) {
	for {
		if z.dead && !z.found() {
			return
		}
		b, at := z.Bytes(), z.At()
		if z.raw > 0 && len(b) > 0 {
			n := min(int(z.raw), len(b))
			z.raw -= int64(n)
			data(at, b[:n])
			z.Advance(int64(n))
			continue
		}
		if len(b) < compressedHeader {
			return
		}
		n := int(b[0]) | int(b[1])<<8 | int(b[2])<<16
		plain := int64(b[4]) | int64(b[5])<<8 | int64(b[6])<<16
		switch {
		case plain == 0:
			z.raw = int64(n)
			z.Advance(compressedHeader)
		case n > max(z.conn.Limits.Message, minHeld):
			z.skip(n, decode.LostTooLong)
			gap(plain)
		case len(b) < compressedHeader+n:
			return
		default:
			got := z.inflate(b[compressedHeader:compressedHeader+n], plain, func(b []byte) { data(at, b) })
			if got < plain {
				z.skip(n, decode.LostMalformed)
				gap(plain - got)
			} else {
				z.Advance(int64(compressedHeader + n))
			}
		}
	}
}

// skip passes over a packet whose content cannot be had.
func (z *inflater) skip(n int, why decode.LossReason) {
	z.Advance(int64(compressedHeader + n))
	z.conn.Lost(decode.Loss{Protocol: Name, Side: z.side, Reason: why, Bytes: int64(compressedHeader + n)})
}

// inflate decompresses a packet, and returns how many bytes that gave, at most
// limit.
func (z *inflater) inflate(b []byte, limit int64, data func([]byte)) int64 {
	if bytes.HasPrefix(b, []byte(zstdMagic)) {
		out, _, _ := zstd.Decompress(b, int(limit)) // what is missing of it is a gap
		for piece := range slices.Chunk(out, inflatedPiece) {
			data(piece)
		}
		return int64(len(out))
	}
	in := bytes.NewReader(b)
	if z.z == nil {
		r, err := zlib.NewReader(in)
		if err != nil {
			return 0
		}
		z.z = r
	} else if z.z.(zlib.Resetter).Reset(in, nil) != nil {
		return 0
	}
	var got int64
	buf := make([]byte, min(limit, inflatedPiece))
	for got < limit {
		n, err := z.z.Read(buf[:min(int64(len(buf)), limit-got)])
		if n > 0 {
			data(buf[:n])
			got += int64(n)
		}
		if err != nil {
			break
		}
	}
	return got
}

// found passes over bytes until a client's packet begins that is recognised;
// those of the server are passed over until resume.
func (z *inflater) found() bool {
	b := z.Bytes()
	for i := range b {
		v := decode.No
		if z.side == decode.Client {
			v = compressedCommand(b[i:])
		}
		if v == decode.No {
			continue
		}
		z.pass(i)
		z.dead = v != decode.Yes
		return !z.dead
	}
	z.pass(len(b))
	return false
}

func (z *inflater) pass(n int) {
	z.Advance(int64(n))
	z.lost += int64(n)
}

// resume begins to read with the next byte.
func (z *inflater) resume() {
	z.pass(z.Len())
	z.dead, z.raw = false, 0
}

// gap reports whether a gap matters, and how many bytes of the content it is.
func (z *inflater) gap(n int64) (bool, int64) {
	if z.Gap(n) {
		return false, 0
	}
	if n > 0 && n <= z.raw && z.Len() == 0 {
		z.raw -= n
		return true, n
	}
	z.pass(z.Len())
	z.Reset()
	z.dead, z.raw = true, 0
	return true, -1
}

// finish counts what could not be read.
func (z *inflater) finish() {
	z.pass(z.Len())
	if z.lost > 0 {
		z.conn.Lost(decode.Loss{Protocol: Name, Side: z.side, Reason: decode.LostGap, Bytes: z.lost})
	}
	z.lost = 0
}
