package localapi

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strconv"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"lodge/internal/keeperapi"
	"lodge/internal/logs"
	"lodge/internal/owners"
	"lodge/internal/rawjson"
	"lodge/internal/service"
	"lodge/internal/sockets/holders"
	"lodge/internal/stall"
	"lodge/internal/unixhttp"
	"lodge/internal/unixsock"
)

// Client talks to the daemon. A call that waits for a daemon whose process does
// not run, such as one that is stopped, ends with a *stall.Error; one that is
// only slow is waited for.
type Client struct {
	http unixhttp.Client
	pid  atomic.Int64 // the daemon's process, 0 before it was reached
}

// New returns a client of the daemon that listens on socket. It connects when it
// is used.
func New(socket string) *Client { return NewUser(socket, os.Geteuid()) }

// NewUser is New for root, who asks another user's daemon. What that says is
// that user's word.
func NewUser(socket string, uid int) *Client {
	c := &Client{}
	c.http.Dial = func(ctx context.Context) (net.Conn, error) {
		conn, err := unixsock.DialUser(ctx, socket, uid)
		if err != nil {
			return nil, err
		}
		if cred, err := unixsock.Peer(conn); err == nil {
			c.pid.Store(int64(cred.Pid))
		}
		return conn, nil
	}
	return c
}

// guard makes a call end when the daemon's process does not run.
func (c *Client) guard(ctx context.Context) (guarded context.Context, done func()) {
	return stall.Guard(ctx, daemonPeer(func() int { return int(c.pid.Load()) }))
}

// Close drops the connection that is idle.
func (c *Client) Close() { c.http.Close() }

// NotRunning reports whether the error means that no daemon listens.
func NotRunning(err error) bool {
	return unixsock.Nobody(err)
}

// writtenKey is the key of NotifyWritten's function in a context.
type writtenKey struct{}

// NotifyWritten returns a context whose requests call f when they have been written: the
// daemon carries them out from then on, also where nobody waits for the answer.
func NotifyWritten(ctx context.Context, f func()) context.Context {
	return context.WithValue(ctx, writtenKey{}, f)
}

// do sends a request. The caller closes the body.
func (c *Client) do(ctx context.Context, method, target string, body []byte) (*unixhttp.Response, error) {
	wrote, _ := ctx.Value(writtenKey{}).(func())
	resp, err := c.http.Do(ctx, unixhttp.Request{Method: method, Target: target, Body: body, Wrote: wrote})
	if err != nil {
		return nil, stall.Cause(ctx, fmt.Errorf("ask daemon: %w", err))
	}
	return resp, nil
}

// refusal returns the error that an answer is.
func refusal(resp *unixhttp.Response) error {
	var e Error
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&e); err != nil || e.Message == "" {
		return fmt.Errorf("ask daemon: %s", resp.Status)
	}
	return &e
}

func (c *Client) call(ctx context.Context, method, path string, in, out any) error {
	var body []byte
	if in != nil {
		var err error
		if body, err = rawjson.Marshal(in); err != nil {
			return err
		}
	}
	ctx, done := c.guard(ctx)
	defer done()
	resp, err := c.do(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		return refusal(resp)
	}
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return stall.Cause(ctx, fmt.Errorf("read the daemon's answer: %w", err))
	}
	rawjson.Restore(out)
	// The end of the body follows: the connection can be used again after it.
	_, _ = io.CopyN(io.Discard, resp.Body, 4<<10)
	return nil
}

// Info asks who the daemon is.
func (c *Client) Info(ctx context.Context) (Info, error) {
	var i Info
	return i, c.call(ctx, unixhttp.Get, "/v1/info", nil, &i)
}

// Projects lists the projects that have a home now; with all, also those that
// are only remembered.
func (c *Client) Projects(ctx context.Context, all bool) (Projects, error) {
	var p Projects
	return p, c.call(ctx, unixhttp.Get, projectsTarget(all), nil, &p)
}

func projectsTarget(all bool) string { return "/v1/projects?all=" + strconv.FormatBool(all) }

const ownersTarget = "/v1/owners"

// Begin sends the questions of Projects, without those that are only remembered, and
// then of Owners, and does not wait for the answers: the next calls of these return
// them. ctx is for the sending only.
func (c *Client) Begin(ctx context.Context) error {
	if err := c.http.Send(ctx, projectsTarget(false), ownersTarget); err != nil {
		return fmt.Errorf("ask daemon: %w", err)
	}
	return nil
}

// HostNames asks for the names below .test.
func (c *Client) HostNames(ctx context.Context) (HostNames, error) {
	var h HostNames
	return h, c.call(ctx, unixhttp.Get, "/v1/hosts", nil, &h)
}

// Open returns the project's home and keeper, made now if need be.
func (c *Client) Open(ctx context.Context, r OpenRequest) (Project, error) {
	var p Project
	return p, c.call(ctx, unixhttp.Post, "/v1/projects", r, &p)
}

// Down ends a project: every process inside, its home and its keeper.
func (c *Client) Down(ctx context.Context, id string) error {
	return c.call(ctx, unixhttp.Post, "/v1/projects/"+url.PathEscape(id)+"/down", struct{}{}, nil)
}

// Kill is Down without time for anything to end by itself.
func (c *Client) Kill(ctx context.Context, id string) error {
	return c.call(ctx, unixhttp.Post, "/v1/projects/"+url.PathEscape(id)+"/down?kill=true", struct{}{}, nil)
}

