package seccomphome

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"lodge/internal/loopback"
)

// BenchmarkRelay reports what the relay costs while a tap reads: the median of interleaved
// pairs, each of a connection that goes through the relay and a direct one of the same two
// programs. The last part is a connection that outlived its tap.
func BenchmarkRelay(b *testing.B) {
	for _, c := range []struct {
		name, what string
		tapped     bool
	}{
		{"round-trips", "trips 2000", true},
		{"stream-64k", "stream 67108864", true},
		{"connects", "connects 300", true},
		{"round-trips-after-the-tap", "trips 2000", false},
		{"stream-64k-after-the-tap", "stream 67108864", false},
	} {
		b.Run(c.name, func(b *testing.B) {
			h := newHome(b, loopback.Overlay)
			server := self(b, h, "api", "trips-server")
			client := self(b, h, "web", "trips", server.line())
			ask := func(text string) float64 {
				client.say(text)
				v, err := strconv.ParseFloat(strings.TrimSpace(client.line()), 64)
				if err != nil {
					b.Fatal(err)
				}
				return v
			}
			ask("open") // direct
			conn := tapHome(b, h)
			done := make(chan struct{})
			go func() {
				defer close(done)
				_, _ = io.Copy(io.Discard, conn)
			}()
			ask("open") // through the relay
			if !c.tapped {
				if err := conn.CloseWrite(); err != nil {
					b.Fatal(err)
				}
				<-done
			}
			var ratios []float64
			for b.Loop() {
				if c.name == "connects" {
					with := ask("connects 300")
					if err := conn.CloseWrite(); err != nil {
						b.Fatal(err)
					}
					<-done
					ratios = append(ratios, with/ask("connects 300"))
					conn, done = tapHome(b, h), make(chan struct{})
					go func() {
						defer close(done)
						_, _ = io.Copy(io.Discard, conn)
					}()
					continue
				}
				kind, n, _ := strings.Cut(c.what, " ")
				ratios = append(ratios, ask(kind+" "+n+" 1")/ask(kind+" "+n+" 0"))
			}
			slices.Sort(ratios)
			b.ReportMetric(ratios[len(ratios)/2], "×direct")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// tripsServer answers: of each connection the first byte says whether bytes come back.
func tripsServer([]string) error {
	ln, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(ln.Addr())
	for {
		c, err := ln.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer func() { _ = c.Close() }()
			head := make([]byte, 9)
			buf := make([]byte, 64<<10)
			for {
				// A kind, and a number of bytes that come.
				if _, err := io.ReadFull(c, head); err != nil {
					return
				}
				n, err := strconv.ParseUint(string(head[1:]), 16, 64)
				if err != nil {
					return
				}
				for n > 0 {
					k, err := c.Read(buf[:min(uint64(len(buf)), n)])
					if err != nil {
						return
					}
					n -= uint64(k)
				}
				if _, err := c.Write(head[:1]); err != nil {
					return
				}
			}
		}()
	}
}

// trips measures what it reads on standard input, and prints nanoseconds.
func trips(args []string) error {
	var conns []net.Conn
	block := make([]byte, 64<<10)
	round := func(c net.Conn, n int) error {
		if _, err := fmt.Fprintf(c, "x%08x", n); err != nil {
			return err
		}
		for n > 0 {
			k, err := c.Write(block[:min(n, len(block))])
			if err != nil {
				return err
			}
			n -= k
		}
		_, err := io.ReadFull(c, make([]byte, 1))
		return err
	}
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		f := strings.Fields(in.Text())
		n, i := 0, 0
		if len(f) > 1 {
			n, _ = strconv.Atoi(f[1])
		}
		if len(f) > 2 {
			i, _ = strconv.Atoi(f[2])
		}
		start := time.Now()
		switch f[0] {
		case "open":
			c, err := net.Dial("tcp4", args[0])
			if err != nil {
				return err
			}
			conns = append(conns, c)
		case "trips":
			for range n {
				if err := round(conns[i], 0); err != nil {
					return err
				}
			}
		case "stream":
			if err := round(conns[i], n); err != nil {
				return err
			}
		case "connects":
			for range n {
				c, err := net.Dial("tcp4", args[0])
				if err == nil {
					err = errors.Join(round(c, 0), c.Close())
				}
				if err != nil {
					return err
				}
			}
		}
		fmt.Println(time.Since(start).Nanoseconds())
	}
	return in.Err()
}
