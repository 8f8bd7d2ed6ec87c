package logs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// history is the opened log of one service.
type history struct {
	service string
	// parts are what is to be read, oldest first.
	parts []part
	files []*os.File // to close
	// end is where the newest file ended when it was opened; nil if there was
	// no file.
	end *part
}

// part is the bytes from…to of a file, or of records in memory.
type part struct {
	r        io.ReaderAt
	from, to int64
}

func (h *history) close() {
	for _, f := range h.files {
		_ = f.Close() // only read from
	}
}

// openAll opens the logs of services, or of all, as they are now.
func openAll(dir string, services []string) ([]*history, error) {
	unlock, _ := lockDir(dir, syscall.LOCK_SH)
	defer unlock()
	found, err := list(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for service := range found {
		if services == nil || slices.Contains(services, service) {
			names = append(names, service)
		}
	}
	slices.Sort(names)
	var out []*history
	for _, service := range names {
		h, err := openHistory(dir, service, found[service])
		if err != nil {
			for _, h := range out {
				h.close()
			}
			return nil, fmt.Errorf("read log of %s: %w", service, err)
		}
		out = append(out, h)
	}
	return out, nil
}

// openHistory opens the files of a service, whose highest number was top. The
// directory's lock is held, so that the writer does not rename them meanwhile.
//
// Where there is no such lock, the writer may be moving each file to the next
// number. So the newest is opened first: then a file that was opened can turn
// up again under a higher number, which is noticed, but none can slip by to a
// lower one.
func openHistory(dir, service string, top int) (*history, error) {
	const missingInARow = 4
	h := &history{service: service}
	name := filepath.Join(dir, fileName(service))
	var infos []os.FileInfo
	for number, missing := 0, 0; number <= top || missing < missingInARow; number++ {
		f, err := os.OpenFile(rotatedName(name, number), os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ELOOP) {
			missing++
			continue
		}
		if err != nil {
			h.close()
			return nil, err
		}
		missing = 0
		info, err := f.Stat()
		again := func(o os.FileInfo) bool { return os.SameFile(o, info) }
		if err != nil || !info.Mode().IsRegular() || slices.ContainsFunc(infos, again) {
			_ = f.Close()
			continue
		}
		infos = append(infos, info)
		h.files = append(h.files, f)
		h.parts = append(h.parts, part{f, 0, info.Size()})
	}
	slices.Reverse(h.parts)
	if n := len(h.parts); n > 0 {
		end := h.parts[n-1]
		h.end = &end
	}
	return h, nil
}

// size is how many bytes there are to read.
func (h *history) size() int64 {
	var n int64
	for _, p := range h.parts {
		n += p.to - p.from
	}
	return n
}

// bookmark splits off what after needs: the newest file and how long it is. It
// is closed on its own.
func (h *history) bookmark() *history {
	if h.end == nil {
		return &history{}
	}
	newest := h.files[0]
	h.files = h.files[1:]
	return &history{files: []*os.File{newest}, end: h.end}
}

// after leaves what came after an earlier history ended. It is false if that
// end is no longer there, so that lines between may be missing.
func (h *history) after(earlier *history) bool {
	if earlier == nil || earlier.end == nil {
		return true
	}
	old, err := earlier.end.r.(*os.File).Stat()
	if err != nil {
		return false
	}
	for i, p := range h.parts {
		info, err := p.r.(*os.File).Stat()
		if err == nil && os.SameFile(old, info) {
			h.parts = h.parts[i:]
			h.parts[0].from = min(earlier.end.to, p.to)
			return true
		}
	}
	return len(h.parts) == 0
}

// since leaves out what comes before the first record of t or later. The
// records are looked at one after the other: the clock may have been set back
// between any two.
func (h *history) since(t time.Time) error {
	c := &cursor{}
	for len(h.parts) > 0 {
		p := &h.parts[0]
		for c.open(*p); ; {
			ok, err := c.step()
			if err != nil {
				return fmt.Errorf("read log of %s: %w", h.service, err)
			}
			if !ok {
				break
			}
			if !c.at.Before(t) {
				p.from = c.begin
				return nil
			}
		}
		h.parts = h.parts[1:]
	}
	return nil
}
