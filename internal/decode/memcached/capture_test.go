package memcached_test

import (
	"path/filepath"
	"testing"

	"lodge/internal/decode"
	"lodge/internal/decode/captest"
	"lodge/internal/decode/memcached"
)

func protocols() []*decode.Protocol {
	return []*decode.Protocol{memcached.Protocol(), memcached.Datagrams()}
}

// captures returns the captures that testdata/make.sh made.
func captures(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/*.pcap")
	if err != nil || len(files) < 6 {
		t.Fatalf("%d captures, %v", len(files), err)
	}
	return files
}

func TestCaptures(t *testing.T) {
	for _, file := range captures(t) {
		t.Run(filepath.Base(file), func(t *testing.T) {
			captest.Golden(t, file, protocols()...)
			captest.Splits(t, file, protocols()...)
		})
	}
}

func FuzzMemcached(f *testing.F) {
	captest.Seeds(f, "testdata/*.pcap")
	stream, datagrams := memcached.Protocol(), memcached.Datagrams()
	f.Fuzz(func(t *testing.T, input []byte) {
		captest.Play(input, stream)
		captest.Play(input, datagrams)
	})
}
