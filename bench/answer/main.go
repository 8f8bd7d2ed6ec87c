// Command answer is the trivial web service of bench/names: it answers every
// request with a line, and /ws with a WebSocket that says again what it is
// told.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"

	"github.com/coder/websocket"
	"golang.org/x/sys/unix"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench/answer:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("answer", flag.ContinueOnError)
	listen := f.String("listen", "127.0.0.1:0", "address to listen on")
	note := f.String("note", "", "file for the moment at which it listened: CLOCK_MONOTONIC, in nanoseconds")
	if err := f.Parse(args); err != nil {
		return err
	}
	ln, err := net.Listen("tcp", *listen)
	if err != nil {
		return err
	}
	if *note != "" {
		if err := write(*note); err != nil {
			return errors.Join(err, ln.Close())
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("it answers\n")) // who has gone wants no answer
	})
	mux.HandleFunc("/ws", func(w http.ResponseWriter, r *http.Request) { echo(ctx, w, r) })
	s := &http.Server{Handler: mux}
	context.AfterFunc(ctx, func() { _ = s.Close() }) // Serve tells how it ended
	if err := s.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// write makes the note appear whole or not at all.
func write(path string) error {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		return os.NewSyscallError("clock_gettime", err)
	}
	if err := os.WriteFile(path+".new", []byte(strconv.FormatInt(t.Nano(), 10)), 0o644); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

func echo(ctx context.Context, w http.ResponseWriter, r *http.Request) {
	c, err := websocket.Accept(w, r, nil)
	if err != nil {
		return // it has answered
	}
	defer c.CloseNow()
	for {
		kind, said, err := c.Read(ctx)
		if err != nil || c.Write(ctx, kind, said) != nil {
			return
		}
	}
}
