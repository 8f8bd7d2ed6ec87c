package zstd

import "math/bits"

// The bounds of a Huffman tree (RFC 8878, section 4.2.1).
const (
	maxCode      = 11 // bits of a code
	maxWeightLog = 6
)

// code is an entry of a table of a Huffman tree: what the next bits mean.
type code struct{ symbol, bits uint8 }

// tree is a Huffman tree as a table by the next bits.
type tree struct {
	codes []code
	width int
}

// readTree reads the description of a tree, and returns how many bytes it has.
func readTree(b []byte) (tree, int, error) {
	if len(b) == 0 {
		return tree{}, 0, errTree
	}
	var weights [maxSymbols]uint8
	n, size := 0, 1
	if head := int(b[0]); head >= 128 {
		n = head - 127
		if size += (n + 1) / 2; size > len(b) {
			return tree{}, 0, errTree
		}
		for i := range n {
			w := b[1+i/2]
			if i%2 == 0 {
				w >>= 4
			}
			weights[i] = w & 15
		}
	} else {
		if size += head; size > len(b) {
			return tree{}, 0, errTree
		}
		var err error
		if n, err = readWeights(b[1:size], weights[:maxSymbols-1]); err != nil {
			return tree{}, 0, err
		}
	}
	t, err := makeTree(weights[:n+1])
	return t, size, err
}

// readWeights reads weights that are compressed, and returns how many there are.
func readWeights(b []byte, weights []uint8) (n int, err error) {
	t, size, err := readTable(b, maxWeightLog, maxSymbols)
	if err != nil {
		return 0, err
	}
	r, err := newReverse(b[size:])
	if err != nil {
		return 0, err
	}
	one, two := r.read(t.log()), r.read(t.log())
	for r.left >= 0 {
		if n+1 >= len(weights) {
			return 0, errTree
		}
		e := t[one]
		weights[n] = e.symbol
		n++
		// The two states take turns; what is left at the end is the other one's.
		one, two = two, uint64(e.base)+r.read(int(e.bits))
	}
	weights[n] = t[one].symbol
	return n + 1, nil
}

// makeTree makes a tree of weights, of which the last one is what is missing.
func makeTree(weights []uint8) (t tree, err error) {
	sum := 0
	for _, w := range weights[:len(weights)-1] {
		if w > maxCode {
			return t, errTree
		}
		if w > 0 {
			sum += 1 << (w - 1)
		}
	}
	if sum == 0 {
		return t, errTree
	}
	t.width = bits.Len(uint(sum))
	missing := 1<<t.width - sum
	if t.width > maxCode || missing&(missing-1) != 0 {
		return t, errTree
	}
	weights[len(weights)-1] = uint8(bits.Len(uint(missing)))
	t.codes = make([]code, 0, 1<<t.width)
	for w := 1; w <= t.width; w++ {
		for s, has := range weights {
			if int(has) == w {
				for range 1 << (w - 1) {
					t.codes = append(t.codes, code{uint8(s), uint8(t.width + 1 - w)})
				}
			}
		}
	}
	if len(t.codes) != 1<<t.width {
		return t, errTree
	}
	return t, nil
}

// decode appends n bytes that a stream has.
func (t *tree) decode(out, b []byte, n int) ([]byte, error) {
	r, err := newReverse(b)
	if err != nil {
		return out, err
	}
	for range n {
		c := t.codes[r.peek(t.width)]
		if r.left -= int(c.bits); r.left < 0 {
			return out, errBits
		}
		out = append(out, c.symbol)
	}
	if r.left != 0 {
		return out, errBits
	}
	return out, nil
}
