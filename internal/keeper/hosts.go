package keeper

import (
	"bytes"
	"os"
	"sync"

	"lodge/internal/home/hostsview"
	"lodge/internal/keeperapi"
	"lodge/internal/statefile"
)

// hostsFile is the file that commands see as /etc/hosts, beside the keeper's
// record.
type hostsFile struct {
	path string
	exe  string
	// probe says once whether commands can be shown one.
	probe func() error
	mu    sync.Mutex // guards the file
}

func newHostsFile(record, exe string) *hostsFile {
	return &hostsFile{path: keeperapi.HostsPath(record), exe: exe, probe: sync.OnceValue(func() error { return hostsview.Probe(exe) })}
}

// with returns the path of a file with the machine's hosts and these lines, or ""
// where commands cannot be shown one. Commands that run already see the new
// lines too: the file stays the same one.
func (h *hostsFile) with(lines string) (string, error) {
	if lines == "" || h.probe() != nil {
		return "", nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	text, err := os.ReadFile("/etc/hosts")
	if err != nil {
		text = []byte("127.0.0.1 localhost\n::1 localhost\n")
	}
	if len(text) > 0 && !bytes.HasSuffix(text, []byte("\n")) {
		text = append(text, '\n')
	}
	text = append(text, lines...)
	if old, err := statefile.Read(h.path); err == nil && bytes.Equal(old, text) {
		return h.path, nil
	}
	f, err := statefile.Create(h.path, os.O_WRONLY, 0o644)
	if err == nil {
		_, err = f.WriteAt(text, 0)
		if err == nil {
			err = f.Truncate(int64(len(text)))
		}
		if cerr := f.Close(); err == nil {
			err = cerr
		}
	}
	if err != nil {
		// The directory may be full, or gone. The command does without names
		// below .test, as on a machine that cannot show it a file.
		h.cut()
		return "", nil
	}
	return h.path, nil
}

// cut ends a file that could not be written whole after its last whole line:
// commands that run may see it.
func (h *hostsFile) cut() {
	text, err := statefile.Read(h.path)
	if err == nil {
		_ = os.Truncate(h.path, int64(bytes.LastIndexByte(text, '\n')+1))
	}
}
