package zstd

import "encoding/binary"

// literals reads the section of literals of a block (RFC 8878, section 3.1.1.3.1), and
// returns what comes after it.
func (f *frame) literals(b []byte) (rest []byte, err error) {
	if len(b) == 0 {
		return nil, errBlock
	}
	kind, format := b[0]&3, b[0]>>2&3
	if kind < 2 {
		return f.plainLiterals(b, kind == 1, format)
	}
	head, width := 3, 10
	if format >= 2 {
		head, width = int(format)+2, 6+4*int(format)
	}
	if len(b) < head {
		return nil, errBlock
	}
	var eight [8]byte
	copy(eight[:], b[:head])
	v := binary.LittleEndian.Uint64(eight[:]) >> 4
	size, packed := int(v&(1<<width-1)), int(v>>width&(1<<width-1))
	b = b[head:]
	if size > maxBlock || packed > len(b) {
		return nil, errBlock
	}
	streams, rest := b[:packed], b[packed:]
	if kind == 2 {
		t, n, err := readTree(streams)
		if err != nil {
			return nil, err
		}
		f.tree, streams = t, streams[n:]
	} else if f.tree.codes == nil {
		return nil, errTree
	}
	f.lits = f.lits[:0]
	if format == 0 {
		f.lits, err = f.tree.decode(f.lits, streams, size)
		return rest, err
	}
	return rest, f.fourStreams(streams, size)
}

// fourStreams reads literals that are in four parts.
func (f *frame) fourStreams(b []byte, size int) (err error) {
	const jump = 6
	if len(b) < jump {
		return errBlock
	}
	head, b := b[:jump], b[jump:]
	part := (size + 3) / 4
	for i := range 4 {
		n, want := len(b), size-3*part
		if i < 3 {
			n, want = int(binary.LittleEndian.Uint16(head[2*i:])), part
		}
		if n > len(b) || want < 0 {
			return errBlock
		}
		if f.lits, err = f.tree.decode(f.lits, b[:n], want); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// plainLiterals reads literals as they are, or one of them that is repeated.
func (f *frame) plainLiterals(b []byte, repeated bool, format byte) ([]byte, error) {
	head, size := 1, int(b[0]>>3)
	if format&1 == 1 {
		head = int(format+3) / 2
		if len(b) < head {
			return nil, errBlock
		}
		size = int(b[0]>>4) | int(b[1])<<4
		if head == 3 {
			size |= int(b[2]) << 12
		}
	}
	b = b[head:]
	n := size
	if repeated {
		n = 1
	}
	if size > maxBlock || n > len(b) {
		return nil, errBlock
	}
	f.lits = f.lits[:0]
	if !repeated {
		f.lits = append(f.lits, b[:n]...)
		return b[n:], nil
	}
	for range size {
		f.lits = append(f.lits, b[0])
	}
	return b[n:], nil
}
