package eventlog

import (
	"bytes"
	"fmt"
	"strconv"
)

// mark is a number that is overwritten in place: it is written with markDigits digits.
type mark uint64

// markDigits is how many digits the largest number has.
const markDigits = 20

func (m mark) digits() string { return fmt.Sprintf("%0*d", markDigits, uint64(m)) }

// MarshalText is part of encoding.TextMarshaler.
func (m mark) MarshalText() ([]byte, error) { return []byte(m.digits()), nil }

// UnmarshalText is part of encoding.TextUnmarshaler.
func (m *mark) UnmarshalText(b []byte) error {
	n, err := strconv.ParseUint(string(b), 10, 64)
	if err != nil || len(b) != markDigits {
		return fmt.Errorf("the number %q is not one of %d digits", b, markDigits)
	}
	*m = mark(n)
	return nil
}

// markPlace returns where a file that begins with this header has its mark, or -1 for
// a header that an older lodge wrote. Stream and boot id stand before it and have no
// quotes in them.
func markPlace(header []byte) int64 {
	header, _, _ = bytes.Cut(header, []byte{'\n'})
	key := []byte(`,"sockets":"`)
	i := bytes.Index(header, key)
	state := bytes.Index(header, []byte(`,"state":`))
	if i < 0 || state < i {
		return -1
	}
	return int64(i + len(key))
}

// writeMark writes up to which number there are events of sockets. It is one
// write(2) inside the first page of the file, so that a process which is killed has
// written it whole or not.
func (l *Log) writeMark() {
	if l.file == nil {
		return
	}
	if _, err := l.file.WriteAt([]byte(mark(l.sockets).digits()), l.markAt); err != nil {
		l.fail(err)
	}
}
