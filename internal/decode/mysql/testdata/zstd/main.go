// Command zstd makes the traffic of zstd.pcap: go-mysql, which compresses with zstd, and a
// relay that takes the compression away, for MariaDB has none.
package main

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"sync/atomic"

	"github.com/go-mysql-org/go-mysql/client"
	"github.com/klauspost/compress/zstd"
)

// Capabilities.
const (
	capCompress = 1 << 5
	capSSL      = 1 << 11
	capZstd     = 1 << 26
)

func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}

func main() {
	if os.Args[1] == "relay" {
		l := must(net.Listen("tcp", os.Args[2]))
		fmt.Println("ready")
		for {
			go serve(must(l.Accept()), os.Args[3])
		}
	}
	c := must(client.Connect(os.Args[2], "go", "sesame", "shop", func(c *client.Conn) error { c.SetCapability(capZstd); return nil }))
	for _, statement := range []string{
		"select 1",
		"select repeat('compress me ', 2000), 'and more'",
		"select * from items where name in ('item 1', 'item 2', 'item 1', 'item 2', 'item 1', 'item 2', 'item 1', 'item 2', 'item 1', 'item 2')",
		"select * from missing",
	} {
		_, err := c.Execute(statement)
		fmt.Println(statement, err)
	}
	s := must(c.Prepare("select * from items where id < ?"))
	_, err := s.Execute(3)
	fmt.Println("prepared", err, s.Close(), c.Close())
}

// serve offers zstd in the greeting, and hides it from the server.
func serve(c net.Conn, server string) {
	defer c.Close()
	s := must(net.Dial("tcp", server))
	defer s.Close()
	greeting := packet(s)
	// The version, the thread, 8 bytes, 0, capabilities (2), charset, status (2), capabilities (2).
	at := 5 + bytes.IndexByte(greeting[5:], 0) + 1 + 4 + 8 + 1
	greeting[at] &^= capCompress
	greeting[at+1] &^= capSSL >> 8
	greeting[at+6] |= capZstd >> 24
	c.Write(greeting)
	login := packet(c)
	login[7] &^= capZstd >> 24
	login = login[:len(login)-1] // the level of compression
	login[0]--
	s.Write(login)
	for {
		p := packet(s)
		c.Write(p)
		if len(p) < 5 || p[4] == 0 {
			break
		}
		s.Write(packet(c))
	}
	var number atomic.Uint32
	go func() {
		defer c.Close()
		buf := make([]byte, 60000)
		z := must(zstd.NewWriter(nil))
		for {
			n, err := s.Read(buf)
			if err != nil {
				return
			}
			out, plain := buf[:n], 0
			if n > 50 {
				out, plain = z.EncodeAll(buf[:n], nil), n
			}
			h := []byte{byte(len(out)), byte(len(out) >> 8), byte(len(out) >> 16), byte(number.Add(1)), byte(plain), byte(plain >> 8), byte(plain >> 16)}
			c.Write(append(h, out...))
		}
	}()
	z := must(zstd.NewReader(nil))
	for {
		h := make([]byte, 7)
		if _, err := io.ReadFull(c, h); err != nil {
			return
		}
		b := make([]byte, int(h[0])|int(h[1])<<8|int(h[2])<<16)
		io.ReadFull(c, b)
		if h[4] != 0 || h[5] != 0 || h[6] != 0 {
			b = must(z.DecodeAll(b, nil))
		}
		number.Store(0)
		s.Write(b)
	}
}

// packet reads a packet with its header, nil at the end.
func packet(r io.Reader) []byte {
	h := make([]byte, 4)
	if _, err := io.ReadFull(r, h); err != nil {
		return nil
	}
	b := make([]byte, int(h[0])|int(h[1])<<8|int(h[2])<<16)
	io.ReadFull(r, b)
	return append(h, b...)
}
