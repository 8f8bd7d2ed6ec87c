package helperapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"golang.org/x/sys/unix"

	"lodge/internal/fdpass"
)

// Version is the version of the envelope, of what the messages have in common.
// Both sides must speak the same: see [Client.Hello]. An operation that only
// one side knows is the code [UnknownOperation], so adding one does not change
// the version.
const Version = 4

// The bounds of a message. A message is one packet (SOCK_SEQPACKET).
const (
	maxMessage = 96 << 10
	maxFiles   = 64
)

// Request is what a client sends, without descriptors but for [OpProbe].
type Request struct {
	// ID is repeated in the reply. No two calls that are under way on a
	// connection have the same.
	ID uint64 `json:"id"`
	// Op is one of the operations.
	Op string `json:"op"`
	// Args is the JSON of the operation's type of request, or absent where that
	// has no fields that are set.
	Args json.RawMessage `json:"args,omitempty"`
	// File is the file whose descriptor comes with the request, nil: none. Who receives
	// it closes it.
	File *os.File `json:"-"`
}

// Reply is what the helper answers. Replies come in any order.
type Reply struct {
	// ID is 0 where the helper refuses the client, and ends the connection.
	ID    uint64 `json:"id"`
	Error string `json:"error,omitempty"`
	Code  Code   `json:"code,omitempty"`
	// Owner is the user who has what was asked for.
	Owner *uint32 `json:"owner,omitempty"`
	// Hello is the result of the greeting, which is at the same place in every
	// version of the protocol.
	Hello *Hello `json:"hello,omitempty"`
	// Result is the JSON of the operation's type of reply.
	Result json.RawMessage `json:"result,omitempty"`
	// Files are the names of the descriptors that come with the reply, in order.
	Files []string `json:"files,omitempty"`
}

// Err returns the error that the helper answered, an [*Error], or nil. op is what
// was asked for.
func (r *Reply) Err(op string) error {
	if r.Error == "" {
		return nil
	}
	return &Error{op, r.Error, r.Code, r.Owner}
}

// SendRequest writes a request as one packet. Its file stays the caller's.
func SendRequest(conn *net.UnixConn, req *Request) error {
	g := &Grant{}
	if req.File != nil {
		g.Add("", req.File)
	}
	return send(conn, req, g)
}

// SendReply writes a reply as one packet, with the descriptors of g, which may
// be nil and stay the caller's. It sets rep.Files.
func SendReply(conn *net.UnixConn, rep *Reply, g *Grant) error {
	if g == nil {
		g = &Grant{}
	}
	if len(g.files) > maxFiles {
		return fmt.Errorf("write message: %d descriptors, more than %d", len(g.files), maxFiles)
	}
	rep.Files = g.names
	return send(conn, rep, g)
}

func send(conn *net.UnixConn, v any, g *Grant) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("write message: %w", err)
	}
	if len(b) > maxMessage {
		return fmt.Errorf("write message: %d bytes, more than %d", len(b), maxMessage)
	}
	if _, err := fdpass.Write(conn, b, g.open()); err != nil {
		return fmt.Errorf("write message: %w", err)
	}
	return nil
}

// ReceiveRequest reads a request: JSON, nothing after it, no descriptors but the one
// of [OpProbe], and no fields but those that are known here. At the end of the connection the
// error is io.EOF.
func ReceiveRequest(conn *net.UnixConn) (*Request, error) {
	b, g, err := receive(conn)
	if err != nil {
		return nil, err
	}
	req := &Request{}
	err = decode(b, req, true)
	switch n := g.Len(); {
	case n == 1 && err == nil && req.Op == OpProbe:
		req.File = g.files[0]
	case n > 0:
		return nil, errors.Join(errors.New("read message: descriptors were sent"), g.Close())
	}
	if err != nil {
		return nil, fmt.Errorf("read message: %w", err)
	}
	return req, nil
}

// ReceiveReply reads a reply and the descriptors that come with it, which the
// caller takes or closes. Unknown fields are skipped: they may be those of a
// newer helper, whose greeting says so. At the end of the connection the error
// is io.EOF.
func ReceiveReply(conn *net.UnixConn) (*Reply, *Grant, error) {
	b, g, err := receive(conn)
	if err != nil {
		return nil, nil, err
	}
	rep := &Reply{}
	if err = decode(b, rep, false); err == nil && len(rep.Files) != g.Len() {
		err = fmt.Errorf("%d descriptors came, and %d names of descriptors", g.Len(), len(rep.Files))
	}
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("read message: %w", err), g.Close())
	}
	g.names = rep.Files
	return rep, g, nil
}

// receive reads one packet.
func receive(conn *net.UnixConn) ([]byte, *Grant, error) {
	if err := awaitPacket(conn); err != nil {
		return nil, nil, fmt.Errorf("read message: %w", err)
	}
	buf := make([]byte, maxMessage)
	n, files, err := fdpass.Read(conn, buf, maxFiles)
	if err != nil {
		return nil, nil, fmt.Errorf("read message: %w", err)
	}
	if n == 0 && len(files) == 0 {
		return nil, nil, io.EOF
	}
	return buf[:n], &Grant{files: files}, nil
}

// awaitPacket waits for the next packet, so that a client that says nothing
// costs no buffer.
func awaitPacket(conn *net.UnixConn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var first [1]byte
	return raw.Read(func(fd uintptr) bool {
		_, _, err := unix.Recvfrom(int(fd), first[:], unix.MSG_PEEK|unix.MSG_DONTWAIT)
		return !errors.Is(err, unix.EAGAIN)
	})
}

// DecodeArgs reads a request's arguments, without any fields but those of v.
func DecodeArgs(args json.RawMessage, v any) error {
	if len(args) == 0 {
		return nil
	}
	if err := decode(args, v, true); err != nil {
		return fmt.Errorf("read arguments: %w", err)
	}
	return nil
}

func decode(b []byte, v any, strict bool) error {
	d := json.NewDecoder(bytes.NewReader(b))
	if strict {
		d.DisallowUnknownFields()
	}
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("data after the message")
	}
	return nil
}

// ClosedByPeer reports whether an error of a connection means that the other
// end was closed.
func ClosedByPeer(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, unix.EPIPE) || errors.Is(err, unix.ECONNRESET)
}
