package explain

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"lodge/internal/explain/input"
	"lodge/internal/sockets"
)

// UnixSocket is what a path leads to, as the path of a Unix socket.
type UnixSocket struct {
	Path string `json:"path"`
	// Resolved is the path without symbolic links, where that is another one.
	Resolved string `json:"resolved,omitempty"`
	// Exists and Socket report whether there is a file, and whether it is a socket.
	// An abstract socket has none.
	Exists   bool `json:"exists"`
	Socket   bool `json:"is_socket"`
	Abstract bool `json:"abstract"`
	// Directory says that the path is one, LinkLoop that its symbolic links lead
	// back to themselves (ELOOP).
	Directory bool   `json:"is_directory,omitempty"`
	LinkLoop  bool   `json:"link_loop,omitempty"`
	Mode      string `json:"mode,omitempty"`
	User      string `json:"user,omitempty"`
	Group     string `json:"group,omitempty"`
	// MissingDirectory is the first directory of the path that there is not,
	// DeniedBy the file or directory that keeps this user out.
	MissingDirectory string `json:"missing_directory,omitempty"`
	DeniedBy         string `json:"denied_by,omitempty"`
	// Same are the paths of listening sockets of the same name elsewhere.
	Same []string `json:"same_name_at,omitempty"`
}

// gatherUnix looks at a path, and at the sockets that have it.
func (f *Facts) gatherUnix(ctx context.Context, src Source) error {
	u := &UnixSocket{Path: f.Question.Unix, Abstract: strings.HasPrefix(f.Question.Unix, "@")}
	f.Unix = u
	if !u.Abstract {
		u.look()
	}
	q := sockets.Query{Details: true, Homes: src.Homes, Live: src.Live, Protocols: []string{"unix"}}
	q.Filter.Paths = u.paths()
	t, err := sockets.List(ctx, q)
	if err != nil {
		return err
	}
	for i := range t.Rows {
		if r := &t.Rows[i]; u.has(r) {
			f.Rows = append(f.Rows, *r)
		}
	}
	f.Unknown = append(f.Unknown, t.Warnings...)
	if len(f.unixListeners()) == 0 {
		return u.findSame(ctx)
	}
	return nil
}

