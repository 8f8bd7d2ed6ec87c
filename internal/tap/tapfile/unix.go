package tapfile

import (
	"encoding/binary"
	"net/netip"
	"strings"
	"time"

	"lodge/internal/capture/packet"
	"lodge/internal/capture/pcapfile"
	"lodge/internal/decode"
	"lodge/internal/tap"
)

// Unix sockets have paths and no addresses. In a file of packets each path has an
// address of its own, of the prefix of which packets are discarded
// (https://www.rfc-editor.org/rfc/rfc6666), and the file names it: unix:/run/x.sock.
// So other programs show it, and a [Source] knows it again.
const (
	unixName = "unix:"
	// unixPort is the port of connections, unixDatagramPort of what is sent in datagrams. That
	// of a connection that was not made is the number of its error (errno(3)), which is less.
	unixPort         = 1000
	unixDatagramPort = 1001
	unixClientPort   = 50000
)

// unixPrefix is where the addresses are, by a number of the path in the server's, and of
// the connection in the client's.
func unixPrefix() netip.Prefix { return netip.MustParsePrefix("100::/64") }

func unixAddr(side decode.Side, n uint32) netip.Addr {
	b := unixPrefix().Addr().As16()
	b[11] = 1 + byte(side)
	binary.BigEndian.PutUint32(b[12:], n)
	return netip.AddrFrom16(b)
}

// UnixStreams writes connections of Unix sockets, as [Streams] writes others.
type UnixStreams struct {
	w     *Writer
	paths map[string]uint32 // their numbers
	last  uint32            // of them
	conns uint32
}

// maxPaths bounds the paths that are remembered: one that was forgotten gets another
// address.
const maxPaths = 65536

// NewUnixStreams returns a writer of connections of Unix sockets, for a writer of packets of
// Ethernet.
func NewUnixStreams(w *Writer) *UnixStreams { return &UnixStreams{w: w, paths: map[string]uint32{}} }

// Open begins a connection, with its handshake unless it is older than what is recorded, or
// what is sent in datagrams, which has none.
func (s *UnixStreams) Open(at time.Time, client, server *tap.End, midstream, datagram bool) (*Segments, error) {
	port := uint16(unixPort)
	if datagram {
		port, midstream = unixDatagramPort, true
	}
	g, err := s.segments(client, server, port)
	if err != nil || midstream {
		return g, err
	}
	for i, flags := range []packet.Flags{packet.SYN, packet.SYN | packet.ACK, packet.ACK} {
		side := decode.Client
		if i == 1 {
			side = decode.Server
		}
		if err := g.put(side, at, flags, nil, client, server); err != nil {
			return nil, err
		}
	}
	return g, nil
}

// Fail writes a connection that was not made, by the number of its error.
func (s *UnixStreams) Fail(at time.Time, client, server *tap.End, errno uint32) error {
	g, err := s.segments(client, server, uint16(min(errno, unixPort-1)))
	if err == nil {
		err = g.put(decode.Client, at, packet.SYN, nil, client, server)
	}
	if err == nil {
		err = g.put(decode.Server, at, packet.RST|packet.ACK, nil, client, server)
	}
	return err
}

// segments gives a connection its addresses.
func (s *UnixStreams) segments(client, server *tap.End, port uint16) (*Segments, error) {
	path := server.Path
	if path == "" {
		path = client.Path
	}
	n, ok := s.paths[path]
	if !ok {
		if len(s.paths) >= maxPaths {
			clear(s.paths)
		}
		s.last++
		n = s.last
		s.paths[path] = n
		name := pcapfile.Name{Addr: unixAddr(decode.Server, n), Names: []string{unixName + strings.ReplaceAll(path, "\x00", "@")}}
		if err := s.w.Names([]pcapfile.Name{name}); err != nil {
			return nil, err
		}
	}
	s.conns++
	return &Segments{w: s.w, from: [2]netip.AddrPort{
		netip.AddrPortFrom(unixAddr(decode.Client, s.conns), unixClientPort), netip.AddrPortFrom(unixAddr(decode.Server, n), port),
	}}, nil
}

var _ tap.UnixEnds = (*Source)(nil)

// Unix implements [tap.UnixEnds].
func (s *Source) Unix(at netip.AddrPort) (path string, datagram, ok bool) {
	if !unixPrefix().Contains(at.Addr()) {
		return "", false, false
	}
	list := s.reader.Names()
	for _, n := range list[s.named:] {
		for _, name := range n.Names {
			if path, ok := strings.CutPrefix(name, unixName); ok && unixPrefix().Contains(n.Addr) {
				if s.unix == nil {
					s.unix = map[netip.Addr]string{}
				}
				s.unix[n.Addr] = path
			}
		}
	}
	s.named = len(list)
	path, ok = s.unix[at.Addr()]
	return path, at.Port() == unixDatagramPort, ok
}
