package grpc

import (
	"testing"

	"lodge/internal/decode"
	"lodge/internal/decode/captest"
	"lodge/internal/decode/http1"
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

// TestConnect holds what Connect's own client and server say to each other, with GET and
// POST and as gRPC-Web, on HTTP/1 and HTTP/2.
func TestConnect(t *testing.T) {
	both := func(d Descriptors) []*decode.Protocol {
		return []*decode.Protocol{http2.New(http2.Config{Layers: []http2.Layer{Layer(d)}}), http1.New(http1.Config{Layers: []http1.Layer{Layer1(d)}})}
	}
	captest.Golden(t, "testdata/connect.pcap", both(&protobuf.Files{})...)
	captest.Splits(t, "testdata/connect.pcap", both(nil)...)
}

func FuzzGRPC(f *testing.F) {
	captest.Seeds(f, "testdata/*.pcap")
	f.Fuzz(func(t *testing.T, b []byte) { captest.Play(b, protocol()) })
}
