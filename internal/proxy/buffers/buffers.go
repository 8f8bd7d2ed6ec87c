// Package buffers keeps the buffers of the HTTP engine for reuse: readers for
// heads, blocks for bodies, and scratch slices for what is written at once.
package buffers

import (
	"bufio"
	"io"
	"sync"
)

// Sizes of the buffers, in bytes.
const (
	ReadSize = 4 << 10  // of a reader for heads
	CopySize = 32 << 10 // of a block for bodies
)

// Block is a buffer for the bytes of bodies.
type Block = [CopySize]byte

// Pool has buffers that are not used at the moment. Its zero value is ready.
type Pool struct {
	readers   sync.Pool // *bufio.Reader of ReadSize
	blocks    sync.Pool // *Block
	scratches sync.Pool // *[]byte, empty
}

// Reader returns a reader of r with ReadSize bytes.
func (p *Pool) Reader(r io.Reader) *bufio.Reader {
	if br, ok := p.readers.Get().(*bufio.Reader); ok {
		br.Reset(r)
		return br
	}
	return bufio.NewReaderSize(r, ReadSize)
}

// PutReader takes a reader back. Nil and readers of another size are dropped.
func (p *Pool) PutReader(br *bufio.Reader) {
	if br != nil && br.Size() == ReadSize {
		br.Reset(nil)
		p.readers.Put(br)
	}
}

// Block returns a block. Its contents are undefined.
func (p *Pool) Block() *Block {
	if b, ok := p.blocks.Get().(*Block); ok {
		return b
	}
	return new(Block)
}

// PutBlock takes a block back.
func (p *Pool) PutBlock(b *Block) { p.blocks.Put(b) }

// Scratch returns an empty slice with room for a block and the TLS records or
// the head around it.
func (p *Pool) Scratch() *[]byte {
	if b, ok := p.scratches.Get().(*[]byte); ok {
		return b
	}
	b := make([]byte, 0, CopySize+ReadSize)
	return &b
}

// PutScratch takes a slice back, unless it has grown too large to keep.
func (p *Pool) PutScratch(b *[]byte) {
	if cap(*b) <= 2*CopySize {
		*b = (*b)[:0]
		p.scratches.Put(b)
	}
}
