package decode

import (
	"bytes"
	"compress/gzip"
	"testing"
)

func TestGunzip(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	z.Write([]byte("what was sent"))
	z.Close()
	for _, c := range []struct {
		in    []byte
		limit int
		out   string
		more  bool
		fails bool
	}{
		{packed.Bytes(), 100, "what was sent", false, false},
		{packed.Bytes(), 13, "what was sent", false, false},
		{packed.Bytes(), 12, "what was sen", true, false},
		{packed.Bytes(), 0, "", true, false},
		{packed.Bytes()[:packed.Len()-9], 100, "what was sent", false, true},
		{[]byte("no gzip"), 100, "", false, true},
	} {
		out, more, err := Gunzip(c.in, c.limit)
		if string(out) != c.out && !c.fails || more != c.more || (err != nil) != c.fails {
			t.Errorf("Gunzip(%d bytes, %d) = %q, %v, %v", len(c.in), c.limit, out, more, err)
		}
	}
}
