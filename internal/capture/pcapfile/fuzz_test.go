package pcapfile

import (
	"bytes"
	"io"
	"reflect"
	"testing"
)

// FuzzReader reads any bytes as a file. It holds that packets have no more bytes
// than the file, and that what was read is the same after it was written again.
func FuzzReader(f *testing.F) {
	for _, name := range testFiles(f) {
		f.Add(readFile(f, name))
	}
	f.Add(append(head(be), process(be, 77, opt(le, 2, "sshd"), opt(be, 1, "c"))...))
	for _, magic := range []uint32{magicMicro, magicModified} {
		f.Add(pack(be, magic, uint16(2), uint16(3), uint64(0), uint32(65535), uint32(1), uint64(1), uint32(8), uint32(8), uint64(1), uint64(1)))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		want, err := read(bytes.NewReader(file))
		if err == nil {
			t.Fatal("no error at the end")
		}
		if want == nil {
			return
		}
		size := 0
		for _, r := range want.Records {
			size += len(r.Data)
			if r.OrigLen < uint32(len(r.Data)) {
				t.Fatalf("%d bytes of %d", len(r.Data), r.OrigLen)
			}
		}
		if size > len(file) {
			t.Fatalf("packets with %d bytes in a file with %d", size, len(file))
		}
		var out bytes.Buffer
		readErr, writeErr := rewrite(&out, bytes.NewReader(file))
		if writeErr != nil {
			return // a time that does not fit
		}
		if readErr.Error() != err.Error() {
			t.Fatalf("read once %v, again %v", err, readErr)
		}
		again := out.Bytes()
		got, err := read(bytes.NewReader(again))
		if err != io.EOF {
			t.Fatalf("read what was written: %v", err)
		}
		// Strings may be changed once, to be UTF-8; a third reading is like the
		// second one.
		var third bytes.Buffer
		if readErr, writeErr := rewrite(&third, bytes.NewReader(again)); readErr != io.EOF || writeErr != nil {
			t.Fatalf("read %v, write %v", readErr, writeErr)
		}
		if !bytes.Equal(third.Bytes(), again) {
			t.Fatalf("written again:\n%x\nand once more:\n%x", again, third.Bytes())
		}
		want.rewritten()
		if len(got.Records) != len(want.Records) {
			t.Fatalf("%d packets, written %d", len(got.Records), len(want.Records))
		}
		for i, r := range got.Records {
			w := want.Records[i]
			w.Comments, r.Comments = nil, nil
			if !reflect.DeepEqual(r, w) {
				t.Fatalf("packet %d: got %+v, want %+v", i, r, w)
			}
		}
	})
}
