package helperapi

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Client talks to a helper. Its methods may be called from several
// goroutines; the helper does one thing after the other. A call that is given
// up by its context leaves the client as it was: see exchange.
type Client struct {
	conn *net.UnixConn
	// child is the helper's process if Spawn started it.
	child *exec.Cmd

	// writing holds a token while a request is written.
	writing chan struct{}
	// ended is closed when no reply comes any more.
	ended chan struct{}
	// background waits for the goroutine that reads, and for those that undo.
	background sync.WaitGroup

	mu    sync.Mutex // guards what follows
	last  uint64
	calls map[uint64]*pending
	gone  error // why no reply comes any more
	// undoing has the homes that nobody waits for any more: the channel is closed
	// when the home is removed again.
	undoing map[netip.Addr]chan struct{}
}

// NewClient makes a client of a connected SOCK_SEQPACKET socket.
func NewClient(conn *net.UnixConn) *Client {
	c := &Client{
		conn: conn, writing: make(chan struct{}, 1), ended: make(chan struct{}),
		calls: map[uint64]*pending{}, undoing: map[netip.Addr]chan struct{}{},
	}
	c.background.Go(c.read)
	return c
}

// Dial connects to the helper that listens at path.
func Dial(ctx context.Context, path string) (*Client, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "unixpacket", path)
	if err != nil {
		return nil, fmt.Errorf("connect to helper: %w", err)
	}
	return NewClient(c.(*net.UnixConn)), nil
}

// ProgramName is the name of the program that is the helper.
const ProgramName = "lodge-helper"

// Spawn starts a helper: the executable exe with args (argv[0] excluded) and,
// as its descriptor 3, one end of a socket pair. It has no environment, no
// terminal, and a session of its own, so that what the terminal sends to the
// caller's group does not reach it. It ends when the client is closed.
func Spawn(exe string, args ...string) (*Client, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("start helper: %w", os.NewSyscallError("socketpair", err))
	}
	theirs := os.NewFile(uintptr(fds[1]), "helper")
	conn, err := FromFile(os.NewFile(uintptr(fds[0]), "helper"))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start helper: %w", err), theirs.Close())
	}
	cmd := exec.Command(exe, args...)
	cmd.Env = []string{}
	cmd.Dir = "/"
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	err = cmd.Start()
	if err = errors.Join(err, theirs.Close()); err != nil {
		return nil, errors.Join(fmt.Errorf("start helper %s: %w", exe, err), conn.Close())
	}
	c := NewClient(conn)
	c.child = cmd
	return c, nil
}

// Pid returns the process id of a helper that Spawn started, else 0.
func (c *Client) Pid() int {
	if c.child == nil {
		return 0
	}
	return c.child.Process.Pid
}

// Err returns why the helper cannot be asked any more: nil while the
// connection stands, else an error that is ErrGone.
func (c *Client) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.gone
}

// childPatience bounds how long Close waits for a helper that Spawn started,
// before it kills it: one that was stopped (SIGSTOP) does not end by itself.
const childPatience = 10 * time.Second

// Close says good-bye. Homes go on: see Serve. A helper that Spawn started is
// waited for; how it ended is not an error of the client.
func (c *Client) Close() error {
	err := c.conn.Close()
	if errors.Is(err, net.ErrClosed) {
		err = nil // the helper went first
	}
	c.background.Wait()
	if c.child == nil {
		return err
	}
	kill := time.AfterFunc(childPatience, func() { _ = c.child.Process.Kill() })
	defer kill.Stop()
	var exit *exec.ExitError
	if werr := c.child.Wait(); werr != nil && !errors.As(werr, &exit) {
		err = errors.Join(err, fmt.Errorf("wait for helper: %w", werr))
	}
	return err
}

// Hello asks the helper what it is. It must be the same version as this
// package's. The answer has no capabilities: finding them takes longer than
// making a home.
func (c *Client) Hello(ctx context.Context) (*Hello, error) { return c.greet(ctx, false) }

// Probe is Hello with what the helper can do here.
func (c *Client) Probe(ctx context.Context) (*Hello, error) { return c.greet(ctx, true) }

func (c *Client) greet(ctx context.Context, probe bool) (*Hello, error) {
	rep, files, err := c.call(ctx, "greet helper", Request{Op: OpHello, Probe: probe})
	if err == nil && (rep.Hello == nil || len(files) > 0) {
		err = errors.Join(errors.New("greet helper: not a greeting"), CloseFiles(files))
	}
	if err != nil {
		return nil, err
	}
	if rep.Hello.Version != Version {
		return nil, fmt.Errorf("greet helper: it speaks version %d, this program %d; install the same version of both", rep.Hello.Version, Version)
	}
	return rep.Hello, nil
}

