package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"lodge/bench/internal/rounds"
	"lodge/bench/internal/scratch"
)

// started is what one start took, in milliseconds.
type started struct{ listen, run []float64 }

// start measures how long it takes until a name is answered: by `lodge run`
// with a daemon that runs already, and by the program itself.
func (b *bench) start(ctx context.Context, s *site) error {
	l, err := b.newLodge("start")
	if err != nil {
		return err
	}
	dir, err := b.w.Mkdir("start/app")
	if err != nil {
		return err
	}
	if err := l.stayingDaemon(ctx, b); err != nil {
		return err
	}
	note := b.w.Path("start/note")
	argv := []string{b.tools.answer, "-listen", s.address(answerPort), "-note", note}
	run := append([]string{l.exe, "run", "--"}, argv...)
	// The first run also tells where names are served.
	port, err := b.namesPort(ctx, l, dir, run)
	if err != nil {
		return err
	}
	roads := []struct {
		name  string
		argv  []string
		c     *contender
		times started
	}{
		{name: "the program, at its port", argv: argv, c: &contender{scheme: "http", port: answerPort}},
		{name: "lodge run, by name", argv: run, c: &contender{scheme: "http", port: port}},
	}
	t := &startTable{Rounds: b.opt.turns(15, 2)}
	for r := range t.Rounds {
		b.say("start: round %d of %d", r+1, t.Rounds)
		for i := range roads {
			i = (i + r) % len(roads)
			if err := os.Remove(note); err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
			if err := roads[i].times.once(ctx, l.env, dir, note, roads[i].argv, roads[i].c); err != nil {
				return fmt.Errorf("%s: %w", roads[i].name, err)
			}
		}
	}
	for _, r := range roads {
		t.Rows = append(t.Rows, startRow{Name: r.name, ListenToAMS: rounds.SpreadOf(r.times.listen), RunToAMS: rounds.SpreadOf(r.times.run)})
	}
	b.out.Start = t
	return l.end(ctx)
}

func (b *bench) namesPort(ctx context.Context, l *lodge, dir string, run []string) (int, error) {
	child, err := scratch.Start(l.env, dir, run...)
	if err != nil {
		return 0, err
	}
	port := 0
	err = scratch.Eventually(ctx, poll, 20*time.Second, func() error {
		o, err := l.open(ctx, dir)
		if err != nil {
			return err
		}
		port, _, err = o.ports()
		return err
	})
	return port, errors.Join(err, child.Terminate())
}

// once starts the program, asks until it answers, and ends it. Asking in vain
// costs the daemon too, so there is a moment between two questions.
func (s *started) once(ctx context.Context, env []string, dir, note string, argv []string, c *contender) error {
	client := &http.Client{Transport: c.transport(1, false), Timeout: 20 * time.Second}
	defer client.CloseIdleConnections()
	begin := monotonic()
	child, err := scratch.Start(env, dir, argv...)
	if err != nil {
		return err
	}
	t := time.NewTicker(2 * time.Millisecond)
	defer t.Stop()
	for deadline := time.Now().Add(20 * time.Second); ; {
		if _, err = get(ctx, client, c.url("/")); err == nil || time.Now().After(deadline) || ctx.Err() != nil {
			break
		}
		<-t.C
	}
	end := monotonic()
	if err == nil {
		var at int64
		if at, err = noted(note); err == nil {
			s.listen = append(s.listen, float64(end-at)/1e6)
			s.run = append(s.run, float64(end-begin)/1e6)
		}
	}
	if err = errors.Join(err, child.Terminate()); err != nil {
		return err
	}
	return scratch.Eventually(ctx, poll, 20*time.Second, func() error {
		if _, err := get(ctx, client, c.url("/")); err == nil {
			return errors.New("it still answers")
		}
		return nil
	})
}

func monotonic() int64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		return 0
	}
	return t.Nano()
}

func noted(path string) (int64, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64)
}
