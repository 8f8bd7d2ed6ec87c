package ring

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// cpu is the ring of one CPU: a BPF ring buffer
// (Documentation/bpf/ringbuf.rst of the kernel). Its data is mapped twice in a
// row, so that no record has an end before its beginning.
type cpu struct {
	file               *os.File
	consumer, producer []byte // the mappings
	data               []byte
	size               uint64  // of the ring; data is twice as long
	least              uint64  // bytes that a record has at least
	head               *uint64 // written by the kernel
	tail               *uint64 // written here
	// from is where the next record begins, freed what the kernel knows of it, and
	// seen where the records end that may be read.
	from, freed, seen uint64
	// The next packet; have says that there is one.
	have bool
	next uint64 // its time
	body []byte
	end  uint64 // where the record after it begins
	// lost is how many packets there was no room for, of which the last record told.
	lost uint32
}

// openCPU maps a ring of size bytes. It takes the file over.
func openCPU(f *os.File, size int) (_ *cpu, err error) {
	c := &cpu{file: f, size: uint64(size)}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.close())
		}
	}()
	page := os.Getpagesize()
	if size < page || size&(size-1) != 0 {
		return nil, fmt.Errorf("a ring of %d bytes: no power of two, or less than a page", size)
	}
	if c.consumer, err = unix.Mmap(int(f.Fd()), 0, page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err != nil {
		return nil, os.NewSyscallError("mmap", err)
	}
	if c.producer, err = unix.Mmap(int(f.Fd()), int64(page), page+2*size, unix.PROT_READ, unix.MAP_SHARED); err != nil {
		return nil, os.NewSyscallError("mmap", err)
	}
	c.data = c.producer[page:]
	c.tail = (*uint64)(unsafe.Pointer(&c.consumer[0]))
	c.head = (*uint64)(unsafe.Pointer(&c.producer[0]))
	c.from = atomic.LoadUint64(c.tail)
	c.freed = c.from
	return c, nil
}

func (c *cpu) close() error {
	var errs []error
	for _, m := range [][]byte{c.consumer, c.producer} {
		if m != nil {
			errs = append(errs, os.NewSyscallError("munmap", unix.Munmap(m)))
		}
	}
	return errors.Join(append(errs, c.file.Close())...)
}

// look notes how far the kernel has written.
func (c *cpu) look() { c.seen = atomic.LoadUint64(c.head) }

// The beginning of a record in the ring: its length with two flags, and a number
// for the kernel.
const (
	headerSize  = 8
	recordBusy  = 1 << 31 // it is being written
	recordEmpty = 1 << 30 // it was given up
)

// peek finds the next packet.
func (c *cpu) peek() error {
	for !c.have && c.from < c.seen {
		at := c.from & (c.size - 1)
		length := atomic.LoadUint32((*uint32)(unsafe.Pointer(&c.data[at])))
		if length&recordBusy != 0 {
			return nil
		}
		n := uint64(length &^ recordEmpty)
		end := c.from + headerSize + (n+7)&^7
		if end > c.seen || end-c.from > c.size {
			return fmt.Errorf("read ring: a record of %d bytes, of %d that there are", n, c.seen-c.from)
		}
		if length&recordEmpty != 0 {
			c.from = end
			continue
		}
		if n < c.least {
			return fmt.Errorf("read ring: a record of %d bytes", n)
		}
		c.body = c.data[at+headerSize:][:n]
		c.have, c.next, c.end = true, binary.NativeEndian.Uint64(c.body), end
	}
	return nil
}

// skip goes past the packet that peek found.
func (c *cpu) skip() {
	c.have, c.from = false, c.end
	if c.from-c.freed > c.size/8 {
		c.free()
	}
}

// free gives what was read back to the kernel.
func (c *cpu) free() {
	if c.freed != c.from {
		c.freed = c.from
		atomic.StoreUint64(c.tail, c.from)
	}
}

// lostBefore returns how many packets were lost between the last packet of this
// CPU and this one, by what the record says of all until then.
func (c *cpu) lostBefore(total uint32) uint32 {
	n := total - c.lost
	c.lost = total
	return n
}
