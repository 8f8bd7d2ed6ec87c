package ring

import (
	"errors"
	"fmt"
	"os"
)

// Records reads a ring that is all CPUs', whose records are of any kind of at least
// 120 bytes.
type Records struct{ ring *cpu }

// OpenRecords maps a ring of ringBytes. It takes the file over.
func OpenRecords(f *os.File, ringBytes int) (*Records, error) {
	c, err := openCPU(f, ringBytes)
	if err != nil {
		return nil, fmt.Errorf("open ring: %w", err)
	}
	return &Records{c}, nil
}

// Read gives the records that are there, in the order in which they were begun, valid
// during the call. It does not wait.
func (r *Records) Read(handle func(record []byte)) error {
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
func (r *Records) Close() error {
	if r.ring == nil {
		return errors.New("close ring: it is closed")
	}
	c := r.ring
	r.ring = nil
	return c.close()
}
