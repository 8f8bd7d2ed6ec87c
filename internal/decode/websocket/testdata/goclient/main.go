// Command goclient is a client for make.sh.
package main

import (
	"context"
	"flag"

	"github.com/coder/websocket"
)

func main() {
	flag.Parse()
	if err := run(flag.Arg(0)); err != nil {
		panic(err)
	}
}

func run(address string) error {
	ctx := context.Background()
	c, _, err := websocket.Dial(ctx, address, &websocket.DialOptions{CompressionMode: websocket.CompressionContextTakeover, CompressionThreshold: 1})
	if err != nil {
		return err
	}
	for _, text := range []string{"hello from Go", "hello from Go", "and good bye"} {
		if err := c.Write(ctx, websocket.MessageText, []byte(text)); err != nil {
			return err
		}
		if _, _, err := c.Read(ctx); err != nil {
			return err
		}
	}
	pinged := make(chan error, 1)
	go func() {
		_, _, err := c.Read(ctx)
		pinged <- err
	}()
	if err := c.Ping(ctx); err != nil {
		return err
	}
	return c.Close(websocket.StatusNormalClosure, "done")
}
