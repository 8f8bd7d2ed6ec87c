package tls

// wire reads the fields of a handshake message. After a field that is not there
// all others are empty, and bad is set.
type wire struct {
	b   []byte
	bad bool
}

func (w *wire) take(n int) []byte {
	if w.bad || n > len(w.b) {
		w.bad, w.b = true, nil
		return nil
	}
	p := w.b[:n]
	w.b = w.b[n:]
	return p
}

func (w *wire) u8() int {
	if p := w.take(1); p != nil {
		return int(p[0])
	}
	return 0
}

func (w *wire) u16() uint16 {
	if p := w.take(2); p != nil {
		return uint16(p[0])<<8 | uint16(p[1])
	}
	return 0
}

func (w *wire) u24() int {
	if p := w.take(3); p != nil {
		return int(p[0])<<16 | int(p[1])<<8 | int(p[2])
	}
	return 0
}

// v8, v16 and v24 return a field that has its length before it, in so many bits.
func (w *wire) v8() []byte { return w.take(w.u8()) }

func (w *wire) v16() []byte { return w.take(int(w.u16())) }

func (w *wire) v24() []byte { return w.take(w.u24()) }

// list returns a field as numbers of two bytes.
func list(b []byte) []uint16 {
	out := make([]uint16, 0, len(b)/2)
	for ; len(b) >= 2; b = b[2:] {
		out = append(out, uint16(b[0])<<8|uint16(b[1]))
	}
	return out
}
