package grpc

import "encoding/base64"

// base64Reader decodes base64 as it comes. Messages may be encoded one by one, so that
// there is padding in the middle.
type base64Reader struct {
	quad [4]byte
	have int
	out  []byte
}

// read decodes what is there of whole groups; the result is valid until the next call.
// It reports false for what is no base64.
func (r *base64Reader) read(b []byte) ([]byte, bool) {
	r.out = r.out[:0]
	for _, c := range b {
		if c == '\r' || c == '\n' || c == ' ' || c == '\t' {
			continue
		}
		r.quad[r.have] = c
		if r.have++; r.have < len(r.quad) {
			continue
		}
		r.have = 0
		var three [3]byte
		n, err := base64.StdEncoding.Decode(three[:], r.quad[:])
		if err != nil {
			return nil, false
		}
		r.out = append(r.out, three[:n]...)
	}
	return r.out, true
}
