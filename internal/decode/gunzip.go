package decode

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
)

// Gunzip returns what gzip compressed, at most limit bytes of it; more reports
// whether there is more. Where b is only the first part of what was sent, or is
// damaged, it returns what can be had, with an error.
func Gunzip(b []byte, limit int) (out []byte, more bool, err error) {
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, false, err
	}
	out, err = io.ReadAll(io.LimitReader(z, int64(limit)))
	if err != nil || len(out) < limit {
		return out, false, err
	}
	var one [1]byte
	n, err := z.Read(one[:])
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return out, n > 0, err
}
