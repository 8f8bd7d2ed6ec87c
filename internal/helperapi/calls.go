package helperapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"

	"lodge/internal/fdpass"
	"lodge/internal/hosts"
)

// do makes a call whose reply has the type R. The caller takes or closes the
// descriptors.
func do[R any](ctx context.Context, c *Client, what call) (out R, g *Grant, err error) {
	rep, g, err := c.exchange(ctx, what)
	if err != nil {
		return out, nil, err
	}
	if len(rep.Result) > 0 {
		if err := json.Unmarshal(rep.Result, &out); err != nil {
			return out, nil, errors.Join(fmt.Errorf("%s: read the helper's answer: %w", what.what, err), g.Close())
		}
	}
	return out, g, nil
}

// none is the reply of an operation that answers nothing but that it is done.
type none struct{}

// run makes a call that brings nothing.
func (c *Client) run(ctx context.Context, what call) error {
	_, g, err := do[none](ctx, c, what)
	return errors.Join(err, g.Close())
}

// Hello asks the helper what it is. It must be the same version as this
// package's, else the error is a [*VersionError]. The answer has no
// capabilities: finding them takes longer than making a home.
func (c *Client) Hello(ctx context.Context) (*Hello, error) { return c.greet(ctx, nil) }

// Probe is Hello with what the helper can do here.
func (c *Client) Probe(ctx context.Context) (*Hello, error) {
	return c.greet(ctx, HelloRequest{Probe: true})
}

func (c *Client) greet(ctx context.Context, args any) (*Hello, error) {
	rep, g, err := c.exchange(ctx, call{what: "greet helper", op: OpHello, args: args})
	if err == nil && (rep.Hello == nil || g.Len() > 0) {
		err = errors.Join(errors.New("greet helper: not a greeting"), g.Close())
	}
	if err != nil {
		return nil, err
	}
	if rep.Hello.Version != Version {
		return nil, &VersionError{Helper: rep.Hello.Version, Program: Version}
	}
	return rep.Hello, nil
}

// CreateHome makes a home at ip4, from loopback.HomeRange. strict says that
// localhost is the home's and nothing else. An address that is another user's
// is an [Error] with the code [HomeTaken]. A home that is made after ctx ended
// is removed again, before another one is made at that address.
func (c *Client) CreateHome(ctx context.Context, ip4 netip.Addr, strict bool) (*HomeFiles, error) {
	what := "create home " + ip4.String()
	rep, g, err := do[CreateHomeReply](ctx, c, call{
		what: what, op: OpCreateHome, args: CreateHomeRequest{IP4: ip4, Strict: strict}, key: ip4.String(),
		undo: func(late *Reply) {
			var home CreateHomeReply
			if json.Unmarshal(late.Result, &home) == nil && home.Path != "" {
				// With the helper gone, so is the home: nothing runs in it.
				_ = c.RemoveHome(context.Background(), home.Path, true)
			}
		},
	})
	if err != nil {
		return nil, err
	}
	hf, err := homeFiles(rep, g)
	if err = errors.Join(err, g.Close()); err != nil {
		if hf != nil {
			err = errors.Join(err, hf.Close())
		}
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return hf, nil
}

// Enter moves the process pid of the client's user into the cgroup of the
// keeper of the home ip4. From there it can start processes inside.
func (c *Client) Enter(ctx context.Context, ip4 netip.Addr, pid int) error {
	return c.run(ctx, call{what: "enter home " + ip4.String(), op: OpEnter, args: EnterRequest{IP4: ip4, Pid: pid}})
}

// RemoveHome removes the home whose cgroup is path, also one that another
// helper made. Processes that are in it are ended if kill says so, otherwise
// they are an error.
func (c *Client) RemoveHome(ctx context.Context, path string, kill bool) error {
	return c.run(ctx, call{what: "remove home " + path, op: OpRemoveHome, args: RemoveHomeRequest{Path: path, Kill: kill}})
}

// Sweep removes what earlier helpers left behind and no process uses.
func (c *Client) Sweep(ctx context.Context) (*Swept, error) {
	out, g, err := do[Swept](ctx, c, call{what: "sweep homes", op: OpSweep})
	if err = errors.Join(err, g.Close()); err != nil {
		return nil, err
	}
	return &out, nil
}

// Owners asks which process holds which socket on the whole machine, and which
// had those that are gone: a file with the bytes of package owners, from its
// beginning, which the caller closes. The first call starts the live map, which
// takes a moment; the map goes on until [Client.EndOwners] or the end of the
// client.
func (c *Client) Owners(ctx context.Context) (*os.File, error) {
	const what = "ask for the owners of sockets"
	_, g, err := do[none](ctx, c, call{what: what, op: OpOwners})
	if err != nil {
		return nil, err
	}
	f, ok := g.TakeOne(FileOwners)
	err = g.Close()
	if !ok {
		err = errors.Join(errors.New("the helper's answer has no such file"), err)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", what, err), fdpass.Close([]*os.File{f}))
	}
	return f, nil
}

// EndOwners ends the live map, unless other clients use it.
func (c *Client) EndOwners(ctx context.Context) error {
	return c.run(ctx, call{what: "end the live map of sockets", op: OpEndOwners})
}

// ListenWeb returns listening TCP sockets on port 80 or 443 of 127.0.0.1 and,
// where the machine has IPv6, ::1. A port that another program has is an error.
func (c *Client) ListenWeb(ctx context.Context, port uint16) ([]net.Listener, error) {
	what := fmt.Sprintf("listen on port %d", port)
	rep, g, err := do[ListenWebReply](ctx, c, call{what: what, op: OpListenWeb, args: ListenWebRequest{Port: port}})
	if err != nil {
		return nil, err
	}
	files := g.Take(FileListener)
	err = g.Close()
	if len(files) == 0 || len(files) != len(rep.Listening) {
		err = errors.Join(fmt.Errorf("the helper's answer has %d descriptors", len(files)), err)
	}
	var out []net.Listener
	for _, f := range files {
		ln, lerr := net.FileListener(f)
		if lerr != nil {
			err = errors.Join(err, lerr)
			continue
		}
		out = append(out, ln)
	}
	if err = errors.Join(err, fdpass.Close(files)); err != nil {
		for _, ln := range out {
			err = errors.Join(err, ln.Close())
		}
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return out, nil
}

// SetHosts puts names below .test that lead to homes into the machine's hosts
// file, in place of those of before, and names below .localhost that lead to
// 127.0.0.1. They go when the client does. What another user has is left out
// and returned.
func (c *Client) SetHosts(ctx context.Context, entries []hosts.Entry) ([]Refusal, error) {
	rep, g, err := do[SetHostsReply](ctx, c, call{what: "write hosts file", op: OpSetHosts, args: SetHostsRequest{Hosts: entries}})
	return rep.Refused, errors.Join(err, g.Close())
}
