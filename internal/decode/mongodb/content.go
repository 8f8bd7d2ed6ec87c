package mongodb

import (
	"bytes"
	"encoding/binary"
)

// opcode is the kind of a message.
type opcode int32

// The kinds of messages.
const (
	opReply       opcode = 1
	opUpdate      opcode = 2001
	opInsert      opcode = 2002
	opQuery       opcode = 2004
	opGetMore     opcode = 2005
	opDelete      opcode = 2006
	opKillCursors opcode = 2007
	opCompressed  opcode = 2012
	opMsg         opcode = 2013
)

// known reports whether a number is the opcode of a message.
func (o opcode) known() bool { return o.fields() != "" || o == opCompressed }

// fields returns what a message has after its header: i a 32-bit number, l a
// 64-bit one, s a name, d a document, k sections. A * repeats the last one up to
// the end.
func (o opcode) fields() string {
	switch o {
	case opReply:
		return "iliid*"
	case opUpdate, opDelete:
		return "isid*"
	case opInsert:
		return "isd*"
	case opQuery:
		return "isiid*"
	case opGetMore:
		return "isil"
	case opKillCursors:
		return "iil*"
	case opMsg:
		return "ik*"
	}
	return ""
}

// Flags of OP_MSG.
const (
	flagChecksum   = 1
	flagMoreToCome = 1 << 1
)

// content reads what follows the header of a message, in pieces.
type content struct {
	op     opcode
	view   *view
	left   int64 // of the content's bytes are to come
	at     int   // index of the field
	rest   []byte
	walker *walker

	numbers []int64 // the first of them
	text    string
	docs    int64 // bytes of documents
	seq     int64 // bytes of the sequence that are to come, -1: it has no header yet
	inSeq   bool
	item    int
	bad     bool
}

// maxNumbers is how many numbers of a message are kept.
const maxNumbers = 8

func newContent(op opcode, v *view, size int64) *content {
	return &content{op: op, view: v, left: size}
}

// flags returns the flags of OP_MSG, and the first number of others.
func (c *content) flags() int64 { return c.number(0) }

func (c *content) number(i int) int64 {
	if i >= len(c.numbers) {
		return 0
	}
	return c.numbers[i]
}

// trailer returns how many bytes follow the sections.
func (c *content) trailer() int64 {
	if c.op == opMsg && c.flags()&flagChecksum != 0 {
		return 4
	}
	return 0
}

// write reads bytes of the content.
func (c *content) write(b []byte) {
	b = b[:min(int64(len(b)), c.left)]
	for len(b) > 0 && !c.bad {
		if c.walker != nil {
			n := c.walker.write(b)
			b = b[n:]
			c.left -= int64(n)
			c.walked(n)
			continue
		}
		if n := c.trailer(); n > 0 && c.left <= n && len(c.rest) == 0 {
			c.left -= int64(len(b))
			return
		}
		// The fields before a document are short.
		c.rest = append(c.rest, b[0])
		b = b[1:]
		c.left--
		if len(c.rest) > maxName {
			c.bad = true
		}
		c.field()
	}
	if c.bad {
		c.left -= int64(len(b))
	}
}

// walked goes on after bytes of a document were read.
func (c *content) walked(n int) {
	if c.inSeq {
		c.seq -= int64(n)
	}
	switch {
	case c.walker.bad || c.inSeq && c.seq < 0:
		c.bad = true
	case c.walker.done():
		c.docs += c.walker.pos
		c.walker = nil
		if c.inSeq && c.seq == 0 {
			c.inSeq = false
			c.view.endSequence()
		} else if c.inSeq {
			c.nextItem()
		}
	}
}

// nextItem begins a document of a sequence.
func (c *content) nextItem() {
	c.view.item(c.item)
	c.item++
	c.walker = newWalker(c.view)
}

// field reads the field of which rest has the first bytes, when it is complete.
func (c *content) field() {
	fields := c.op.fields()
	if c.at >= len(fields) {
		c.bad = true
		return
	}
	kind := fields[c.at]
	if kind == '*' {
		kind = fields[c.at-1]
	}
	switch le := binary.LittleEndian; kind {
	case 'i':
		if len(c.rest) < 4 {
			return
		}
		c.keep(int64(int32(le.Uint32(c.rest))))
	case 'l':
		if len(c.rest) < 8 {
			return
		}
		c.keep(int64(le.Uint64(c.rest)))
	case 's':
		if c.rest[len(c.rest)-1] != 0 {
			return
		}
		c.text = string(c.rest[:len(c.rest)-1])
		c.view.whole = c.op == opDelete || c.op == opUpdate || c.op == opQuery && !c.isCommand()
	case 'd':
		c.document()
	case 'k':
		if !c.section() {
			return
		}
	}
	c.rest = c.rest[:0]
	if fields[c.at] != '*' {
		c.at++
	}
}

func (c *content) keep(n int64) {
	if len(c.numbers) < maxNumbers {
		c.numbers = append(c.numbers, n)
	}
}

// isCommand reports whether OP_QUERY carries a command.
func (c *content) isCommand() bool { return bytes.HasSuffix([]byte(c.text), []byte(".$cmd")) }

// document begins a document, whose first byte is there.
func (c *content) document() {
	c.walker = newWalker(c.view)
	c.walked(c.walker.write(c.rest))
}

// section begins a section, and reports whether its header is complete.
func (c *content) section() bool {
	switch c.rest[0] {
	case 0, 2:
		// A body, or a token between servers.
		c.walker = newWalker(c.view)
		return true
	case 1:
		if len(c.rest) < 6 || c.rest[len(c.rest)-1] != 0 {
			return false
		}
		size := int64(int32(binary.LittleEndian.Uint32(c.rest[1:])))
		c.seq = size - int64(len(c.rest)-1)
		if c.seq < 0 || c.seq > c.left-c.trailer() {
			c.bad = true
			return true
		}
		c.view.sequence(string(c.rest[5 : len(c.rest)-1]))
		if c.item = 0; c.seq == 0 {
			c.view.endSequence()
			return true
		}
		c.inSeq = true
		c.nextItem()
		return true
	}
	c.bad = true
	return true
}
