package helper

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// How many clients ServeListener serves at once: in all, and of one user. A
// user has one for each daemon.
const (
	maxClients     = 256
	maxUserClients = 32
)

// users counts the clients of each user.
type users struct {
	mu    sync.Mutex // guards count
	count map[uint32]int
}

// add says whether one more client of that user is served.
func (u *users) add(uid uint32) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.count[uid] >= maxUserClients {
		return false
	}
	u.count[uid]++
	return true
}

func (u *users) remove(uid uint32) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.count[uid]--; u.count[uid] == 0 {
		delete(u.count, uid)
	}
}

// ServeListener serves every user who connects, each with a session of its
// own, until ctx ends; it then waits for all sessions. The user is the one
// that the kernel names (SO_PEERCRED, unix(7)). Errors of single clients go to
// report, which may be called from several goroutines.
func ServeListener(ctx context.Context, ln *net.UnixListener, report func(error)) error {
	stop := context.AfterFunc(ctx, func() { _ = ln.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	var clients sync.WaitGroup
	defer clients.Wait()
	slots := make(chan struct{}, maxClients)
	users := users{count: map[uint32]int{}}
	live := new(liveMap)
	for {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
		conn, err := ln.AcceptUnix()
		if ctx.Err() != nil {
			if err == nil {
				return conn.Close()
			}
			return nil
		}
		if err != nil {
			return fmt.Errorf("accept client: %w", err)
		}
		clients.Go(func() {
			defer func() { <-slots }()
			if err := serveOne(ctx, conn, &users, live); err != nil {
				report(err)
			}
		})
	}
}

func serveOne(ctx context.Context, conn *net.UnixConn, users *users, live *liveMap) error {
	uid, gid, err := Peer(conn)
	if err != nil {
		return errors.Join(err, conn.Close())
	}
	if !users.add(uid) {
		return errors.Join(fmt.Errorf("serve user %d: it has %d clients already", uid, maxUserClients), conn.Close())
	}
	defer users.remove(uid)
	return serveWith(ctx, conn, uid, gid, live)
}

// Peer gives the user and group of the process at the other end of a Unix
// socket, as they were when it connected.
func Peer(conn *net.UnixConn) (uid, gid uint32, err error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0, 0, fmt.Errorf("find peer's user: %w", err)
	}
	var cred *unix.Ucred
	var optErr error
	err = raw.Control(func(fd uintptr) {
		cred, optErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err = errors.Join(err, optErr); err != nil {
		return 0, 0, fmt.Errorf("find peer's user: %w", err)
	}
	return cred.Uid, cred.Gid, nil
}

// FromFile makes a connection of an inherited socket. It closes f.
func FromFile(f *os.File) (*net.UnixConn, error) {
	c, err := net.FileConn(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("take over socket: %w", err)
	}
	conn, ok := c.(*net.UnixConn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("take over socket: a %s socket, not a Unix one", c.LocalAddr().Network()), c.Close())
	}
	return conn, nil
}
