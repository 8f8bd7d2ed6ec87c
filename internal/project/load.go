package project

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"lodge/internal/bounded"
	"lodge/internal/loopback"
	"lodge/internal/project/dotenv"
	"lodge/internal/project/syntax"
)

// maxConfig bounds what is read of lodge.toml, Procfile and .env, in bytes.
const maxConfig = 1 << 20

// Option changes how Load looks for a project.
type Option func(*options)

type options struct{ home string }

// WithHome returns the user's home directory. A lodge.toml there does not make
// one project of everything below it: the home directory, and what is above,
// is looked at only where Load starts.
func WithHome(dir string) Option { return func(o *options) { o.home = dir } }

// Load finds and reads the project that dir belongs to. From dir upwards, as
// far as the top of the git worktree or the root directory, it looks for
// lodge.toml, and where there is none, in the same way for a Procfile. The
// project's directory is where the file is.
//
// Without either, the top of the git worktree is the project, or dir itself
// outside of git: it has no services and an empty ConfigPath, which is all that
// one command run inside needs; see NeedConfig.
//
// What is wrong in a file is an *Error. A file above dir that belongs to
// neither the user, nor root, nor the owner of dir is refused, since its
// commands would be run: the root of a shared directory is not a project.
func Load(dir string, opts ...Option) (*Project, error) {
	var o options
	for _, opt := range opts {
		opt(&o)
	}
	start, err := realDir(dir)
	if err != nil {
		return nil, err
	}
	home := ""
	if o.home != "" {
		// A home directory that does not exist holds no project either.
		home, _ = realDir(o.home)
	}
	dirs, wt, inGit, err := upwards(start, home)
	if err != nil {
		return nil, err
	}
	p, err := readFirst(dirs)
	if err != nil {
		return nil, err
	}
	if p == nil {
		p = &Project{Dir: start, Isolation: loopback.Overlay}
		if inGit {
			p.Dir = wt.top
		}
	}
	p.Name = projectName(p, wt, inGit)
	return p, nil
}

// realDir returns a directory's absolute path with symbolic links resolved.
func realDir(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", fmt.Errorf("find project: %w", err)
	}
	real, err := filepath.EvalSymlinks(abs)
	if err != nil {
		return "", fmt.Errorf("find project: %w", err)
	}
	info, err := os.Stat(real)
	if err != nil {
		return "", fmt.Errorf("find project: %w", err)
	}
	if !info.IsDir() {
		return "", fmt.Errorf("find project: %s is not a directory", abs)
	}
	return real, nil
}

// upwards lists the directories from start to the top of its git worktree, or
// to the root, or to just below home.
func upwards(start, home string) (dirs []string, wt worktree, inGit bool, err error) {
	for dir := start; ; dir = filepath.Dir(dir) {
		if dir == home && dir != start {
			return dirs, worktree{}, false, nil
		}
		dirs = append(dirs, dir)
		wt, inGit, err = findWorktree(dir)
		if err != nil || inGit || dir == filepath.Dir(dir) || dir == home {
			return dirs, wt, inGit, err
		}
	}
}

// readFirst reads the first lodge.toml, or else the first Procfile, of the
// directories. It gives nil where there is none.
func readFirst(dirs []string) (*Project, error) {
	for _, name := range []string{ConfigName, ProcfileName} {
		for _, dir := range dirs {
			path := filepath.Join(dir, name)
			data, err := readFile(path, maxConfig)
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			if err != nil {
				return nil, err
			}
			if err := checkOwner(path, dirs[0]); err != nil {
				return nil, err
			}
			if name == ConfigName {
				p, err := parseTOML(path, data)
				if err == nil {
					p.vars.start = dirs[0]
				}
				return p, err
			}
			env, err := readDotenv(dir)
			if err != nil {
				return nil, err
			}
			return parseProcfile(path, data, env)
		}
	}
	return nil, nil
}

// readDotenv reads the .env of a Procfile's directory, which may be absent.
func readDotenv(dir string) ([]dotenv.Variable, error) {
	path := filepath.Join(dir, ".env")
	data, err := readFile(path, maxConfig)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, brokenLink(envFile{path: path})
	}
	if err != nil {
		return nil, err
	}
	return dotenv.Parse(syntax.NewSource(path, data), nil)
}

var errNotRegular = errors.New("not a regular file")

// readFile reads a regular file of at most limit bytes. It never waits: a named
// pipe is an error and not a program that hangs.
func readFile(path string, limit int64) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOCTTY, 0)
	if errors.Is(err, syscall.ENOTDIR) {
		err = &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
	}
	if err != nil {
		return nil, fmt.Errorf("read config: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read config: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("read %s: %w", path, errNotRegular)
	}
	data, err := bounded.ReadAll(f, limit)
	if large := (*bounded.TooLarge)(nil); errors.As(err, &large) {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if err != nil {
		return nil, fmt.Errorf("read config: %w", err)
	}
	return data, nil
}

// checkOwner refuses a file of a stranger above the directory in which the
// user is. In that directory itself, the user knows what is there.
func checkOwner(path, start string) error {
	if filepath.Dir(path) == start {
		return nil
	}
	file, err := owner(path)
	if err != nil {
		return err
	}
	dir, err := owner(start)
	if err != nil {
		return err
	}
	if user := os.Geteuid(); int(file) != user && file != 0 && file != dir {
		return fmt.Errorf("read %s: it belongs to user %d, and its commands would run as user %d (start in its directory to use it all the same)", path, file, user)
	}
	return nil
}

func owner(path string) (uint32, error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, fmt.Errorf("read config: %w", err)
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, fmt.Errorf("read owner of %s: %w", path, errors.ErrUnsupported)
	}
	return st.Uid, nil
}

// projectName returns the configured name or that of the directory, with the
// branch in front in a linked worktree. The top of a linked worktree has the
// name of the main checkout: the directory of a worktree is often called like
// the branch.
func projectName(p *Project, wt worktree, inGit bool) string {
	name := p.Name
	if name == "" {
		base := filepath.Base(p.Dir)
		if inGit && wt.linked && p.Dir == wt.top {
			base = wt.main
		}
		name = MakeName(base)
	}
	if inGit && wt.linked {
		name = joinLabel(wt.branch, name)
	}
	return name
}

// ErrNoConfig says that a project has neither lodge.toml nor a Procfile.
var ErrNoConfig = errors.New("no lodge.toml and no Procfile here or above")
