package helperapi

import (
	"errors"
	"fmt"
	"net/netip"
	"os"

	"lodge/internal/fdpass"
)

// HomeFiles is a home that the helper made, as descriptors. They are all that
// a keeper needs; it needs no privilege.
type HomeFiles struct {
	// Path is the home's cgroup, for RemoveHome.
	Path string
	IP4  netip.Addr
	// IP6 is the zero Addr where there is no IPv6, and IP6Reason says why.
	IP6       netip.Addr
	IP6Reason string
	// In is the cgroup of the processes inside, Home the one above it.
	In, Home *os.File
	// Events is the ring of events, Leases the table of leased ports.
	Events, Leases *os.File
	// Migrate is a program for groups of SO_REUSEPORT sockets (bpf.Hooks).
	Migrate *os.File
	// Links keep the hooks attached as long as any process has them open.
	Links []*os.File
}

// Files lists all descriptors, in the order that ebpfhome.FilesFrom reads.
func (h *HomeFiles) Files() []*os.File {
	return append([]*os.File{h.In, h.Home, h.Events, h.Leases, h.Migrate}, h.Links...)
}

// Close closes the descriptors.
func (h *HomeFiles) Close() error { return fdpass.Close(h.Files()) }

// homeFiles takes the descriptors of a home. With an error some may be taken.
func homeFiles(rep CreateHomeReply, g *Grant) (*HomeFiles, error) {
	h := &HomeFiles{Path: rep.Path, IP4: rep.IP4, IP6: rep.IP6, IP6Reason: rep.IP6Reason}
	var err error
	for _, f := range []struct {
		name string
		to   **os.File
	}{{FileIn, &h.In}, {FileHome, &h.Home}, {FileEvents, &h.Events}, {FileLeases, &h.Leases}, {FileMigrate, &h.Migrate}} {
		var ok bool
		if *f.to, ok = g.TakeOne(f.name); !ok {
			err = errors.Join(err, fmt.Errorf("the helper's answer lacks the descriptor %q", f.name))
		}
	}
	h.Links = g.Take(FileLink)
	return h, err
}
