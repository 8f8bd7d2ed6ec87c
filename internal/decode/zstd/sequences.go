package zstd

// kind is one of the three parts of a sequence.
type kind int

const (
	literalLength kind = iota
	offsetCode
	matchLength
	kinds
)

// spec is what is fixed of a kind (RFC 8878, section 3.1.1.3.2).
type spec struct {
	maxLog  int
	symbols int
	log     int     // of the predefined table
	counts  []int16 // of it
}

// specOf returns what is fixed of a kind.
func specOf(k kind) spec {
	switch k {
	case literalLength:
		return spec{9, 36, 6, []int16{
			4, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 2, 1, 1, 1, 1, 1, -1, -1, -1, -1,
		}}
	case offsetCode:
		return spec{8, 32, 5, []int16{
			1, 1, 1, 1, 1, 1, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1,
		}}
	default:
		return spec{9, 53, 6, []int16{
			1, 4, 3, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
			1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1,
		}}
	}
}

// literalCode returns what a code of a length of literals stands for: the least length,
// and how many bits are added to it.
func literalCode(c uint8) (base, extra int) {
	switch {
	case c < 16:
		return int(c), 0
	case c < 20:
		return 16 + 2*int(c-16), 1
	case c < 22:
		return 24 + 4*int(c-20), 2
	case c < 24:
		return 32 + 8*int(c-22), 3
	case c == 24:
		return 48, 4
	}
	return 1 << (c - 19), int(c) - 19
}

// matchCode is literalCode for the length of a match.
func matchCode(c uint8) (base, extra int) {
	switch {
	case c < 32:
		return int(c) + 3, 0
	case c < 36:
		return 35 + 2*int(c-32), 1
	case c < 38:
		return 43 + 4*int(c-36), 2
	case c < 40:
		return 51 + 8*int(c-38), 3
	case c < 42:
		return 67 + 16*int(c-40), 4
	case c == 42:
		return 99, 5
	}
	return 1<<(c-36) + 3, int(c) - 36
}

// sequences reads the section of sequences of a block, and carries them out.
func (f *frame) sequences(b []byte) error {
	if len(b) == 0 {
		return errBlock
	}
	n, size := int(b[0]), 1
	switch {
	case n == 0:
		if len(b) > 1 {
			return errBlock
		}
		f.write(f.lits)
		return nil
	case n == 255:
		size = 3
	case n >= 128:
		size = 2
	}
	if len(b) < size+1 {
		return errBlock
	}
	switch size {
	case 2:
		n = (n-128)<<8 | int(b[1])
	case 3:
		n = int(b[1]) | int(b[2])<<8 + 0x7f00
	}
	modes, b := b[size], b[size+1:]
	if modes&3 != 0 {
		return errBlock
	}
	for k := range kinds {
		used, err := f.readMode(k, modes>>(6-2*k)&3, b)
		if err != nil {
			return err
		}
		b = b[used:]
	}
	return f.execute(b, n)
}

// readMode makes the table of a kind, and returns how many bytes describe it.
func (f *frame) readMode(k kind, mode byte, b []byte) (used int, err error) {
	s := specOf(k)
	switch mode {
	case 0:
		f.tables[k], err = makeTable(s.counts, s.log)
		return 0, err
	case 1:
		if len(b) == 0 || int(b[0]) >= s.symbols {
			return 0, errTable
		}
		f.tables[k] = table{{symbol: b[0]}}
		return 1, nil
	case 2:
		f.tables[k], used, err = readTable(b, s.maxLog, s.symbols)
		return used, err
	}
	if f.tables[k] == nil {
		return 0, errTable
	}
	return 0, nil
}

// execute carries out n sequences.
func (f *frame) execute(b []byte, n int) error {
	r, err := newReverse(b)
	if err != nil {
		return err
	}
	var at [kinds]uint64
	for k := range kinds {
		at[k] = r.read(f.tables[k].log())
	}
	lits := f.lits
	for i := range n {
		var e [kinds]state
		for k := range kinds {
			e[k] = f.tables[k][at[k]]
		}
		width := int(e[offsetCode].symbol)
		offset := int(1<<width + r.read(width))
		length, extra := matchCode(e[matchLength].symbol)
		length += int(r.read(extra))
		plain, extra := literalCode(e[literalLength].symbol)
		plain += int(r.read(extra))
		if i < n-1 {
			for _, k := range [...]kind{literalLength, matchLength, offsetCode} {
				at[k] = uint64(e[k].base) + r.read(int(e[k].bits))
			}
		}
		if r.left < 0 || plain > len(lits) {
			return errBits
		}
		f.write(lits[:plain])
		lits = lits[plain:]
		if err := f.match(f.distance(offset, plain == 0), length); err != nil {
			return err
		}
		if f.full() {
			return nil
		}
	}
	if r.left != 0 {
		return errBits
	}
	f.write(lits)
	return nil
}

// distance returns how far back a match is: a distance, or one of the last three
// (RFC 8878, section 3.1.1.5).
func (f *frame) distance(value int, noLiterals bool) int {
	if value > 3 {
		f.last = [3]int{value - 3, f.last[0], f.last[1]}
		return value - 3
	}
	if noLiterals {
		value++
	}
	var d int
	switch value {
	case 1:
		return f.last[0]
	case 2:
		f.last[0], f.last[1] = f.last[1], f.last[0]
		return f.last[0]
	case 3:
		d = f.last[2]
	default:
		d = f.last[0] - 1
	}
	f.last = [3]int{d, f.last[0], f.last[1]}
	return d
}

// match writes what was written before once more.
func (f *frame) match(distance, length int) error {
	if distance <= 0 || distance > len(f.out)-f.begin {
		return errDistance
	}
	length = min(length, f.limit+1-len(f.out))
	for length > 0 {
		from := f.out[len(f.out)-distance:]
		n := min(length, len(from))
		f.out = append(f.out, from[:n]...)
		length -= n
	}
	return nil
}
