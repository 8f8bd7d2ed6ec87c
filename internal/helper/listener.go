package helper

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"lodge/internal/helper/hostnames"
	"lodge/internal/unixsock"

	"golang.org/x/sys/unix"
)

// endPatience bounds how long the end waits for the sessions: what they do
// takes less, unless the kernel holds one of them.
const endPatience = 4 * time.Second

// acceptPause is how long no client is accepted when the machine has no
// descriptor or memory left.
const acceptPause = 100 * time.Millisecond

// ServeListener serves every user who connects, each with a session of its
// own, until ctx ends; it then waits for all sessions, for a while. The user is
// the one that the kernel names (SO_PEERCRED, unix(7)). Errors of single clients
// go to report, which may be called from several goroutines.
func ServeListener(ctx context.Context, ln *net.UnixListener, o Options, report func(error)) (err error) {
	stop := context.AfterFunc(ctx, func() { _ = ln.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	all, guests := newShared(o), newGuests()
	defer all.taps.Wait()
	// Sessions see the end after the mark.
	sctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() {
		all.ending.Store(true)
		cancel()
	})()
	var sessions sync.WaitGroup
	defer func() {
		all.ending.Store(true)
		cancel()
		err = errors.Join(err, awaitSessions(&sessions, guests), hostnames.Clear(o.HostsFile, hostnames.IsOurs))
	}()
	if err := hostnames.Clear(o.HostsFile, hostnames.IsStale); err != nil {
		report(err)
	}
	for {
		conn, err := ln.AcceptUnix()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				return conn.Close()
			}
			return nil
		case outOfMeans(err):
			report(fmt.Errorf("accept client: %w", err))
			pause := time.NewTimer(acceptPause)
			select {
			case <-pause.C:
			case <-ctx.Done():
				pause.Stop()
			}
			continue
		case err != nil:
			return fmt.Errorf("accept client: %w", err)
		}
		sessions.Go(func() {
			if err := serveOne(sctx, conn, guests, all); err != nil {
				report(err)
			}
		})
	}
}

// outOfMeans reports whether accept(2) failed for a reason that passes.
func outOfMeans(err error) bool {
	for _, e := range []error{unix.EMFILE, unix.ENFILE, unix.ENOBUFS, unix.ENOMEM, unix.ECONNABORTED} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

func awaitSessions(sessions *sync.WaitGroup, guests *guests) error {
	done := make(chan struct{})
	go func() {
		sessions.Wait()
		close(done)
	}()
	patience := time.NewTimer(endPatience)
	defer patience.Stop()
	select {
	case <-done:
		return nil
	case <-patience.C:
		return fmt.Errorf("end sessions: %d of them did not end within %v", guests.number(), endPatience)
	}
}

func serveOne(ctx context.Context, conn *net.UnixConn, guests *guests, all *shared) error {
	cred, err := unixsock.Peer(conn)
	if err != nil {
		return errors.Join(err, conn.Close())
	}
	g, err := guests.add(cred.Uid, conn)
	if err != nil {
		refuse(conn, err)
		return errors.Join(err, conn.Close())
	}
	defer guests.remove(g)
	return newSession(conn, cred.Uid, cred.Gid, all, g.idle.Store).serve(ctx)
}
