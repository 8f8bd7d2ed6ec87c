package redis

import (
	"bytes"
	"strings"

	"lodge/internal/decode"
	"lodge/internal/decode/secret"
)

// maxInline is the length of the longest inline command that servers take.
const maxInline = 64 << 10

// reader reads commands: arrays of bulk strings, or inline commands.
type reader struct {
	parser
	options decode.Options
	inline  bool // inline commands are allowed

	cmd     *command
	body    *decode.Body
	payload int64
	depth   int
	cur     argument
	begun   bool // the argument's first bytes were seen
	secret  bool // the argument is one
	prev    string
	prev2   string
	bad     bool
}

func newReader(o decode.Options, q *decode.Buffer, inline bool) *reader {
	r := &reader{options: o, inline: inline}
	r.parser = parser{q: q, maxLine: maxHeader, v: r}
	r.fresh()
	return r
}

// fresh begins a command.
func (r *reader) fresh() {
	r.cmd, r.body = &command{secrets: r.options.Secrets}, decode.NewBody(r.options.Limits.Body)
	r.payload, r.depth, r.prev, r.prev2, r.bad = 0, 0, "", "", false
}

// idle lets go of the command that was read last. What begins every command anew is next,
// and only where inline commands are allowed.
func (r *reader) idle() {
	if r.inner || !r.inline {
		return
	}
	r.cmd, r.body, r.cur, r.prev, r.prev2, r.frames = nil, nil, argument{}, "", "", nil
}

// restart forgets the command that is being read.
func (r *reader) restart() {
	r.reset()
	r.fresh()
}

// next reads one part of a command. After complete, r.cmd is the command; it is
// without a name where the client sent nothing that is answered.
func (r *reader) next() progress {
	if r.inner || !r.inline {
		return r.check(r.step())
	}
	b := r.q.Bytes()
	if len(b) == 0 {
		return more
	}
	r.fresh()
	if b[0] == '*' {
		return r.check(r.step())
	}
	return r.inlineLine(b)
}

func (r *reader) check(p progress) progress {
	if r.bad {
		return malformed
	}
	return p
}

// inlineLine reads an inline command.
func (r *reader) inlineLine(b []byte) progress {
	limit := min(maxInline, r.options.Limits.Message)
	i := bytes.IndexByte(b[r.scanned:], '\n')
	if i < 0 {
		r.scanned = len(b)
		if len(b) > limit {
			return malformed
		}
		return more
	}
	i += r.scanned
	r.scanned = 0
	r.words(split(bytes.TrimSuffix(b[:i], []byte{'\r'})))
	r.begin, r.size = r.q.At(), 0
	r.take(int64(i) + 1)
	return complete
}

// words takes a command that is split already.
func (r *reader) words(words [][]byte) {
	r.cmd.n = int64(len(words))
	r.depth = 1
	for _, w := range words {
		r.leaf('$', false)
		r.chunk(w)
		r.endLeaf()
	}
}

// split splits an inline command into words as servers do: with quotes, and
// escapes within them. Where a quote is not closed it is an ordinary letter.
func split(line []byte) (words [][]byte) {
	closed := true
	for {
		line = bytes.TrimLeft(line, " \t\r\n\v\f\x00")
		if len(line) == 0 {
			return words
		}
		var word []byte
		n := 0
		if closed {
			word, n, closed = quoted(line)
		}
		if !closed {
			n = bytes.IndexAny(line, " \t\r\n")
			if n < 0 {
				n = len(line)
			}
			word = line[:n]
		}
		words = append(words, word)
		line = line[n:]
	}
}

