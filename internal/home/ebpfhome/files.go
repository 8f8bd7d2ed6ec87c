package ebpfhome

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Files are the descriptors of a home that the helper made
// (helper.HomeFiles, in the order of its Files).
type Files struct {
	// In is the cgroup of those inside, Home the one above it.
	In, Home *os.File
	// Events is the ring of events, Leases the table of leased ports.
	Events, Leases *os.File
	// Migrate is the program that lets a queue be handed on.
	Migrate *os.File
	// Links keep the hooks attached while they are open.
	Links []*os.File
}

// FilesFrom reads the order in which helper.HomeFiles.Files lists.
func FilesFrom(files []*os.File) (Files, error) {
	if len(files) < 6 {
		return Files{}, fmt.Errorf("open home: %d descriptors, at least 6 are needed", len(files))
	}
	return Files{In: files[0], Home: files[1], Events: files[2], Leases: files[3], Migrate: files[4], Links: files[5:]}, nil
}

func (f Files) all() []*os.File {
	return append([]*os.File{f.In, f.Home, f.Events, f.Leases, f.Migrate}, f.Links...)
}

// closeOnExec keeps inherited descriptors from going on to the services, which
// could use them to leave the home or to keep it alive.
func (f Files) closeOnExec() {
	for _, f := range f.all() {
		unix.CloseOnExec(int(f.Fd()))
	}
}

func (f Files) close() error {
	var errs []error
	for _, f := range f.all() {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}
