package tlskeys

import (
	"bytes"
	"encoding/hex"
)

// The limits of a log.
const (
	// MaxConnections is of how many connections the secrets are kept; the oldest are
	// forgotten first.
	MaxConnections = 1 << 16
	// maxSecret is the longest secret: a hash has at most 64 bytes.
	maxSecret = 64
	// maxLine is more than any line with a secret has.
	maxLine = 512
)

// Log is a key log. The zero Log is empty and ready. It is for one goroutine at a
// time.
type Log struct {
	of      map[Random]*Secrets
	order   []Random // of their first line; those before first are forgotten
	first   int
	line    []byte // the begin of a line whose end has not come
	skip    bool   // the line is too long
	ignored int
	bad     int
	loose   loose
}

// Write adds bytes of a log, which may end within a line. It returns len(b) and no
// error: lines that cannot be read are left out, and counted.
func (l *Log) Write(b []byte) (int, error) {
	n := len(b)
	for {
		i := bytes.IndexByte(b, '\n')
		if i < 0 {
			break
		}
		line := b[:i]
		if len(l.line) > 0 || l.skip {
			l.keep(line)
			line = l.line
		}
		l.end(line)
		b = b[i+1:]
	}
	l.keep(b)
	return n, nil
}

// keep adds to the line whose end has not come.
func (l *Log) keep(b []byte) {
	room := maxLine - len(l.line)
	l.skip = l.skip || len(b) > room
	l.line = append(l.line, b[:min(room, len(b))]...)
}

// end ends a line.
func (l *Log) end(line []byte) {
	switch {
	case len(line) == 0 || line[0] == '#':
	case l.skip || len(line) > maxLine:
		l.bad++
	default:
		l.parse(line)
	}
	l.line, l.skip = l.line[:0], false
}

// Flush reads a last line that has no end: the file is over.
func (l *Log) Flush() {
	if len(l.line) > 0 || l.skip {
		l.end(l.line)
	}
}

// parse reads one line.
func (l *Log) parse(line []byte) {
	line = bytes.TrimSuffix(line, []byte("\r"))
	if len(line) == 0 {
		return
	}
	var parts [3][]byte
	n := 0
	for part := range bytes.SplitSeq(line, []byte(" ")) {
		if n == len(parts) {
			n++
			break
		}
		parts[n] = part
		n++
	}
	label, known := find(parts[0])
	if n > 0 && !known {
		l.ignored++ // another label, such as EXPORTER_SECRET
		return
	}
	var r Random
	secret := make([]byte, maxSecret)
	if n != len(parts) || len(parts[1]) != 2*len(r) || len(parts[2]) == 0 || len(parts[2]) > 2*maxSecret {
		l.bad++
		return
	}
	if _, err := hex.Decode(r[:], parts[1]); err != nil {
		l.bad++
		return
	}
	size, err := hex.Decode(secret, parts[2])
	if err != nil {
		l.bad++
		return
	}
	l.add(&r, label, string(secret[:size]))
}

func find(name []byte) (Label, bool) {
	for i, n := range names {
		if n == string(name) {
			return Label(i), true
		}
	}
	return 0, false
}

// add notes a secret. Both ends may write the same ones.
func (l *Log) add(r *Random, label Label, secret string) {
	s := l.of[*r]
	if s == nil {
		if l.of == nil {
			l.of = make(map[Random]*Secrets)
		}
		if len(l.of) >= MaxConnections {
			delete(l.of, l.order[l.first])
			if l.first++; l.first >= MaxConnections {
				l.order, l.first = append([]Random(nil), l.order[l.first:]...), 0
			}
		}
		s = new(Secrets)
		l.of[*r] = s
		l.order = append(l.order, *r)
	}
	if s.of[label] == "" {
		s.n++
	}
	s.of[label] = secret
}

// Secrets returns what is known of a connection, or nil. More may be added to it
// later.
func (l *Log) Secrets(r *Random) *Secrets { return l.of[*r] }

// Lines returns the lines of a connection, as a file has them.
func (l *Log) Lines(r *Random) []byte {
	s := l.of[*r]
	if s == nil {
		return nil
	}
	var out []byte
	for i, secret := range s.of {
		if secret != "" {
			out = append(append(out, names[i]...), ' ')
			out = append(hex.AppendEncode(out, r[:]), ' ')
			out = append(hex.AppendEncode(out, []byte(secret)), '\n')
		}
	}
	return out
}

// Counts returns how many connections the log has secrets of, how many lines had
// other labels, and how many were no lines of a key log.
func (l *Log) Counts() (connections, ignored, bad int) { return len(l.of), l.ignored, l.bad }
