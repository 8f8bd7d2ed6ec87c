package ring

import (
	"context"
	"encoding/binary"
	"os"
	"sync"
)

// Rings reads the rings of a tap of lo.
type Rings struct {
	*Records

	// Idle, if it is not nil, is called by Run where there was no packet to give, four
	// times a second and more.
	Idle func()

	mu     sync.Mutex // guards counts
	counts Counts
}

var _ Source = (*Rings)(nil)

// Open maps the rings of all CPUs, of ringBytes each. It takes the files over.
func Open(files []*os.File, ringBytes int) (*Rings, error) {
	r, err := OpenRecords(files, ringBytes, recordSize)
	if err != nil {
		return nil, err
	}
	return &Rings{Records: r}, nil
}

// Counts returns what has been read.
func (r *Rings) Counts() Counts {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.counts
}

// Run is [Source].Run.
func (r *Rings) Run(ctx context.Context, handle func(*Packet) error) error {
	give, after := r.packets(handle)
	return r.run(ctx, give, after)
}

// packets returns what takes records as packets, and what counts them.
func (r *Rings) packets(handle func(*Packet) error) (give func(c *cpu, wall int64) error, after func(given bool)) {
	var p Packet
	var known names
	counts := r.Counts()
	give = func(c *cpu, wall int64) error {
		if err := p.parse(c.body, wall, &known); err != nil {
			return err
		}
		p.Lost = int(c.lostBefore(binary.NativeEndian.Uint32(c.body[recordLost:])))
		counts.Lost += uint64(p.Lost)
		counts.Packets++
		counts.Bytes += uint64(p.OrigLen)
		counts.Captured += uint64(len(p.Data))
		return handle(&p)
	}
	return give, func(given bool) {
		if !given && r.Idle != nil {
			r.Idle()
		}
		counts.Late = r.late
		r.mu.Lock()
		defer r.mu.Unlock()
		r.counts = counts
	}
}
