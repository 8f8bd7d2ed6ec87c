package pcapfile

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// maxBlock is the largest block, and the largest packet of a pcap file, that is
// read or written. Wireshark's limit is in the same range, libpcap's is 16 MiB.
const maxBlock = 64 << 20

// maxKept bounds the memory of blocks without packets that are kept: processes,
// names, secrets, statistics. The memory of a block is estimated from above: it
// can take several times its length, in headers of strings, and the smallest
// block takes blockCost.
const (
	maxKept   = 256 << 20
	byteCost  = 4
	blockCost = 512
)

// errTooMuch is the error of a file with so much metadata that the sections and
// interfaces do not fit into the limit.
var errTooMuch = errors.New("more sections and interfaces than are kept")

// Errors that an [Error] may wrap.
var (
	// ErrNotCapture is the error of a file that is neither pcap nor pcapng.
	ErrNotCapture = errors.New("neither a pcap nor a pcapng file")
	// ErrMalformed is the error of a block that is not as its format requires.
	ErrMalformed = errors.New("malformed")
	// ErrVersion is the error of a file, or a section of one, whose version of
	// the format is not known.
	ErrVersion = errors.New("unknown version of the format")
)

// ForeignError is the error of a file of a kind that is known, and is neither pcap nor
// pcapng.
type ForeignError struct{ Kind Foreign }

func (e *ForeignError) Error() string { return ErrNotCapture.Error() + ": it is " + string(e.Kind) }

// Unwrap returns [ErrNotCapture], and of an empty file [io.ErrUnexpectedEOF] too.
func (e *ForeignError) Unwrap() []error {
	if e.Kind == Empty {
		return []error{ErrNotCapture, io.ErrUnexpectedEOF}
	}
	return []error{ErrNotCapture}
}

// Foreign is a kind of file.
type Foreign string

// The kinds of files that people take for captures.
const (
	Empty Foreign = "empty"
	Gzip  Foreign = "compressed with gzip"
	Bzip2 Foreign = "compressed with bzip2"
	Xz    Foreign = "compressed with xz"
	Zstd  Foreign = "compressed with zstd"
	Lz4   Foreign = "compressed with lz4"
	Snoop Foreign = "a capture of snoop"
)

// foreign returns the kind of a file by its first four bytes, or "": RFC 1952 section 2.3.1,
// the formats of bzip2, xz (section 2.1.1.1), zstd (RFC 8878 section 3.1.1) and lz4 frames,
// RFC 1761 section 2.
func foreign(magic []byte) Foreign {
	for _, m := range [...]struct {
		begin string
		kind  Foreign
	}{
		{"\x1f\x8b", Gzip}, {"BZh", Bzip2}, {"\xfd7zX", Xz}, {"\x28\xb5\x2f\xfd", Zstd}, {"\x04\x22\x4d\x18", Lz4}, {"snoo", Snoop},
	} {
		if strings.HasPrefix(string(magic), m.begin) {
			return m.kind
		}
	}
	return ""
}

// Error says where in a capture file something is wrong.
type Error struct {
	Block  string // what was read: "packet", "interface description"
	Offset int64  // where it begins in the file
	Err    error  // wraps io.ErrUnexpectedEOF if the file ends in the middle of it
}

func (e *Error) Error() string {
	return fmt.Sprintf("read %s at byte %d: %v", e.Block, e.Offset, e.Err)
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// malformed returns an error that wraps ErrMalformed.
func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}

// source reads a file from its begin to its end, and knows the position.
type source struct {
	r   *bufio.Reader
	pos int64
	buf []byte // reused by read
}

// header reads n bytes that begin a block. It returns io.EOF if the file ends
// before them, and io.ErrUnexpectedEOF if it ends in them. They are valid until
// more is read; n is at most the size of the buffered reader.
func (s *source) header(n int) ([]byte, error) {
	b, err := s.r.Peek(n)
	if err == io.EOF && len(b) > 0 {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, err
	}
	s.skip(n) // which are buffered
	return b, nil
}

// read reads n bytes, which are valid until the next call of read. Memory is
// taken as bytes come, so that a wrong n costs no more than the file has.
func (s *source) read(n int) ([]byte, error) {
	s.buf = s.buf[:0]
	for len(s.buf) < n {
		more := min(n-len(s.buf), max(64<<10, len(s.buf)))
		s.buf = slices.Grow(s.buf, more)
		got, err := io.ReadFull(s.r, s.buf[len(s.buf):len(s.buf)+more])
		s.pos += int64(got)
		s.buf = s.buf[:len(s.buf)+got]
		if err != nil {
			return nil, unexpected(err)
		}
	}
	return s.buf, nil
}

// skip reads n bytes and forgets them.
func (s *source) skip(n int) error {
	got, err := s.r.Discard(n)
	s.pos += int64(got)
	return unexpected(err)
}

// unexpected returns io.ErrUnexpectedEOF for io.EOF.
func unexpected(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
