package kafka

import (
	"testing"

	"lodge/internal/decode/captest"
)

func Fuzz(f *testing.F) {
	captest.Seeds(f, "testdata/*.pcap")
	f.Fuzz(func(_ *testing.T, b []byte) { captest.Play(b, Protocol()) })
}
