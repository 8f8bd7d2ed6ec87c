package tls

import (
	"path/filepath"
	"testing"

	"lodge/internal/decode/captest"
)

func captures(t testing.TB) []string {
	files, err := filepath.Glob("testdata/*.pcap")
	if err != nil || len(files) < 15 {
		t.Fatalf("%d captures: %v", len(files), err)
	}
	return files
}

func TestCaptures(t *testing.T) {
	for _, file := range captures(t) {
		captest.Golden(t, file, Protocol())
		captest.Splits(t, file, Protocol())
	}
}

func FuzzTLS(f *testing.F) {
	captest.Seeds(f, "testdata/*.pcap")
	f.Fuzz(func(t *testing.T, b []byte) { captest.Play(b, Protocol()) })
}
