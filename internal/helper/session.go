package helper

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"lodge/internal/helper/claims"
	"lodge/internal/helper/homes"
	"lodge/internal/helper/hostnames"
	"lodge/internal/helper/livemap"
	"lodge/internal/helper/taps"
	"lodge/internal/helperapi"
	"lodge/internal/unixsock"
)

// shared is what all clients of one helper share.
type shared struct {
	options Options
	claims  *claims.Table
	homes   *homes.Shared
	live    *livemap.Map
	taps    *taps.Shared
	users   *users
	order   *order
	// operations is not changed.
	operations map[string]operation
	// ending says that the helper ends and clears the hosts file itself.
	ending atomic.Bool
}

func newShared(o Options) *shared {
	return &shared{
		options: o, claims: claims.New(), homes: new(homes.Shared), live: livemap.New(), taps: taps.New(o.Canary),
		users: newUsers(), order: newOrder(), operations: operations(),
	}
}

// session is one client: its connection, what it holds, and its calls.
type session struct {
	uid    uint32
	conn   *net.UnixConn
	all    *shared
	user   *userCalls
	claims *claims.Holder
	homes  *homes.Homes
	names  *hostnames.Names
	live   *livemap.Viewer
	taps   *taps.Taps
	probes *taps.Probes
	prober prober
	// idle is told whether the client would lose nothing with its session.
	idle func(bool)

	// running waits for the goroutines of calls.
	running sync.WaitGroup

	mu    sync.Mutex // guards what follows
	calls map[uint64]*call

	writing sync.Mutex // serializes replies; guards what follows
	broken  bool
	// failure is why no more is written, where that is an error.
	failure error
}

func newSession(conn *net.UnixConn, uid, gid uint32, all *shared, idle func(bool)) *session {
	c := all.claims.Holder(uid)
	return &session{
		uid: uid, conn: conn, all: all, user: all.users.enter(uid), claims: c, idle: idle,
		homes:  homes.New(uid, gid, netnsOf(conn), c, all.homes),
		names:  hostnames.New(all.options.HostsFile, uid, c, func(ip4 netip.Addr) error { return homes.CheckAddress(ip4, uid) }),
		live:   all.live.Viewer(uid),
		taps:   all.taps.Client(uid, func() uint32 { return peerOf(conn) }, func() (*os.File, error) { return openNetns(conn) }),
		probes: all.taps.Probes(uid),
		calls:  map[uint64]*call{},
	}
}

// Serve serves one client, until it goes away or ctx ends. The client's
// homes are those of the user uid; cgroups are given to uid and gid. conn is a
// SOCK_SEQPACKET Unix socket, which Serve closes.
//
// When Serve returns, homes in which something runs stay, and their hooks with
// them if a keeper holds the links.
func Serve(ctx context.Context, conn *net.UnixConn, uid, gid uint32, o Options) error {
	all := newShared(o)
	defer all.taps.Wait()
	return newSession(conn, uid, gid, all, func(bool) {}).serve(ctx)
}

// serve reads requests until the client has gone or ctx ends, and then ends the
// session.
func (s *session) serve(ctx context.Context) (err error) {
	// The deadline for writing is set for each reply, and so must not be set
	// after this one.
	ending := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ending)
		_ = s.conn.SetDeadline(time.Unix(1, 0))
	})
	defer func() {
		if !stop() {
			<-ending
		}
	}()
	err = s.read(ctx)
	s.cancelAll()
	s.running.Wait()
	if err != nil {
		err = fmt.Errorf("serve user %d: %w", s.uid, err)
		refuse(s.conn, err)
	}
	if s.failure != nil {
		err = errors.Join(err, fmt.Errorf("serve user %d: %w", s.uid, s.failure))
	}
	return errors.Join(err, s.close(), s.conn.Close())
}

// read begins the calls that the client asks for, until no more come. The error
// is nil if the client has gone or ctx has ended.
func (s *session) read(ctx context.Context) error {
	for {
		req, err := helperapi.ReceiveRequest(s.conn)
		switch {
		case helperapi.ClosedByPeer(err) || ctx.Err() != nil || err != nil && s.isBroken():
			return nil
		case errors.Is(err, os.ErrDeadlineExceeded):
			return errors.New("others need its place: there are too many clients")
		case err != nil:
			return err
		case req.Op == helperapi.OpCancel:
			s.cancel(req.ID)
		default:
			s.begin(ctx, req)
		}
	}
}

// close lets go of what the client has. No call is under way.
func (s *session) close() error {
	var errs []error
	if !s.all.ending.Load() {
		errs = append(errs, s.names.Drop())
	}
	errs = append(errs, s.homes.Close(), s.probes.Close(), s.taps.Close())
	s.claims.ReleaseAll()
	if s.live.Uses() {
		errs = append(errs, s.live.Leave(context.Background()))
	}
	s.all.users.leave(s.uid)
	return errors.Join(errs...)
}

// isIdle reports whether the client would lose nothing with its session. No call
// is under way.
func (s *session) isIdle() bool {
	return s.homes.Empty() && s.claims.Empty() && s.names.Empty() && s.taps.Empty() && s.probes.Empty() && !s.live.Uses()
}

// peerOf returns the process at the other end of a connection, 0 where it has none here.
func peerOf(conn *net.UnixConn) uint32 {
	cred, err := unixsock.Peer(conn)
	if err != nil || cred.Pid < 0 {
		return 0
	}
	return uint32(cred.Pid)
}
