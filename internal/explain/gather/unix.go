package gather

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"lodge/internal/explain/facts"
	"lodge/internal/explain/words"
	"lodge/internal/sockets"
)

// lookAtPath looks at a path, and at the sockets that have it.
func lookAtPath(ctx context.Context, f *facts.Facts, src Source) error {
	u := &facts.UnixSocket{Path: f.Question.Unix, Abstract: strings.HasPrefix(f.Question.Unix, "@")}
	f.Unix = u
	if !u.Abstract {
		readPath(u)
		u.DirectoryDenied = unix.Access(filepath.Dir(u.Path), unix.W_OK) != nil
	}
	q := sockets.Query{Details: true, Homes: src.Homes, Live: src.Live, Protocols: []string{"unix"}}
	q.Filter.Paths = unixPaths(u)
	t, err := sockets.List(ctx, q)
	if err != nil {
		return err
	}
	for i := range t.Rows {
		if r := &t.Rows[i]; isAt(u, r) {
			f.Rows = append(f.Rows, *r)
		}
	}
	f.Unknown = append(f.Unknown, t.Warnings...)
	if len(f.UnixListeners()) == 0 {
		return findSameName(ctx, u)
	}
	return nil
}

// unixPaths are the ways in which a socket at the path may have been bound.
func unixPaths(u *facts.UnixSocket) []string {
	out := []string{u.Path}
	if u.Abstract {
		return out
	}
	add := func(s string) {
		if s != "" && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	add(filepath.Clean(u.Path))
	add(u.Resolved)
	if rest, ok := strings.CutPrefix(u.Path, "/var/run/"); ok {
		add("/run/" + rest)
	} else if rest, ok := strings.CutPrefix(u.Path, "/run/"); ok {
		add("/var/run/" + rest)
	}
	base := filepath.Base(u.Path)
	add(base)
	add("./" + base)
	return out
}

// isAt reports whether a socket is at the path: one that was bound by a relative
// path only if its process is in that directory.
func isAt(u *facts.UnixSocket, r *sockets.Row) bool {
	if r.Path == "" || r.State != "listen" && r.State != "bound" {
		return false
	}
	if u.Abstract || filepath.IsAbs(r.Path) {
		return true
	}
	own, err := os.Stat(u.Path)
	return err == nil && slices.ContainsFunc(r.Processes, func(p *sockets.Process) bool {
		other, err := os.Stat(filepath.Join(p.Directory, r.Path))
		return err == nil && os.SameFile(own, other)
	})
}

// readPath reads the file.
func readPath(u *facts.UnixSocket) {
	if abs, err := filepath.Abs(u.Path); err == nil {
		u.Path = abs
	}
	if r, err := filepath.EvalSymlinks(u.Path); err == nil && r != u.Path {
		u.Resolved = r
	}
	info, err := os.Stat(u.Path)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		u.MissingDirectory = missingDirectory(u.Path)
		return
	case errors.Is(err, syscall.ELOOP):
		u.LinkLoop = true
		return
	case err != nil:
		u.Exists = !errors.Is(err, fs.ErrPermission)
		u.DeniedBy = deniedBy(u.Path)
		return
	}
	u.Exists, u.Socket, u.Mode = true, info.Mode()&fs.ModeSocket != 0, info.Mode().Perm().String()
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		u.User, u.Group = userName(st.Uid), groupName(st.Gid)
	}
	if u.Directory = info.IsDir(); !u.Socket {
		return
	}
	// To connect one needs the right to write (unix(7)).
	if unix.Access(u.Path, unix.W_OK) != nil {
		u.DeniedBy = u.Path
	}
}

// missingDirectory returns the first directory of a path that there is not, or
// "" where only the file is missing.
func missingDirectory(path string) string {
	dir := filepath.Dir(path)
	missing := ""
	for ; dir != "/" && dir != "."; dir = filepath.Dir(dir) {
		if _, err := os.Stat(dir); err == nil {
			break
		}
		missing = dir
	}
	return missing
}

// deniedBy returns the first directory of a path that may not be searched.
func deniedBy(path string) string {
	parts := strings.Split(strings.TrimPrefix(filepath.Dir(path), "/"), "/")
	dir := "/"
	for _, p := range parts {
		dir = filepath.Join(dir, p)
		if unix.Access(dir, unix.X_OK) != nil {
			return dir
		}
	}
	return path
}

// findSameName looks for listening sockets that are called the same elsewhere, or
// that are the same server's on another port (PostgreSQL's .s.PGSQL.5432).
func findSameName(ctx context.Context, u *facts.UnixSocket) error {
	t, err := sockets.List(ctx, sockets.Query{Protocols: []string{"unix"}, States: []string{"listen"}, NoProcesses: true})
	if err != nil {
		return err
	}
	base := filepath.Base(u.Path)
	stem := strings.TrimRight(base, "0123456789")
	for i := range t.Rows {
		other := filepath.Base(t.Rows[i].Path)
		if other == base || stem != base && len(stem) > 3 && strings.TrimRight(other, "0123456789") == stem {
			u.Same = words.Add(u.Same, t.Rows[i].Path)
		}
	}
	slices.Sort(u.Same)
	u.Same = u.Same[:min(len(u.Same), words.MaxShown)]
	return nil
}
