package ring

import (
	"errors"
	"fmt"
	"os"
)

// Single reads a ring that is all CPUs', whose records are of any kind of at least
// 120 bytes.
type Single struct{ ring *cpu }

// OpenSingle maps a ring of ringBytes. It takes the file over.
func OpenSingle(f *os.File, ringBytes int) (*Single, error) {
	c, err := openCPU(f, ringBytes)
	if err != nil {
		return nil, fmt.Errorf("open ring: %w", err)
	}
	c.least = recordSize
	return &Single{c}, nil
}

// Read gives the records that are there, in the order in which they were begun, valid
// during the call. It does not wait.
func (r *Single) Read(handle func(record []byte)) error {
	c := r.ring
	c.look()
	for {
		if err := c.peek(); err != nil {
			return err
		}
		if !c.have {
			c.free()
			return nil
		}
		handle(c.body)
		c.skip()
	}
}

// Close lets go of the ring.
func (r *Single) Close() error {
	if r.ring == nil {
		return errors.New("close ring: it is closed")
	}
	c := r.ring
	r.ring = nil
	return c.close()
}
