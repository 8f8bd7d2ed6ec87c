package helperapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"

	"lodge/internal/hosts"
)

// Version is the version of the protocol. Both sides must speak the same.
const Version = 3

// The bounds of a message. A message is one packet (SOCK_SEQPACKET).
const (
	maxMessage = 96 << 10
	maxFiles   = 64
)

// The operations.
const (
	OpHello      = "hello"
	OpCreateHome = "create_home"
	OpEnter      = "enter"
	OpRemoveHome = "remove_home"
	OpSweep      = "sweep"
	OpListenWeb  = "listen_web"
	OpSetHosts   = "set_hosts"
	OpOwners     = "owners"
)

// Request is what a client sends, always without descriptors.
type Request struct {
	// ID is repeated in the reply, so that a client that gave up waiting can
	// tell a late reply.
	ID     uint64     `json:"id"`
	Op     string     `json:"op"`
	IP4    netip.Addr `json:"ip4,omitzero"`
	Strict bool       `json:"strict,omitempty"`
	Pid    int        `json:"pid,omitempty"`
	Path   string     `json:"path,omitempty"`
	Kill   bool       `json:"kill,omitempty"`
	Probe  bool       `json:"probe,omitempty"` // with hello: say what works here
	Port   uint16     `json:"port,omitempty"`
	// Hosts are all names that the client wants in the hosts file.
	Hosts []hosts.Entry `json:"hosts,omitempty"`
}

// Reply is what the helper answers. Descriptors go with it for create_home and
// listen_web, and one for owners.
type Reply struct {
	// ID is 0 where the helper refuses the client, and ends the connection.
	ID    uint64 `json:"id"`
	Error string `json:"error,omitempty"`
	Code  Code   `json:"code,omitempty"`
	// Owner is the user who has what was asked for.
	Owner *uint32   `json:"owner,omitempty"`
	Hello *Hello    `json:"hello,omitempty"`
	Home  *HomeInfo `json:"home,omitempty"`
	Swept *Swept    `json:"swept,omitempty"`
	// Refused are the names that were not written.
	Refused []Refusal `json:"refused,omitempty"`
	// Listening are the addresses of the descriptors.
	Listening []netip.AddrPort `json:"listening,omitempty"`
}

// Err returns the error that the helper answered, an [*Error], or nil. op is what
// was asked for.
func (r *Reply) Err(op string) error {
	if r.Error == "" {
		return nil
	}
	return &Error{op, r.Error, r.Code, r.Owner}
}

// HomeInfo describes the descriptors: the cgroup in, the cgroup of the home,
// events, leases, migrate, and then the links.
type HomeInfo struct {
	Path      string     `json:"path"`
	IP4       netip.Addr `json:"ip4"`
	IP6       netip.Addr `json:"ip6,omitzero"`
	IP6Reason string     `json:"ip6_reason,omitempty"`
	Links     int        `json:"links"`
}

// Send writes v as one packet. The files stay the caller's.
func Send(conn *net.UnixConn, v any, files []*os.File) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("write message: %w", err)
	}
	if len(b) > maxMessage {
		return fmt.Errorf("write message: %d bytes, more than %d", len(b), maxMessage)
	}
	var oob []byte
	if len(files) > 0 {
		fds := make([]int, len(files))
		for i, f := range files {
			fds[i] = int(f.Fd())
		}
		oob = unix.UnixRights(fds...)
	}
	if _, _, err := conn.WriteMsgUnix(b, oob, nil); err != nil {
		return fmt.Errorf("write message: %w", err)
	}
	return nil
}

// ClosedByPeer reports whether an error of a connection means that the other
// end was closed.
func ClosedByPeer(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, unix.EPIPE) || errors.Is(err, unix.ECONNRESET)
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

// Receive reads one packet into v: JSON, and nothing after it. The files are
// the caller's to close. At the end of the connection the error is io.EOF.
func Receive(conn *net.UnixConn, v any) ([]*os.File, error) {
	if err := awaitPacket(conn); err != nil {
		return nil, fmt.Errorf("read message: %w", err)
	}
	buf := make([]byte, maxMessage)
	oob := make([]byte, unix.CmsgSpace(4*maxFiles))
	n, oobn, flags, _, err := conn.ReadMsgUnix(buf, oob)
	if err != nil {
		return nil, fmt.Errorf("read message: %w", err)
	}
	files, err := takeFiles(oob[:oobn])
	if err != nil {
		return nil, fmt.Errorf("read message: %w", err)
	}
	if n == 0 && len(files) == 0 {
		return nil, io.EOF
	}
	if flags&(unix.MSG_TRUNC|unix.MSG_CTRUNC) != 0 {
		return nil, errors.Join(errors.New("read message: too long"), CloseFiles(files))
	}
	if err := decode(buf[:n], v); err != nil {
		return nil, errors.Join(fmt.Errorf("read message: %w", err), CloseFiles(files))
	}
	return files, nil
}

// decode reads a message. A request has no fields but those that are known
// here; a reply may come from a newer helper, whose greeting says so.
func decode(b []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	if _, ok := v.(*Request); ok {
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

func takeFiles(oob []byte) ([]*os.File, error) {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, err
	}
	var files []*os.File
	for _, m := range messages {
		if m.Header.Level != unix.SOL_SOCKET || m.Header.Type != unix.SCM_RIGHTS {
			continue
		}
		fds, err := unix.ParseUnixRights(&m)
		if err != nil {
			return nil, errors.Join(err, CloseFiles(files))
		}
		for _, fd := range fds {
			unix.CloseOnExec(fd)
			files = append(files, os.NewFile(uintptr(fd), "from helper"))
		}
	}
	return files, nil
}

func CloseFiles(files []*os.File) error {
	var errs []error
	for _, f := range files {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}
