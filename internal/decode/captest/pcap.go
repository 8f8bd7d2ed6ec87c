package captest

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"lodge/internal/capture/packet"
	"lodge/internal/capture/pcapfile"
)

// record is one packet of a capture file.
type record struct {
	at      time.Time
	link    packet.LinkType
	data    []byte
	origLen int
}

// readPackets calls f with each packet of a capture file. A file that ends within
// a packet ends before it.
func readPackets(file string, f func(record) error) error {
	in, err := os.Open(file)
	if err != nil {
		return err
	}
	defer in.Close()
	r, err := pcapfile.Open(in)
	if err != nil {
		return fmt.Errorf("open %s: %w", file, err)
	}
	for {
		p, err := r.Next()
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", file, err)
		}
		if err := f(record{at: p.Time, link: packet.LinkType(p.LinkType), data: p.Data, origLen: int(p.OrigLen)}); err != nil {
			return fmt.Errorf("read %s: %w", file, err)
		}
	}
}
