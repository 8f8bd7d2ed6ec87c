package grpc

import (
	"testing"

	"lodge/internal/decode"
	"lodge/internal/decode/captest"
	"lodge/internal/decode/http2"
	"lodge/internal/decode/protobuf"
)

var captures = []string{"testdata/calls.pcap", "testdata/reflection.pcap"}

// protocol returns HTTP/2 with gRPC, which knows no descriptors yet.
func protocol() *decode.Protocol {
	return http2.New(http2.Config{Layers: []http2.Layer{Layer(&protobuf.Files{})}})
}

func TestCaptures(t *testing.T) {
	for _, file := range captures {
		captest.Golden(t, file, protocol())
		captest.Splits(t, file, http2.New(http2.Config{Layers: []http2.Layer{Layer(nil)}}))
	}
}

func FuzzGRPC(f *testing.F) {
	captest.Seeds(f, "testdata/*.pcap")
	f.Fuzz(func(t *testing.T, b []byte) { captest.Play(b, protocol()) })
}
