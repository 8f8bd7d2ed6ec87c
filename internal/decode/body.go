package decode

// Body collects the body of a message, up to a limit.
type Body struct {
	limit int
	b     []byte
	n     int64
}

// NewBody returns a body of which limit bytes are kept.
func NewBody(limit int) *Body { return &Body{limit: limit} }

// Write adds bytes.
func (b *Body) Write(p []byte) {
	b.n += int64(len(p))
	if room := b.limit - len(b.b); room > 0 {
		b.b = append(b.b, p[:min(room, len(p))]...)
	}
}

// Skip counts bytes that were not seen. What follows them is counted and not
// kept, so that the bytes that are kept are always the first ones.
func (b *Body) Skip(n int64) {
	if n > 0 {
		b.n += n
		b.limit = len(b.b)
	}
}

// Bytes is what is kept, Len how much there was.
func (b *Body) Bytes() []byte { return b.b }

// Len is the number of bytes that were written or skipped.
func (b *Body) Len() int64 { return b.n }

// Truncated reports whether less is kept than there was.
func (b *Body) Truncated() bool { return int64(len(b.b)) < b.n }

// Fill puts the body into a message.
func (b *Body) Fill(m *Message) {
	m.Body, m.BodyBytes, m.Truncated = b.b, b.n, b.Truncated()
}