// Lead asks where a name of a project leads: its own, "", or one that stands in
// front of that, such as web, 4000.web or 4000. Services may be asked for it
// what they speak.
func (c *Client) Lead(ctx context.Context, id, name string) (Lead, error) {
	var l Lead
	return l, c.call(ctx, unixhttp.Post, "/v1/projects/"+url.PathEscape(id)+"/lead?name="+url.QueryEscape(name), struct{}{}, &l)
}

// Share lets the network reach a service, or with "" the project's default
// one, at the address ip, or "" for the likeliest. It calls started once it
// does, and returns when ctx ends, or nil when the project has.
func (c *Client) Share(ctx context.Context, id, service, ip string, started func(Share)) error {
	path := "/v1/projects/" + url.PathEscape(id) + "/share"
	if service != "" {
		path = "/v1/projects/" + url.PathEscape(id) + "/services/" + url.PathEscape(service) + "/share"
	}
	asked := ctx
	ctx, done := c.guard(ctx)
	defer done()
	resp, err := c.do(ctx, unixhttp.Post, path+"?ip="+url.QueryEscape(ip), nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		return refusal(resp)
	}
	var s Share
	if err := json.NewDecoder(resp.Body).Decode(&s); err != nil {
		return stall.Cause(ctx, fmt.Errorf("read the daemon's answer: %w", err))
	}
	started(s)
	_, err = io.Copy(io.Discard, resp.Body)
	if asked.Err() != nil {
		return asked.Err()
	}
	return stall.Cause(ctx, err)
}

// TrustEnviron asks for the variables that make a program trust the HTTPS names of the
// user's services. set are the names of those that the program has: what is set is
// never set again.
func (c *Client) TrustEnviron(ctx context.Context, set []string) (TrustEnviron, error) {
	var t TrustEnviron
	return t, c.call(ctx, unixhttp.Post, "/v1/trust/environ", TrustRequest{Set: set}, &t)
}

// Doctor asks what works here.
func (c *Client) Doctor(ctx context.Context) (Doctor, error) {
	var d Doctor
	return d, c.call(ctx, unixhttp.Get, "/v1/doctor", nil, &d)
}

// Session is a project that is open: its services and commands. It talks to
// the keeper itself, so that what it streams survives the daemon.
type Session struct {
	keeperapi.Client
	Project Project
}

// NewSession returns the session of an open project.
func NewSession(p Project) *Session {
	return &Session{Client: keeperapi.Client{Socket: p.Socket, Project: p.Shown(), PID: p.KeeperPID}, Project: p}
}

// ReadLogs hands the past lines of a project that may have stopped to each.
func ReadLogs(p Project, q keeperapi.LogQuery, each func(logs.Line) error) error {
	return keeperapi.ReadLogs(p.LogDir, logs.Query{Services: q.Services, Since: q.Since, Tail: q.Tail}, each)
}

// FromKeeper turns a keeper's word into what the API says.
func FromKeeper(k keeperapi.Project, socket, logDir string) Project {
	p := Project{
		ID: k.ID, Name: k.Name, Path: k.Dir, Home: k.Home.IP4.String(),
		Engine: k.Engine, EngineReason: k.EngineReason, Isolation: k.Home.Isolation,
		State: "up", KeeperPID: k.PID, KeeperVersion: k.Version, Services: k.Services, Others: k.Others,
		DirectoryID: k.DirID, DirectoryProblem: k.DirProblem, DirectoryNow: k.DirNow,
		LogDir: logDir, LogError: k.LogError, KeyLog: k.KeyLog, Socket: socket, Mark: k.Home.Mark,
	}
	if k.Home.IP6.IsValid() {
		p.Home6 = k.Home.IP6.String()
	}
	if p.Services == nil {
		p.Services = []service.Status{}
	}
	p.PathBase64 = NotUTF8(p.Path)
	return p
}

// NotUTF8 returns the bytes of a path that is not UTF-8, or nil.
func NotUTF8(path string) []byte {
	if utf8.ValidString(path) {
		return nil
	}
	return []byte(path)
}

// Owners asks the daemon who holds which socket, which it knows from its
// helper. Without a helper the error is sockets.ErrNoLive, and an *Error with
// a hint; so it is where no daemon runs. It makes Client a sockets.Live.
func (c *Client) Owners(ctx context.Context) (*holders.Owners, error) {
	ctx, done := c.guard(ctx)
	defer done()
	resp, err := c.do(ctx, unixhttp.Get, ownersTarget, nil)
	if NotRunning(err) {
		return nil, fmt.Errorf("%w: %w", holders.ErrNoLive, err)
	}
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode == unixhttp.StatusNotImplemented {
		return nil, fmt.Errorf("%w: %w", holders.ErrNoLive, refusal(resp))
	}
	if resp.StatusCode != unixhttp.StatusOK {
		return nil, refusal(resp)
	}
	b, err := readAll(resp)
	if err != nil {
		return nil, fmt.Errorf("read the daemon's answer: %w", err)
	}
	t, closed, err := owners.ParseOpen(b)
	if err != nil {
		return nil, fmt.Errorf("read the daemon's answer: %w", err)
	}
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
		return nil, fmt.Errorf("read clock: %w", err)
	}
	return fromTable(t, closed, time.Now().UTC().Add(-time.Duration(now.Nano()))), nil
}
