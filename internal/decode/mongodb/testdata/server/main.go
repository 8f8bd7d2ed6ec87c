// Command server serves MongoDB's wire protocol with FerretDB, and relays to it
// what clients send compressed, which it does not take itself.
package main

import (
	"bytes"
	"compress/zlib"
	"context"
	"encoding/binary"
	"io"
	"log"
	"net"
	"os"

	"github.com/FerretDB/FerretDB/ferretdb"
	"github.com/golang/snappy"
	"github.com/klauspost/compress/zstd"
)

func main() {
	server, relay, data := os.Args[1], os.Args[2], os.Args[3]
	f, err := ferretdb.New(&ferretdb.Config{
		Listener: ferretdb.ListenerConfig{TCP: server}, Handler: "sqlite", SQLiteURL: "file:" + data + "/",
	})
	if err != nil {
		log.Fatal(err)
	}
	l, err := net.Listen("tcp", relay)
	if err != nil {
		log.Fatal(err)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				log.Fatal(err)
			}
			go serve(c, server)
		}
	}()
	log.Fatal(f.Run(context.Background()))
}

const (
	opReply      = 1
	opCompressed = 2012
	opMsg        = 2013
)

// serve relays one connection: one request and its answer after another.
func serve(c net.Conn, server string) {
	defer c.Close()
	s, err := net.Dial("tcp", server)
	if err != nil {
		return
	}
	defer s.Close()
	for {
		m, err := read(c)
		if err != nil {
			return
		}
		packed := opcode(m) == opCompressed
		how := byte(0)
		if packed {
			how = m[24]
			m = unpack(m)
		}
		if _, err := s.Write(m); err != nil {
			return
		}
		if opcode(m) == opMsg && m[16]&2 != 0 {
			continue // not answered
		}
		answer, err := read(s)
		if err != nil {
			return
		}
		if bytes.Contains(m, []byte("compression\x00")) {
			answer = offer(answer)
		}
		if packed {
			answer = pack(answer, how)
		}
		if _, err := c.Write(answer); err != nil {
			return
		}
	}
}

var le = binary.LittleEndian

func opcode(m []byte) uint32 { return le.Uint32(m[12:]) }

func read(r io.Reader) ([]byte, error) {
	m := make([]byte, 16)
	if _, err := io.ReadFull(r, m); err != nil {
		return nil, err
	}
	m = append(m, make([]byte, le.Uint32(m)-16)...)
	_, err := io.ReadFull(r, m[16:])
	return m, err
}

// The numbers of the compressors.
const (
	useSnappy = 1
	useZlib   = 2
	useZstd   = 3
)

func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}

func unpack(m []byte) []byte {
	var body []byte
	switch m[24] {
	case useSnappy:
		body = must(snappy.Decode(nil, m[25:]))
	case useZlib:
		body = must(io.ReadAll(must(zlib.NewReader(bytes.NewReader(m[25:])))))
	case useZstd:
		body = must(must(zstd.NewReader(nil)).DecodeAll(m[25:], nil))
	}
	out := append(append([]byte(nil), m[:12]...), m[16:20]...)
	out = append(out, body...)
	le.PutUint32(out, uint32(len(out)))
	return out
}

func pack(m []byte, how byte) []byte {
	out := append([]byte(nil), m[:12]...)
	out = le.AppendUint32(out, opCompressed)
	out = append(out, m[12:16]...)
	out = append(le.AppendUint32(out, uint32(len(m)-16)), how)
	switch how {
	case useSnappy:
		out = append(out, snappy.Encode(nil, m[16:])...)
	case useZlib:
		var b bytes.Buffer
		z := zlib.NewWriter(&b)
		z.Write(m[16:])
		z.Close()
		out = append(out, b.Bytes()...)
	case useZstd:
		out = must(zstd.NewWriter(nil)).EncodeAll(m[16:], out)
	}
	le.PutUint32(out, uint32(len(out)))
	return out
}

// offer adds the compressors of the relay to the answer to a hello.
func offer(m []byte) []byte {
	at := 21
	if opcode(m) == opReply {
		at = 36
	}
	element := []byte("\x04compression\x00....\x020\x00\x07\x00\x00\x00snappy\x00\x021\x00\x05\x00\x00\x00zlib\x00\x022\x00\x05\x00\x00\x00zstd\x00\x00")
	le.PutUint32(element[13:], uint32(len(element)-13))
	out := append(append([]byte(nil), m[:len(m)-1]...), element...)
	out = append(out, 0)
	le.PutUint32(out, uint32(len(out)))
	le.PutUint32(out[at:], uint32(len(out)-at))
	return out
}
