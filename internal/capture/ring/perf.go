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

// perf is the ring of one CPU: a perf event's buffer (perf_event_open(2)).
type perf struct {
	file   *os.File
	memory []byte
	data   []byte
	head   *uint64 // written by the kernel
	tail   *uint64 // written here
	// from is where the next record begins, freed what the kernel knows of it, and
	// seen where the records end that may be read.
	from, freed, seen uint64
	scratch           []byte // for records that wrap around
	// The next packet; have says that there is one.
	have bool
	next uint64 // its time
	body []byte
	end  uint64 // where the record after it begins
	lost uint64
	// rest has the bytes behind those of a record, of the packet of that time.
	rest   []byte
	restOf uint64
	joined []byte // such a packet
}

// openPerf maps a ring with ringBytes of data. It takes the file over.
func openPerf(f *os.File, ringBytes int) (*perf, error) {
	page := os.Getpagesize()
	memory, err := unix.Mmap(int(f.Fd()), 0, page+ringBytes, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return nil, errors.Join(os.NewSyscallError("mmap", err), f.Close())
	}
	control := (*unix.PerfEventMmapPage)(unsafe.Pointer(&memory[0]))
	p := &perf{file: f, memory: memory, data: memory[page:], head: &control.Data_head, tail: &control.Data_tail}
	p.from = atomic.LoadUint64(p.tail)
	p.freed = p.from
	return p, nil
}

func (p *perf) close() error {
	return errors.Join(os.NewSyscallError("munmap", unix.Munmap(p.memory)), p.file.Close())
}

// look notes how far the kernel has written.
func (p *perf) look() { p.seen = atomic.LoadUint64(p.head) }

// The types of records (enum perf_event_type).
const (
	recordLost   = 2
	recordSample = 9
)

// peek finds the next packet, and counts what it finds before it.
func (p *perf) peek() error {
	for !p.have && p.from < p.seen {
		header := p.data[p.from&uint64(len(p.data)-1):][:8]
		kind, size := binary.NativeEndian.Uint32(header), uint64(binary.NativeEndian.Uint16(header[6:]))
		if size < 8 || size&7 != 0 || p.from+size > p.seen {
			return fmt.Errorf("read ring: a record of %d bytes, of %d that there are", size, p.seen-p.from)
		}
		body := p.bytes(p.from+8, size-8)
		p.end = p.from + size
		switch {
		case kind == recordSample && len(body) >= 4+recordSize:
			body, next := body[4:], binary.NativeEndian.Uint64(body[4:])
			if Flags(body[recordFlags])&part == 0 {
				p.have, p.body, p.next = true, body, next
				break
			}
			if err := p.keep(body, next); err != nil {
				return err
			}
			p.from = p.end
		case kind == recordLost && len(body) >= 16:
			p.lost += binary.NativeEndian.Uint64(body[8:])
			p.from = p.end
		default:
			return fmt.Errorf("read ring: a record of type %d and %d bytes", kind, size)
		}
	}
	return nil
}

// keep keeps a part of a packet that comes later. If that one was lost, it goes
// when the next part comes.
func (p *perf) keep(body []byte, of uint64) error {
	n := binary.NativeEndian.Uint32(body[recordCaptured:])
	if body = body[recordSize:]; uint64(n) > uint64(len(body)) {
		return fmt.Errorf("read ring: a part of %d bytes in a record of %d", n, len(body))
	}
	if p.restOf != of {
		p.rest, p.restOf = p.rest[:0], of
	}
	p.rest = append(p.rest, body[:n]...)
	return nil
}

// whole adds to a packet what it has in other records.
func (p *perf) whole(packet *Packet) {
	if p.restOf == p.next && len(p.rest) > 0 {
		p.joined = append(append(p.joined[:0], packet.Data...), p.rest...)
		packet.Data, p.rest = p.joined, p.rest[:0]
	}
}

// bytes returns n bytes of the ring, without a copy unless they wrap around.
func (p *perf) bytes(at, n uint64) []byte {
	at &= uint64(len(p.data) - 1)
	if at+n <= uint64(len(p.data)) {
		return p.data[at : at+n]
	}
	p.scratch = append(p.scratch[:0], p.data[at:]...)
	p.scratch = append(p.scratch, p.data[:n-uint64(len(p.scratch))]...)
	return p.scratch
}

// skip goes past the packet that peek found.
func (p *perf) skip() {
	p.have, p.from = false, p.end
	if p.from-p.freed > uint64(len(p.data)/8) {
		p.free()
	}
}

// free gives what was read back to the kernel.
func (p *perf) free() {
	if p.freed != p.from {
		p.freed = p.from
		atomic.StoreUint64(p.tail, p.from)
	}
}
