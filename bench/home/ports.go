package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"
)

// freePorts returns n ports in a row on which no process listens, below those that
// the kernel hands out by itself.
func freePorts(ctx context.Context, n int) ([]int, error) {
	for base := 21000; base+n < 32000; base += n {
		out := make([]int, 0, n)
		for p := base; p < base+n; p++ {
			var lc net.ListenConfig
			ln, err := lc.Listen(ctx, "tcp4", fmt.Sprintf(":%d", p))
			if err != nil {
				break
			}
			_ = ln.Close()
			out = append(out, p)
		}
		if len(out) == n {
			return out, nil
		}
	}
	return nil, errors.New("find free ports: there are none in a row")
}

// untilListening returns when someone listens on each port at ip. It asks by
// connecting, one port after the other: a port that listens is not asked again,
// so that asking costs the same for every program that starts the services.
func untilListening(ctx context.Context, ip string, ports []int, limit time.Duration) error {
	return eachPort(ctx, ip, ports, limit, true)
}

// untilSilent returns when no process listens on any.
func untilSilent(ctx context.Context, ip string, ports []int, limit time.Duration) error {
	return eachPort(ctx, ip, ports, limit, false)
}

func eachPort(ctx context.Context, ip string, ports []int, limit time.Duration, listening bool) error {
	deadline := time.Now().Add(limit)
	t := time.NewTicker(500 * time.Microsecond)
	defer t.Stop()
	for _, p := range ports {
		for answers(ip, p) != listening {
			select {
			case <-t.C:
			case <-ctx.Done():
				return ctx.Err()
			}
			if time.Now().After(deadline) {
				return fmt.Errorf("wait for port %d at %s: listening is not %v after %s", p, ip, listening, limit)
			}
		}
	}
	return nil
}

func answers(ip string, port int) bool {
	c, err := net.DialTimeout("tcp4", fmt.Sprintf("%s:%d", ip, port), time.Second)
	if err != nil {
		return false
	}
	// No pair of ports is kept (TIME_WAIT).
	_ = c.(*net.TCPConn).SetLinger(0)
	_ = c.Close()
	return true
}
