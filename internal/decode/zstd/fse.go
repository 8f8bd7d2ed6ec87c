package zstd

import "math/bits"

// state is an entry of a table of finite state entropy (RFC 8878, section 4.1.1).
type state struct {
	base   uint16 // what is added to the bits that are read for the next state
	bits   uint8
	symbol uint8
}

// table is such a table; its length is a power of two.
type table []state

// log returns the number of bits of a state.
func (t table) log() int { return bits.Len(uint(len(t))) - 1 }

// maxSymbols is the most symbols that a table has: weights of a Huffman tree have 256.
const maxSymbols = 256

// readTable reads the description of a table, and returns how many bytes it has.
func readTable(b []byte, maxLog, symbols int) (table, int, error) {
	r := forward{b: b}
	log := r.peek(4) + 5
	if r.at = 4; log > maxLog {
		return nil, 0, errTable
	}
	var counts [maxSymbols]int16
	remaining, threshold, width := 1<<log+1, 1<<log, log+1
	n := 0
	for remaining > 1 {
		if n >= symbols || r.bytes() > len(b) {
			return nil, 0, errTable
		}
		most := 2*threshold - 1 - remaining
		v := r.peek(width)
		count := v & (threshold - 1)
		if count < most {
			r.at += width - 1
		} else {
			if count = v; count >= threshold {
				count -= most
			}
			r.at += width
		}
		count-- // -1 is a probability of less than one
		counts[n] = int16(count)
		n++
		remaining -= max(count, -count)
		for again := count == 0; again; {
			skip := r.peek(2)
			r.at += 2
			n += skip
			again = skip == 3 && n < symbols
		}
		for remaining < threshold && threshold > 1 {
			width--
			threshold >>= 1
		}
	}
	if remaining != 1 || n > symbols || r.bytes() > len(b) {
		return nil, 0, errTable
	}
	t, err := makeTable(counts[:n], log)
	return t, r.bytes(), err
}

// makeTable makes a table of the probabilities of symbols.
func makeTable(counts []int16, log int) (table, error) {
	size := 1 << log
	t := make(table, size)
	var next [maxSymbols]uint16
	high := size - 1
	for s, c := range counts {
		next[s] = uint16(max(c, 1))
		if c < 0 {
			if high < 0 {
				return nil, errTable
			}
			t[high].symbol = uint8(s)
			high--
		}
	}
	at, step := 0, size>>1+size>>3+3
	for s, c := range counts {
		for range c {
			t[at].symbol = uint8(s)
			for at = (at + step) & (size - 1); at > high; {
				at = (at + step) & (size - 1)
			}
		}
	}
	if at != 0 {
		return nil, errTable
	}
	for i := range t {
		e := &t[i]
		n := next[e.symbol]
		next[e.symbol]++
		e.bits = uint8(log - (bits.Len16(n) - 1))
		e.base = n<<e.bits - uint16(size)
	}
	return t, nil
}