// paths are the ways in which a socket at the path may have been bound.
func (u *UnixSocket) paths() []string {
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

// has reports whether a socket is at the path: one that was bound by a relative
// path only if its process is in that directory.
func (u *UnixSocket) has(r *sockets.Row) bool {
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

// look reads the file.
func (u *UnixSocket) look() {
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

// findSame looks for listening sockets that are called the same elsewhere, or
// that are the same server's on another port (PostgreSQL's .s.PGSQL.5432).
func (u *UnixSocket) findSame(ctx context.Context) error {
	t, err := sockets.List(ctx, sockets.Query{Protocols: []string{"unix"}, States: []string{"listen"}, NoProcesses: true})
	if err != nil {
		return err
	}
	base := filepath.Base(u.Path)
	stem := strings.TrimRight(base, "0123456789")
	for i := range t.Rows {
		other := filepath.Base(t.Rows[i].Path)
		if other == base || stem != base && len(stem) > 3 && strings.TrimRight(other, "0123456789") == stem {
			u.Same = add(u.Same, t.Rows[i].Path)
		}
	}
	slices.Sort(u.Same)
	u.Same = u.Same[:min(len(u.Same), maxShown)]
	return nil
}

// unixListeners are the sockets that take connections, or datagrams, at the path.
func (f *Facts) unixListeners() []*sockets.Row {
	var out []*sockets.Row
	for i := range f.Rows {
		if r := &f.Rows[i]; r.Path != "" && (r.State == "listen" || r.State == "bound" && r.Type == "datagram") {
			out = append(out, r)
		}
	}
	return out
}

// unixCauses reports why a connection to the path, or a bind, fails.
func (f *Facts) unixCauses() []Cause {
	var out []Cause
	if f.Question.Operation != input.Bind {
		out = append(out, f.unixConnect()...)
	}
	if f.Question.Operation == input.Bind {
		out = append(out, f.unixBind()...)
	}
	for i := range out {
		if out[i].Evidence == nil {
			out[i].Evidence = []string{}
		}
	}
	return out
}

func (f *Facts) unixConnect() []Cause {
	u := f.Unix
	rows := f.unixListeners()
	c := Cause{Operation: input.Connect, Sure: true}
	switch {
	case u.LinkLoop:
		return []Cause{u.linkLoop(input.Connect)}
	case u.DeniedBy != "" && f.UID != 0:
		c.Code = SocketDenied
		c.Summary = fmt.Sprintf("User %s may not connect to %s: %s does not let it in.", userName(f.UID), u.Path, u.DeniedBy)
		c.Evidence = append(c.Evidence, u.describe())
		c.Hint = fmt.Sprintf("be in the group that may (ls -l %s tells which; a new group counts after a new login), or run it as its user", ShellWord(u.DeniedBy))
		return []Cause{c}
	case len(rows) > 0:
		return f.unixListens(rows)
	case u.Abstract:
		c.Code = NobodyListens
		c.Summary = fmt.Sprintf("No socket listens at the abstract name %s in this network namespace.", u.Path)
		c.Hint = "start the server"
	case !u.Exists:
		c.Code = SocketMissing
		c.Summary = fmt.Sprintf("There is no socket at %s: its server is not running, or makes its socket elsewhere.", u.Path)
		if u.MissingDirectory != "" {
			c.Summary = fmt.Sprintf("There is no socket at %s, not even the directory %s: its server is not running, or makes its socket elsewhere.", u.Path, u.MissingDirectory)
		}
		c.Hint = "start the server, or give the client the path or the host and port at which it is"
	case !u.Socket:
		c.Code = NotASocket
		c.Summary = fmt.Sprintf("%s is not a socket.", u.Path)
		if u.Directory {
			c.Summary = fmt.Sprintf("%s is a directory, no socket.", u.Path)
		}
		c.Evidence = append(c.Evidence, u.describe())
		c.Hint = "correct the path"
	default:
		c.Code = SocketStale
		c.Summary = fmt.Sprintf("The socket %s is left over: no process listens on it, so connections are refused.", u.Path)
		c.Evidence = append(c.Evidence, u.describe(), "no socket of this network namespace that listens has that path")
		c.Hint = "start the server; if it does not, since the path is in use: rm " + ShellWord(u.Path)
	}
	if len(u.Same) > 0 {
		c.Evidence = append(c.Evidence, "listening under that name: "+strings.Join(u.Same, ", "))
		c.Summary += fmt.Sprintf(" A server listens at %s.", joinNames(u.Same))
		c.Hint = "connect to " + ShellWord(u.Same[0])
	}
	return []Cause{c}
}

// unixListens reports what may be wrong where a process does listen.
func (f *Facts) unixListens(rows []*sockets.Row) []Cause {
	var out []Cause
	for _, r := range rows {
		for _, p := range r.Processes {
			if c, ok := f.stopped(r, p); ok {
				out = append(out, c)
			}
		}
	}
	for _, r := range rows {
		// Unix sockets too: one more than the limit fits (unix_recvq_full).
		if r.Type != "datagram" && r.Backlog != nil && r.BacklogLimit != nil && *r.Backlog > *r.BacklogLimit {
			c := Cause{
				Code: BacklogFull, Operation: input.Connect, Sure: true, PIDs: f.pids(r),
				Summary:  fmt.Sprintf("%s does not accept connections on %s: its queue is full, so new ones wait, or fail with EAGAIN (Resource temporarily unavailable).", upper(f.who(r)), f.own(r)),
				Evidence: []string{fmt.Sprintf("%d connections wait for accept, and %d may", *r.Backlog, *r.BacklogLimit)},
				Hint:     "the server hangs or is too slow: give it more workers, or listen() a longer queue",
			}
			if s := outOfDescriptors(r); s != "" {
				c.Evidence = append(c.Evidence, s)
			}
			c.Evidence = append(c.Evidence, f.about(r)...)
			out = append(out, c)
		}
	}
	if r := rows[0]; f.Question.Errno == "EPROTOTYPE" {
		return append(out, Cause{
			Code: WrongType, Operation: input.Connect, Sure: true, Evidence: f.about(r), PIDs: f.pids(r),
			Summary: fmt.Sprintf("%s has a %s socket at %s, and the client asked for another type: the two do not speak to each other.", upper(f.who(r)), r.Type, f.own(r)),
			Hint:    "give the client the type of the socket, or the path of the one that is meant",
		})
	}
	if len(out) == 0 && f.Question.Errno != "" {
		r := rows[0]
		out = append(out, Cause{
			Code: ListensNow, Operation: input.Connect, Sure: true, Evidence: f.about(r), Hint: "try again",
			Summary: fmt.Sprintf("%s listens on %s now, so a connection should work.", upper(f.who(r)), f.own(r)),
		})
	}
	return out
}

func (f *Facts) unixBind() []Cause {
	u := f.Unix
	c := Cause{Operation: input.Bind, Sure: true}
	switch {
	case len(f.Rows) > 0:
		out := f.held([]*sockets.Row{&f.Rows[0]})
		if f.Rows[0].State == "listen" {
			out[0].Evidence = append(out[0].Evidence, "it listens on the path")
		}
		return out
	case u.LinkLoop:
		return []Cause{u.linkLoop(input.Bind)}
	case u.Exists && !u.Socket:
		c.Code = NotASocket
		c.Summary = fmt.Sprintf("%s exists and is not a socket, so no socket can be bound there.", u.Path)
		if u.Directory {
			c.Summary = fmt.Sprintf("%s is a directory, no socket, so no socket can be bound there.", u.Path)
		}
		c.Hint = "choose another path"
	case u.Exists:
		c.Code = SocketStale
		c.Summary = fmt.Sprintf("The socket file %s is left over from a server that has ended: no process has it, but a bind fails as long as it is there.", u.Path)
		c.Evidence = append(c.Evidence, u.describe(), "no socket of this network namespace has that path")
		c.Hint = "rm " + ShellWord(u.Path)
	case u.MissingDirectory != "":
		c.Code = SocketMissing
		c.Summary = fmt.Sprintf("The directory %s does not exist, so no socket can be made in it.", u.MissingDirectory)
		c.Hint = "mkdir -p " + ShellWord(filepath.Dir(u.Path))
	case !u.Abstract && (f.Question.Errno != "EADDRINUSE" || u.DeniedBy != "") && unix.Access(filepath.Dir(u.Path), unix.W_OK) != nil:
		c.Code = SocketDenied
		c.Summary = fmt.Sprintf("User %s may not make a file in %s, and so no socket.", userName(f.UID), filepath.Dir(u.Path))
		c.Hint = "choose a directory of your own, such as $XDG_RUNTIME_DIR"
	default:
		c.Code = FreeNow
		c.Summary = fmt.Sprintf("Nothing is at %s any more, so a bind should work now.", u.Path)
		c.Hint = "try again"
	}
	return []Cause{c}
}

// linkLoop says that the path leads nowhere, whoever tries it.
func (u *UnixSocket) linkLoop(op input.Operation) Cause {
	return Cause{
		Code: NotASocket, Operation: op, Sure: true,
		Summary: fmt.Sprintf("%s leads to no file: its symbolic links lead back to themselves (ELOOP), so there is no socket.", u.Path),
		Hint:    "look where they lead: namei -l " + ShellWord(u.Path) + "; then remove or correct the link",
	}
}

// describe writes what ls -l would.
func (u *UnixSocket) describe() string {
	what := "a socket"
	switch {
	case !u.Exists && u.DeniedBy != "":
		return fmt.Sprintf("%s may not be searched", u.DeniedBy)
	case !u.Socket:
		what = "no socket"
	}
	return fmt.Sprintf("%s is %s, %s, user %s, group %s", u.Path, what, u.Mode, u.User, u.Group)
}

// unixAnswer answers a path.
func (f *Facts) unixAnswer(r *Report) string {
	if len(r.Causes) > 0 {
		return r.Causes[0].Summary
	}
	var out []string
	for _, row := range f.unixListeners() {
		verb := "listens on"
		if row.State != "listen" {
			verb = "takes datagrams at"
		}
		out = append(out, fmt.Sprintf("%s %s %s.", upper(f.who(row)), verb, f.own(row)))
	}
	if len(out) == 0 {
		return "Nothing is known of " + f.Unix.Path + "."
	}
	return strings.Join(out[:min(len(out), 3)], " ")
}