// HomeFiles is a home that the helper made, as descriptors. They are all that
// a keeper needs; it needs no privilege.
type HomeFiles struct {
	// Path is the home's cgroup, for RemoveHome.
	Path string
	IP4  netip.Addr
	// IP6 is the zero Addr where there is no IPv6, and IP6Reason says why.
	IP6       netip.Addr
	IP6Reason string
	// In is the cgroup of those inside, Home the one above it.
	In, Home *os.File
	// Events is the ring of events, Leases the table of leased ports.
	Events, Leases *os.File
	// Migrate is a program for groups of SO_REUSEPORT sockets (bpf.Hooks).
	Migrate *os.File
	// Links keep the hooks attached as long as anybody has them open.
	Links []*os.File
}

// Files lists all descriptors, in the order that ebpfhome.FilesFrom reads.
func (h *HomeFiles) Files() []*os.File {
	return append([]*os.File{h.In, h.Home, h.Events, h.Leases, h.Migrate}, h.Links...)
}

// Close closes the descriptors.
func (h *HomeFiles) Close() error { return CloseFiles(h.Files()) }

// CreateHome makes a home at ip4, from loopback.HomeRange. strict says that
// localhost is the home's and nothing else. An address that is somebody else's
// is an [Error] with the code [HomeTaken]. A home that is made after ctx ended
// is removed again, before another one is made at that address.
func (c *Client) CreateHome(ctx context.Context, ip4 netip.Addr, strict bool) (*HomeFiles, error) {
	op := "create home " + ip4.String()
	if err := c.undone(ctx, ip4); err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	rep, files, err := c.exchange(ctx, op, Request{Op: OpCreateHome, IP4: ip4, Strict: strict})
	if err != nil {
		return nil, err
	}
	if rep.Home == nil || len(files) != 5+rep.Home.Links {
		return nil, errors.Join(fmt.Errorf("%s: the helper's answer has %d descriptors", op, len(files)), CloseFiles(files))
	}
	return &HomeFiles{
		Path: rep.Home.Path, IP4: rep.Home.IP4, IP6: rep.Home.IP6, IP6Reason: rep.Home.IP6Reason,
		In: files[0], Home: files[1], Events: files[2], Leases: files[3], Migrate: files[4], Links: files[5:],
	}, nil
}

// Enter moves the process pid of the client's user into the cgroup of the
// keeper of the home ip4. From there it can start processes inside.
func (c *Client) Enter(ctx context.Context, ip4 netip.Addr, pid int) error {
	_, files, err := c.call(ctx, "enter home "+ip4.String(), Request{Op: OpEnter, IP4: ip4, Pid: pid})
	return errors.Join(err, CloseFiles(files))
}

// RemoveHome removes the home whose cgroup is path, also one that another
// helper made. Processes that are in it are ended if kill says so, otherwise
// they are an error.
func (c *Client) RemoveHome(ctx context.Context, path string, kill bool) error {
	_, files, err := c.call(ctx, "remove home "+path, Request{Op: OpRemoveHome, Path: path, Kill: kill})
	return errors.Join(err, CloseFiles(files))
}

// Owners asks who holds which socket on the whole machine, and who had those
// that are gone: a file with the bytes of package owners, from its beginning,
// which the caller closes. The first call starts the live map, which takes a
// moment and then goes on until the client is closed; so that nothing else
// waits for it, it is best asked by a client of its own.
func (c *Client) Owners(ctx context.Context) (*os.File, error) {
	const op = "ask for the owners of sockets"
	_, files, err := c.call(ctx, op, Request{Op: OpOwners})
	if err != nil {
		return nil, err
	}
	if len(files) != 1 {
		return nil, errors.Join(fmt.Errorf("%s: the helper's answer has %d descriptors", op, len(files)), CloseFiles(files))
	}
	return files[0], nil
}

// Sweep removes what earlier helpers left behind and nobody uses.
func (c *Client) Sweep(ctx context.Context) (*Swept, error) {
	rep, files, err := c.call(ctx, "sweep homes", Request{Op: OpSweep})
	if err = errors.Join(err, CloseFiles(files)); err != nil {
		return nil, err
	}
	if rep.Swept == nil {
		return nil, errors.New("sweep homes: the helper's answer is empty")
	}
	return rep.Swept, nil
}
