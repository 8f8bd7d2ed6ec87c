package proxy

import (
	"bufio"
	"io"
	"sync"
)

// Sizes of the buffers, in bytes.
const (
	readSize = 4 << 10  // for heads; a longer head gets one of Limits.Head
	copySize = 32 << 10 // for bodies
)

// buffers are kept for reuse.
type buffers struct {
	readers sync.Pool // *bufio.Reader of readSize
	blocks  sync.Pool // *[copySize]byte
	records sync.Pool // *[]byte, empty, with room for the records of a block
}

func (b *buffers) reader(r io.Reader) *bufio.Reader {
	if br, ok := b.readers.Get().(*bufio.Reader); ok {
		br.Reset(r)
		return br
	}
	return bufio.NewReaderSize(r, readSize)
}

func (b *buffers) putReader(br *bufio.Reader) {
	if br != nil && br.Size() == readSize {
		br.Reset(nil)
		b.readers.Put(br)
	}
}

func (b *buffers) block() *[copySize]byte {
	if p, ok := b.blocks.Get().(*[copySize]byte); ok {
		return p
	}
	return new([copySize]byte)
}

func (b *buffers) putBlock(p *[copySize]byte) { b.blocks.Put(p) }

func (b *buffers) collected() *[]byte {
	if p, ok := b.records.Get().(*[]byte); ok {
		return p
	}
	p := make([]byte, 0, copySize+readSize)
	return &p
}

func (b *buffers) putCollected(p *[]byte) {
	if cap(*p) <= 2*copySize {
		*p = (*p)[:0]
		b.records.Put(p)
	}
}
