package tap

import (
	"bytes"
	"io"
)

// maxKeyLine is more than any line of a key log has.
const maxKeyLine = 4 << 10

// keyLines gives one source's whole lines to the log: several sources write to it.
type keyLines struct {
	rest []byte // the begin of a line whose end has not come
	long bool   // it is too long, and left out
}

// write takes what came next from the source.
func (l *keyLines) write(log io.Writer, b []byte) {
	end := bytes.LastIndexByte(b, '\n') + 1
	if end > 0 {
		if l.long {
			b, end = b[bytes.IndexByte(b, '\n')+1:], end-bytes.IndexByte(b, '\n')-1
		}
		_, _ = log.Write(append(l.rest, b[:end]...)) // it has no errors
		l.rest, l.long = l.rest[:0], false
	}
	if b = b[end:]; len(l.rest)+len(b) > maxKeyLine {
		l.rest, l.long = l.rest[:0], true
	} else if !l.long {
		l.rest = append(l.rest, b...)
	}
}

// flush gives a last line that has no end.
func (l *keyLines) flush(log io.Writer) {
	_, _ = log.Write(l.rest) // it has no errors
	l.rest = nil
}
