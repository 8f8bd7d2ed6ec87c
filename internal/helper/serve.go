package helper

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/bpf"
)

// Hello is what a helper says of itself.
type Hello struct {
	Version int `json:"version"`
	// UID is the user that the helper serves, Pid the helper's process.
	UID          uint32       `json:"uid"`
	Pid          int          `json:"pid"`
	Capabilities []Capability `json:"capabilities"`
	// LiveMap is the live map of sockets; with probe.
	LiveMap *Capability `json:"live_map,omitempty"`
}

// Capability is one thing that the ebpf engine needs, and whether it is here.
type Capability struct {
	Name string `json:"name"`
	// Status is yes, no or unknown.
	Status string `json:"status"`
	Reason string `json:"reason"`
}

// CanMakeHomes says whether nothing that the ebpf engine needs is missing,
// and if not, what.
func (h *Hello) CanMakeHomes() (bool, string) {
	for _, c := range h.Capabilities {
		if c.Status != string(bpf.Yes) {
			return false, c.Name + ": " + c.Reason
		}
	}
	return true, ""
}

// Serve serves one client, until it goes away or ctx ends. The client's
// homes are those of the user uid; cgroups are given to uid and gid. conn is a
// SOCK_SEQPACKET Unix socket, which Serve closes.
//
// When Serve returns, homes in which something runs stay, and their hooks with
// them if a keeper holds the links.
func Serve(ctx context.Context, conn *net.UnixConn, uid, gid uint32, o Options) error {
	return serveWith(ctx, conn, uid, gid, o, new(liveMap))
}

func serveWith(ctx context.Context, conn *net.UnixConn, uid, gid uint32, o Options, live *liveMap) (err error) {
	stop := context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	s := newSession(uid, gid, o, live)
	s.netns = netnsOf(conn)
	defer func() { err = errors.Join(err, s.close(), conn.Close()) }()
	for {
		var req request
		files, err := receive(conn, &req)
		if errors.Is(err, io.EOF) || errors.Is(err, unix.ECONNRESET) || ctx.Err() != nil {
			return nil
		}
		if err == nil && len(files) > 0 {
			err = errors.Join(errors.New("read message: descriptors were sent"), closeAll(files))
		}
		if err != nil {
			return fmt.Errorf("serve user %d: %w", uid, err)
		}
		rep, out := s.answer(ctx, req)
		err = errors.Join(send(conn, rep, out), closeAll(out))
		if errors.Is(err, unix.EPIPE) || errors.Is(err, unix.ECONNRESET) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("serve user %d: %w", uid, err)
		}
	}
}

func (s *session) answer(ctx context.Context, req request) (rep *reply, files []*os.File) {
	var err error
	rep = &reply{ID: req.ID}
	switch req.Op {
	case opHello:
		rep.Hello = s.hello(req.Probe)
	case opCreateHome:
		rep.Home, files, err = s.createHome(req.IP4, req.Strict)
	case opEnter:
		err = s.enter(req.IP4, req.Pid)
	case opRemoveHome:
		err = s.removeHome(req.Path, req.Kill)
	case opSweep:
		rep.Swept, err = s.sweep()
	case opListenWeb:
		rep.Listening, files, err = listenWeb(req.Port)
	case opSetHosts:
		err = s.setHosts(req.Hosts)
	case opOwners:
		var f *os.File
		if f, err = s.owners(ctx); err == nil {
			files = []*os.File{f}
		}
	default:
		err = fmt.Errorf("operation %q: unknown", req.Op)
	}
	if err != nil {
		rep.Error = oneLine(err)
	}
	return rep, files
}

// hello probes when it is asked to, once for each client: a probe loads
// programs, and a client may greet only to see whether the helper is alive.
// What could not be told is tried again.
func (s *session) hello(probe bool) *Hello {
	if probe && !s.probed {
		s.probed, s.capabilities = true, nil
		for _, f := range bpf.Probe() {
			s.probed = s.probed && f.Status != bpf.Unknown
			s.capabilities = append(s.capabilities, Capability{f.Name, string(f.Status), f.Reason})
		}
		f := bpf.ProbeLive()
		s.probed = s.probed && f.Status != bpf.Unknown
		s.liveMap = &Capability{f.Name, string(f.Status), f.Reason}
	}
	return &Hello{Version: Version, UID: s.uid, Pid: os.Getpid(), Capabilities: s.capabilities, LiveMap: s.liveMap}
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
