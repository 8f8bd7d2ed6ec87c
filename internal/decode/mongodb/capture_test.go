package mongodb

import (
	"path/filepath"
	"testing"

	"lodge/internal/decode/captest"
)

// captures returns the captures that testdata/make.sh made.
func captures(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/*.pcap")
	if err != nil || len(files) < 3 {
		t.Fatalf("%d captures, %v", len(files), err)
	}
	return files
}

func TestCaptures(t *testing.T) {
	for _, file := range captures(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			captest.Golden(t, file, Protocol())
			captest.Splits(t, file, Protocol())
		})
	}
}

func FuzzMongoDB(f *testing.F) {
	captest.Seeds(f, "testdata/*.pcap")
	p := Protocol()
	f.Fuzz(func(t *testing.T, input []byte) { captest.Play(input, p) })
}