// quoted reads one word, and reports whether its quotes are closed.
func quoted(line []byte) (word []byte, n int, closed bool) {
	var quote byte
	for i := 0; i < len(line); i++ {
		b := line[i]
		switch {
		case quote == 0 && (b == ' ' || b == '\t' || b == '\r' || b == '\n' || b == 0):
			return word, i, true
		case quote == 0 && (b == '"' || b == '\''):
			quote = b
		case quote != 0 && b == quote:
			quote = 0
		case quote != 0 && b == '\\' && i+1 < len(line):
			n := unescape(line[i:], quote)
			if n.length == 0 {
				word = append(word, b)
				continue
			}
			word = append(word, n.b)
			i += n.length - 1
		default:
			word = append(word, b)
		}
	}
	return word, len(line), quote == 0
}

type escape struct {
	b      byte
	length int // of the escape, 0: it is none
}

func unescape(s []byte, quote byte) escape {
	if quote == '\'' {
		if s[1] == '\'' {
			return escape{'\'', 2}
		}
		return escape{}
	}
	if s[1] == 'x' && len(s) >= 4 {
		hi, lo := strings.IndexByte(hexDigits, lower(s[2])), strings.IndexByte(hexDigits, lower(s[3]))
		if hi >= 0 && lo >= 0 {
			return escape{byte(hi<<4 | lo), 4}
		}
	}
	switch s[1] {
	case 'n':
		return escape{'\n', 2}
	case 'r':
		return escape{'\r', 2}
	case 't':
		return escape{'\t', 2}
	case 'a':
		return escape{'\a', 2}
	case 'b':
		return escape{'\b', 2}
	}
	return escape{s[1], 2}
}

const hexDigits = "0123456789abcdef"

func lower(b byte) byte {
	if 'A' <= b && b <= 'Z' {
		b += 'a' - 'A'
	}
	return b
}

func (r *reader) open(typ byte, n int64) {
	if r.depth == 0 && r.cmd.n > 0 {
		r.fresh()
	}
	r.bad = r.bad || typ != '*' || r.depth > 0 || n < 0
	r.depth++
	r.cmd.n = n
}

func (r *reader) close() { r.depth-- }

func (r *reader) leaf(typ byte, null bool) {
	// A null array is nothing that is answered.
	r.bad = r.bad || typ != '$' && (r.depth > 0 || !null)
	r.cur, r.begun = argument{}, false
}

func (r *reader) chunk(b []byte) {
	if r.depth == 0 || len(b) == 0 {
		return
	}
	i := int(min(int64(len(r.cmd.args)), keptArgs))
	if !r.begun {
		r.begun = true
		r.secret = !r.options.Secrets && r.cmd.secret(i, b, r.prev, r.prev2)
		if i >= 2 {
			if r.payload > 0 {
				r.body.Write([]byte{'\n'})
			}
			if r.secret {
				r.body.Write([]byte(decode.Masked))
			}
		}
	}
	r.cur.size += int64(len(b))
	if i >= 2 {
		r.payload += int64(len(b))
	}
	if r.secret {
		return
	}
	if room := keptBytes - len(r.cur.kept); room > 0 {
		r.cur.kept = append(r.cur.kept, b[:min(room, len(b))]...)
	}
	if i >= 2 {
		r.body.Write(b)
	}
}

func (r *reader) hole(n int64) {
	r.cur.size += n
	if len(r.cmd.args) >= 2 {
		r.payload += n
		r.body.Skip(n)
	}
}

func (r *reader) endLeaf() {
	if r.depth == 0 {
		return
	}
	r.cmd.add(r.cur, r.secret && r.begun)
	if r.cmd.mayHaveSecrets() {
		r.prev2 = r.prev
		r.prev = strings.ToUpper(string(r.cur.kept[:min(len(r.cur.kept), 128)]))
	}
	r.secret = false
}

// fill puts the arguments that follow the first one into a message.
func (r *reader) fill(m *decode.Message) {
	r.body.Fill(m)
	if !r.options.Secrets {
		secret.Replace(m, r.options.Limits.Body, secret.Body("", m.Body))
	}
	m.BodyBytes, m.Bytes = r.payload, r.size
}
