package explain

import "io"

// messageEnd is how much of a log explain looks at, in bytes: its end.
const messageEnd = 256 << 10

// readEnd reads to the end and returns the last n bytes.
func readEnd(r io.Reader, n int) ([]byte, error) {
	var out []byte
	buf := make([]byte, 64<<10)
	for {
		k, err := r.Read(buf)
		if out = append(out, buf[:k]...); len(out) > 2*n {
			out = append(out[:0], out[len(out)-n:]...)
		}
		if err == io.EOF {
			return out[max(0, len(out)-n):], nil
		}
		if err != nil {
			return nil, err
		}
	}
}
