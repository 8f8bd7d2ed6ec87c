package logs

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

func chunkOf(size int) []byte {
	return bytes.Repeat([]byte("127.0.0.1 - - \"GET /static/app.js HTTP/1.1\" 200 1234 \"-\" \"curl/8.0\"\n"), size/70)
}

// BenchmarkWrite: the time and the allocations are those of a chunk as a pipe
// gives it, not of a line.
func BenchmarkWrite(b *testing.B) {
	for _, size := range []int{70, 4 << 10, 64 << 10} {
		b.Run(fmt.Sprintf("chunk=%d", size), func(b *testing.B) {
			st, err := Open(b.TempDir(), Options{})
			check(b, err)
			defer st.Close()
			w := st.Writer("web")
			chunk := chunkOf(size)
			b.SetBytes(int64(len(chunk)))
			b.ReportAllocs()
			for b.Loop() {
				_, _ = w.Write(chunk)
			}
		})
	}
}

// BenchmarkRead reads 64 MiB, whole and only its end.
func BenchmarkRead(b *testing.B) {
	dir := b.TempDir()
	st, err := Open(dir, Options{MaxBytes: 1 << 40})
	check(b, err)
	defer st.Close()
	w := st.Writer("web")
	chunk := chunkOf(64 << 10)
	size := 0
	for size < 64<<20 {
		n, _ := w.Write(chunk)
		size += n
	}
	for name, q := range map[string]Query{"all": {}, "tail=100": {Tail: 100}} {
		b.Run(name, func(b *testing.B) {
			if q.Tail == 0 {
				b.SetBytes(int64(size))
			}
			b.ReportAllocs()
			for b.Loop() {
				for _, err := range Read(dir, q) {
					check(b, err)
				}
			}
		})
	}
}

// TestWriteAllocations: a line costs none, nor does a chunk once the buffers
// have grown.
func TestWriteAllocations(t *testing.T) {
	st, err := Open(t.TempDir(), Options{MaxBytes: 1 << 40})
	check(t, err)
	defer st.Close()
	w := st.Writer("web")
	chunk := []byte(strings.Repeat("some line of output\r\n", 500))
	for range 100 {
		_, _ = w.Write(chunk)
	}
	if n := testing.AllocsPerRun(100, func() { _, _ = w.Write(chunk) }); n > 20 {
		t.Errorf("%v allocations for 500 lines", n)
	}
}
