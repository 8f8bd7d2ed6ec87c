package decode

import "testing"

func TestReader(t *testing.T) {
	r := NewReader([]byte{1, 0, 2, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 4, 0xac, 0x02, 'r', 'e', 's', 't'})
	if a, b, c, d, e := r.Uint8(), r.Uint16(), r.Uint32(), r.Uint64(), r.Uvarint(4); a != 1 || b != 2 || c != 3 || d != 4 || e != 300 {
		t.Errorf("read %d %d %d %d %d", a, b, c, d, e)
	}
	if r.Offset() != 17 || r.Len() != 4 || r.Short() {
		t.Errorf("offset %d, %d left, short %v", r.Offset(), r.Len(), r.Short())
	}
	if b := r.Bytes(5); b != nil || !r.Short() || r.Len() != 0 {
		t.Errorf("read %q past the end, short %v, %d left", b, r.Short(), r.Len())
	}
	if v := r.Uint32(); v != 0 {
		t.Errorf("read %d after the end", v)
	}
	for name, b := range map[string][]byte{"too long": {0x80, 0x80, 0x80, 0x80, 1}, "cut": {0x80}} {
		if r := NewReader(b); r.Uvarint(4) != 0 || !r.Short() {
			t.Errorf("a number that is %s is read", name)
		}
	}
	if r := NewReader([]byte{1, 2}); r.Bytes(-1) != nil || !r.Short() {
		t.Error("a negative length is read")
	}
	if r := NewReader([]byte("rest")); string(r.Rest()) != "rest" || r.Short() || string(r.Rest()) != "" || r.Short() {
		t.Error("the rest is not all that is left")
	}
}
