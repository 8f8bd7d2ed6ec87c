package tls_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"lodge/internal/decode"
	"lodge/internal/decode/all"
	"lodge/internal/decode/captest"
	"lodge/internal/decode/tls"
	"lodge/internal/decode/tlskeys"
)

// keyed returns the captures that have a key log beside them.
func keyed(t testing.TB) []string {
	files, err := filepath.Glob("testdata/keys/*.pcap")
	if err != nil || len(files) < 5 {
		t.Fatalf("%d captures: %v", len(files), err)
	}
	return files
}

func keysOf(t testing.TB, capture string) *tlskeys.Log {
	t.Helper()
	b, err := os.ReadFile(strings.TrimSuffix(capture, ".pcap") + ".keys")
	if err != nil {
		t.Fatal(err)
	}
	l := new(tlskeys.Log)
	_, _ = l.Write(b)
	l.Flush()
	if _, _, bad := l.Counts(); bad > 0 {
		t.Errorf("%s: %d lines cannot be read", capture, bad)
	}
	return l
}

func TestKeys(t *testing.T) {
	for _, file := range keyed(t) {
		protocols := all.Protocols(tls.Config{Keys: keysOf(t, file)})
		captest.Golden(t, file, protocols...)
		captest.Splits(t, file, protocols...)
	}
}

var _ = decode.Masked
