package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
)

// settleTime is how long WebSockets are idle before memory is looked at.
const settleTime = 5 * time.Second

// webSockets measures what many idle WebSockets take in the proxies.
func (b *bench) webSockets(ctx context.Context, s *site) (err error) {
	t := &webSocketTable{Sockets: mostSockets(10000)}
	if b.opt.quick {
		t.Sockets = 1000
	}
	b.out.WebSockets = t
	server := &contender{name: "bench/answer", scheme: "http", port: answerPort, probe: "/"}
	if _, err := s.up(ctx, server, nil, b.tools.answer, "-listen", s.address(answerPort)); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, fell(ctx, []*contender{server})) }()
	to := behind{addr: s.address(answerPort), argv: []string{b.tools.answer, "-listen", s.address(homePort)}, probe: "/"}
	for _, scheme := range []string{"http", "https"} {
		for _, name := range []string{lodgeName, upName, reverseName, caddyName} {
			b.say("websockets over %s: %s", scheme, name)
			there, missing, err := s.stand(ctx, scheme, to, name)
			if err != nil {
				return err
			}
			t.Missing = append(t.Missing, missing...)
			for _, c := range there {
				row, err := c.hold(ctx, t.Sockets)
				if err != nil {
					err = fmt.Errorf("%s, %s: %w", name, scheme, err)
				}
				if err = errors.Join(err, fell(ctx, there)); err != nil {
					return err
				}
				t.Rows = append(t.Rows, row)
			}
		}
	}
	return nil
}

// hold opens n WebSockets and says nothing on them.
func (c *contender) hold(ctx context.Context, n int) (webSocketRow, error) {
	row := webSocketRow{Name: c.name, Scheme: c.scheme, Before: memoryOf(c.pids())}
	conns := make([]*websocket.Conn, n)
	defer func() {
		for _, ws := range conns {
			if ws != nil {
				_ = ws.CloseNow() // the proxy is ended next
			}
		}
	}()
	client := &http.Client{Transport: c.transport(0, false)}
	url := strings.Replace(c.url("/ws"), "http", "ws", 1)
	var next atomic.Int64
	var group sync.WaitGroup
	const dialling = 16
	errs := make([]error, dialling)
	for w := range dialling {
		group.Go(func() {
			for errs[w] == nil {
				i := int(next.Add(1) - 1)
				if i >= n {
					return
				}
				dial, cancel := context.WithTimeout(ctx, 30*time.Second)
				conns[i], _, errs[w] = websocket.Dial(dial, url, &websocket.DialOptions{HTTPClient: client})
				cancel()
			}
		})
	}
	group.Wait()
	if err := errors.Join(errs...); err != nil {
		return row, err
	}
	select {
	case <-time.After(settleTime):
	case <-ctx.Done():
		return row, ctx.Err()
	}
	row.Idle = memoryOf(c.pids())
	// They must all be there still.
	for i, ws := range conns {
		if err := says(ctx, ws); err != nil {
			return row, fmt.Errorf("WebSocket %d: %w", i, err)
		}
	}
	return row, nil
}

func says(ctx context.Context, ws *websocket.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	if err := ws.Write(ctx, websocket.MessageText, []byte("still there?")); err != nil {
		return err
	}
	_, said, err := ws.Read(ctx)
	if err == nil && string(said) != "still there?" {
		err = fmt.Errorf("it says %q", said)
	}
	return err
}
