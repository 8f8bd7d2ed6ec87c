package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"golang.org/x/sys/unix"
)

// sockets measures what a proxy has in memory while it holds idle WebSockets.
func (b *bench) sockets(ctx context.Context) error {
	t := &socketsTable{}
	b.out.Sockets = t
	n := b.opt.sockets
	// The bench has both ends of each, and so has the proxy.
	if limit := descriptors(uint64(2*n + 200)); limit < uint64(2*n+200) {
		n = int(limit-200) / 2
	}
	t.Sockets = n
	backend, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer backend.Close()
	accepted := make(chan net.Conn, n)
	go acceptSockets(backend, accepted)
	port := backend.Addr().(*net.TCPAddr).Port
	for _, name := range []string{lodgeName, nginxName, reverseName} {
		for _, w := range []way{{}, {tls: true}} {
			b.say("%d idle WebSockets, %s, %s", n, name, w.scheme())
			row, err := b.idle(ctx, name, w, port, n, accepted)
			if errors.Is(err, errNotHere) {
				continue
			}
			if err != nil {
				if name != lodgeName && ctx.Err() == nil {
					b.out.miss(name+", WebSockets", err.Error())
					continue
				}
				return err
			}
			t.Rows = append(t.Rows, row)
		}
	}
	return nil
}

// descriptors raises the limit of open descriptors of the bench and of what it
// starts, as far as it may, and gives it.
func descriptors(want uint64) uint64 {
	var l unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &l) != nil {
		return 1024
	}
	if l.Cur < want {
		up := unix.Rlimit{Cur: want, Max: max(l.Max, want)}
		if unix.Setrlimit(unix.RLIMIT_NOFILE, &up) != nil {
			up.Cur, up.Max = l.Max, l.Max
			_ = unix.Setrlimit(unix.RLIMIT_NOFILE, &up) // the limit below says what came of it
		}
		if unix.Getrlimit(unix.RLIMIT_NOFILE, &l) != nil {
			return 1024
		}
	}
	return l.Cur
}

// acceptSockets answers each upgrade and keeps the connection.
func acceptSockets(l net.Listener, accepted chan<- net.Conn) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			br := bufio.NewReaderSize(c, 1024)
			if _, err := http.ReadRequest(br); err != nil {
				c.Close()
				return
			}
			if _, err := io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"); err != nil {
				c.Close()
				return
			}
			accepted <- c
		}()
	}
}

const upgrade = "GET /ws HTTP/1.1\r\nHost: " + host + "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

func (b *bench) idle(ctx context.Context, name string, w way, port, n int, accepted <-chan net.Conn) (socketsRow, error) {
	row := socketsRow{Name: name + ", " + w.scheme()}
	c, err := b.launch(ctx, name, w, port)
	if err != nil {
		return row, err
	}
	defer c.end()
	row.Before = pssOf(c.pid)
	var open []net.Conn
	defer func() {
		for _, c := range open {
			c.Close()
		}
	}()
	for range n {
		conn, err := net.DialTimeout("tcp", c.addr(), 20*time.Second)
		if err != nil {
			return row, err
		}
		open = append(open, conn)
		if w.tls {
			conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true, ServerName: host, NextProtos: []string{"http/1.1"}})
		}
		if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
			return row, err
		}
		if _, err := io.WriteString(conn, upgrade); err != nil {
			return row, err
		}
		res, err := http.ReadResponse(bufio.NewReaderSize(conn, 1024), nil)
		if err != nil || res.StatusCode != http.StatusSwitchingProtocols {
			return row, fmt.Errorf("open WebSocket %d: %v, %w", len(open), res, err)
		}
		select {
		case up := <-accepted:
			open = append(open, up)
		case <-ctx.Done():
			return row, ctx.Err()
		}
	}
	row.After = pssOf(c.pid)
	// Go gives memory back that it has not needed for a while.
	quiet := time.NewTimer(10 * time.Second)
	defer quiet.Stop()
	select {
	case <-quiet.C:
	case <-ctx.Done():
		return row, ctx.Err()
	}
	row.Later = pssOf(c.pid)
	return row, nil
}
