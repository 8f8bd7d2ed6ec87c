package helper

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/helperapi"
	"lodge/internal/hosts"
)

// endPatience bounds how long the end waits for the sessions: what they do
// takes less, unless the kernel holds one of them.
const endPatience = 4 * time.Second

// acceptPause is how long nobody is accepted when the machine has no
// descriptor or memory left.
const acceptPause = 100 * time.Millisecond

// ServeListener serves every user who connects, each with a session of its
// own, until ctx ends; it then waits for all sessions, for a while. The user is
// the one that the kernel names (SO_PEERCRED, unix(7)). Errors of single clients
// go to report, which may be called from several goroutines.
func ServeListener(ctx context.Context, ln *net.UnixListener, o Options, report func(error)) (err error) {
	stop := context.AfterFunc(ctx, func() { _ = ln.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	all, guests := newCommons(), newGuests()
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
		err = errors.Join(err, awaitSessions(&sessions, guests), clearHosts(o, isOurs))
	}()
	if err := clearHosts(o, isStale); err != nil {
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
			if err := serveOne(sctx, conn, guests, o, all); err != nil {
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

// clearHosts removes the blocks of those whom gone names, if this helper keeps
// names.
func clearHosts(o Options, gone func(owner string) bool) error {
	if o.HostsFile == "" {
		return nil
	}
	return hosts.File{Path: o.HostsFile}.Remove(gone)
}

func serveOne(ctx context.Context, conn *net.UnixConn, guests *guests, o Options, all *commons) error {
	uid, gid, err := helperapi.Peer(conn)
	if err != nil {
		return errors.Join(err, conn.Close())
	}
	g, err := guests.add(uid, conn)
	if err != nil {
		refuse(conn, err)
		return errors.Join(err, conn.Close())
	}
	defer guests.remove(g)
	return serveWith(ctx, conn, newSession(uid, gid, o, all), g.idle.Store)
}
