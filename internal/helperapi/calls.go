package helperapi

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"lodge/internal/hosts"
)

// ListenWeb returns listening TCP sockets on port 80 or 443 of 127.0.0.1 and,
// where the machine has IPv6, ::1. A port that somebody has is an error.
func (c *Client) ListenWeb(ctx context.Context, port uint16) ([]net.Listener, error) {
	op := fmt.Sprintf("listen on port %d", port)
	rep, files, err := c.call(ctx, op, Request{Op: OpListenWeb, Port: port})
	if err != nil {
		return nil, err
	}
	if len(files) == 0 || len(files) != len(rep.Listening) {
		return nil, errors.Join(fmt.Errorf("%s: the helper's answer has %d descriptors", op, len(files)), CloseFiles(files))
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
	if err = errors.Join(err, CloseFiles(files)); err != nil {
		for _, ln := range out {
			err = errors.Join(err, ln.Close())
		}
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	return out, nil
}

// Refusal is a name that the helper did not write, and why.
type Refusal struct {
	IP    netip.Addr `json:"ip"`
	Name  string     `json:"name"`
	Error string     `json:"error"`
}

// SetHosts puts names below .test that lead to homes into the machine's hosts
// file, in place of those of before, and names below .localhost that lead to
// 127.0.0.1. They go when the client does. What is somebody else's is left out
// and returned.
func (c *Client) SetHosts(ctx context.Context, entries []hosts.Entry) ([]Refusal, error) {
	rep, files, err := c.exchange(ctx, "write hosts file", Request{Op: OpSetHosts, Hosts: entries})
	err = errors.Join(err, CloseFiles(files))
	if rep == nil {
		return nil, err
	}
	if rep.Code == NotYours && len(rep.Refused) > 0 {
		err = nil // nothing was left to write
	}
	return rep.Refused, err
}
