package helper

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"lodge/internal/bpf"
	"lodge/internal/helperapi"
)

// Serve serves one client, until it goes away or ctx ends. The client's
// homes are those of the user uid; cgroups are given to uid and gid. conn is a
// SOCK_SEQPACKET Unix socket, which Serve closes.
//
// When Serve returns, homes in which something runs stay, and their hooks with
// them if a keeper holds the links.
func Serve(ctx context.Context, conn *net.UnixConn, uid, gid uint32, o Options) error {
	return serveWith(ctx, conn, newSession(uid, gid, o, newCommons()), func(bool) {})
}

// writePatience is how long a client may leave its answers unread.
const writePatience = 5 * time.Second

// serveWith serves the client of a session. idle is told whether the client
// would lose nothing with its session.
func serveWith(ctx context.Context, conn *net.UnixConn, s *session, idle func(bool)) (err error) {
	// The deadline for writing is set for each answer, and so must not be set
	// after this one.
	ending := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ending)
		_ = conn.SetDeadline(time.Unix(1, 0))
	})
	defer func() {
		if !stop() {
			<-ending
		}
	}()
	s.netns = netnsOf(conn)
	defer func() { err = errors.Join(err, s.close(), conn.Close()) }()
	for {
		var req helperapi.Request
		files, err := helperapi.Receive(conn, &req)
		if helperapi.ClosedByPeer(err) || ctx.Err() != nil {
			return helperapi.CloseFiles(files)
		}
		if err == nil && len(files) > 0 {
			err = errors.Join(errors.New("read message: descriptors were sent"), helperapi.CloseFiles(files))
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			err = errors.New("others need its place: there are too many clients")
		}
		if err != nil {
			err = fmt.Errorf("serve user %d: %w", s.uid, err)
			refuse(conn, err)
			return err
		}
		idle(false)
		rep, out := s.answer(ctx, req)
		idle(s.idle())
		_ = conn.SetWriteDeadline(time.Now().Add(writePatience))
		if ctx.Err() != nil {
			_ = conn.SetWriteDeadline(time.Unix(1, 0))
		}
		err = errors.Join(helperapi.Send(conn, rep, out), helperapi.CloseFiles(out))
		if helperapi.ClosedByPeer(err) || ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, os.ErrDeadlineExceeded) {
			err = fmt.Errorf("it has not read its answers for %v", writePatience)
		}
		if err != nil {
			return fmt.Errorf("serve user %d: %w", s.uid, err)
		}
	}
}

// refuse tells the client why it is served no more, if it listens.
func refuse(conn *net.UnixConn, why error) {
	_ = conn.SetWriteDeadline(time.Now().Add(time.Second))
	_ = helperapi.Send(conn, &helperapi.Reply{Error: oneLine(why)}, nil)
}

func (s *session) answer(ctx context.Context, req helperapi.Request) (rep *helperapi.Reply, files []*os.File) {
	var err error
	rep = &helperapi.Reply{ID: req.ID}
	switch req.Op {
	case helperapi.OpHello:
		rep.Hello = s.hello(req.Probe)
	case helperapi.OpCreateHome:
		rep.Home, files, err = s.createHome(req.IP4, req.Strict)
	case helperapi.OpEnter:
		err = s.enter(req.IP4, req.Pid)
	case helperapi.OpRemoveHome:
		err = s.removeHome(ctx, req.Path, req.Kill)
	case helperapi.OpSweep:
		rep.Swept, err = s.sweep()
	case helperapi.OpListenWeb:
		rep.Listening, files, err = s.listenWeb(req.Port)
	case helperapi.OpSetHosts:
		rep.Refused, err = s.setHosts(ctx, req.Hosts)
		if n := len(rep.Refused); err == nil && n > 0 && len(s.names) == 0 {
			err = errors.New(rep.Refused[n-1].Error)
			rep.Code = helperapi.NotYours
		}
	case helperapi.OpOwners:
		var f *os.File
		if f, err = s.owners(ctx); err == nil {
			files = []*os.File{f}
		}
	default:
		err = fmt.Errorf("operation %q: unknown", req.Op)
	}
	if err != nil {
		explain(rep, err)
	}
	return rep, files
}

// hello probes when it is asked to, once for each client: a probe loads
// programs, and a client may greet only to see whether the helper is alive.
// What could not be told is tried again.
func (s *session) hello(probe bool) *helperapi.Hello {
	if probe && !s.probed {
		s.probed, s.capabilities = true, nil
		for _, f := range bpf.Probe() {
			s.probed = s.probed && f.Status != bpf.Unknown
			s.capabilities = append(s.capabilities, helperapi.Capability{Name: f.Name, Status: string(f.Status), Reason: f.Reason})
		}
		f := bpf.ProbeLive()
		s.probed = s.probed && f.Status != bpf.Unknown
		s.liveMap = &helperapi.Capability{Name: f.Name, Status: string(f.Status), Reason: f.Reason}
	}
	return &helperapi.Hello{Version: helperapi.Version, UID: s.uid, Pid: os.Getpid(), Capabilities: s.capabilities, LiveMap: s.liveMap}
}

// explain puts an error into the reply, with what a client may act on.
func explain(r *helperapi.Reply, err error) {
	r.Error = oneLine(err)
	var taken *takenError
	var other *notYoursError
	var many *tooManyError
	switch {
	case errors.As(err, &taken):
		r.Code, r.Owner = helperapi.HomeTaken, &taken.owner
	case errors.As(err, &many):
		r.Code = helperapi.TooManyHomes
	case errors.As(err, &other):
		r.Owner = &other.owner
		if r.Code = helperapi.NotYours; strings.HasPrefix(other.what, "address ") {
			r.Code = helperapi.HomeTaken
		}
	}
}

// oneLine joins the lines of an error, as the verifier and errors.Join write
// them, and bounds it.
func oneLine(err error) string {
	s := strings.Join(strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' }), "; ")
	if len(s) > 2000 {
		s = s[:2000] + "…"
	}
	return s
}
