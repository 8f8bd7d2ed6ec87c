package rootowned

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// tree is a root directory with an installed program.
type tree struct {
	t    *testing.T
	root string
}

func (r tree) path(p string) string { return filepath.Join(r.root, p) }

func (r tree) check(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r tree) chown(p string, uid int) { r.t.Helper(); r.check(os.Lchown(r.path(p), uid, 0)) }

func (r tree) chmod(p string, mode os.FileMode) { r.t.Helper(); r.check(os.Chmod(r.path(p), mode)) }

func (r tree) mkdir(p string) {
	r.t.Helper()
	r.check(os.MkdirAll(r.path(p), 0o755))
}

func (r tree) link(to, p string) { r.t.Helper(); r.check(os.Symlink(to, r.path(p))) }

const (
	program = "usr/local/libexec/lodge-helper"
	user    = 65533
)

func newTree(t *testing.T) tree {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root: gives files to other users")
	}
	r := tree{t, t.TempDir()}
	r.mkdir(filepath.Dir(program))
	r.check(os.WriteFile(r.path(program), []byte("x"), 0o755))
	return r
}

// What a user could do to a program, by what is wrong on the way to it.
func TestFile(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(r tree)
		want  string // in the error, or "" for none
	}{
		"as installed":                     {func(tree) {}, ""},
		"the file is a user's":             {func(r tree) { r.chown(program, user) }, "lodge-helper can be changed by others than root: it belongs to user 65533"},
		"its group may write":              {func(r tree) { r.chmod(program, 0o775) }, "lodge-helper can be changed"},
		"others may write":                 {func(r tree) { r.chmod(program, 0o757) }, "lodge-helper can be changed"},
		"its directory is a user's":        {func(r tree) { r.chown("usr/local/libexec", user) }, "libexec can be changed"},
		"others may write its directory":   {func(r tree) { r.chmod("usr/local/libexec", 0o757) }, "libexec can be changed"},
		"its directory is sticky":          {func(r tree) { r.chmod("usr/local/libexec", 0o777|os.ModeSticky) }, "libexec can be changed"},
		"one above it is sticky":           {func(r tree) { r.chmod("usr/local", 0o777|os.ModeSticky) }, ""},
		"one above it is a user's":         {func(r tree) { r.chown("usr", user) }, "usr can be changed"},
		"the group may write one above it": {func(r tree) { r.chmod("usr/local", 0o775) }, "local can be changed"},
		"it is missing":                    {func(r tree) { r.check(os.Remove(r.path(program))) }, "no such file"},
		"it is a directory": {func(r tree) {
			r.check(os.Remove(r.path(program)))
			r.mkdir(program)
		}, "is a d"},
		"a link of root's to a directory of root's": {func(r tree) {
			r.check(os.Rename(r.path("usr/local"), r.path("local")))
			r.link("../local", "usr/local")
		}, ""},
		"a link of root's, absolute": {func(r tree) {
			r.check(os.Rename(r.path("usr/local"), r.path("local")))
			r.link(r.path("local"), "usr/local")
		}, ""},
		"a link of a user's": {func(r tree) {
			r.check(os.Rename(r.path("usr/local"), r.path("local")))
			r.link("../local", "usr/local")
			r.chown("usr/local", user)
		}, "local can be changed"},
		"a link into a user's directory": {func(r tree) {
			r.mkdir("home/mallory/libexec")
			r.check(os.Rename(r.path(program), r.path("home/mallory/libexec/lodge-helper")))
			r.chown("home/mallory", user)
			r.check(os.Remove(r.path("usr/local/libexec")))
			r.link("../../home/mallory/libexec", "usr/local/libexec")
		}, "mallory can be changed"},
		"a link by way of a user's directory": {func(r tree) {
			r.mkdir("home/mallory")
			r.check(os.Rename(r.path("usr/local"), r.path("local")))
			r.link("../../local", "home/mallory/local")
			r.chown("home/mallory", user)
			r.link("../home/mallory/local", "usr/local")
		}, "mallory can be changed"},
		"the file is a link to a user's": {func(r tree) {
			r.check(os.Rename(r.path(program), r.path("x")))
			r.chown("x", user)
			r.link("../../../x", program)
		}, "x can be changed"},
		"links in a circle": {func(r tree) {
			r.check(os.Remove(r.path(program)))
			r.link("lodge-helper", program)
		}, "too many levels"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newTree(t)
			c.spoil(r)
			err := File(r.path(program))
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v, want %q", err, c.want)
			}
			var e *Error
			if strings.Contains(c.want, "can be changed") && !errors.As(err, &e) {
				t.Errorf("%T", err)
			}
		})
	}
}

func TestDirBelow(t *testing.T) {
	r := newTree(t)
	dir := r.path("usr/local/libexec")
	if err := DirBelow(r.root, dir); err != nil {
		t.Error(err)
	}
	if err := DirBelow(r.root, r.path("etc/systemd/system")); err != nil {
		t.Errorf("what is missing: %v", err)
	}
	r.check(os.Chown(r.root, user, 0))
	if err := DirBelow(r.root, dir); err != nil {
		t.Errorf("the root is a user's: %v", err)
	}
	if err := Dir(dir); err == nil {
		t.Error("a user can rename what is in a directory of its own")
	}
	r.chmod("usr/local/libexec", 0o777|os.ModeSticky)
	if err := DirBelow(r.root, dir); err == nil {
		t.Error("a directory in which users can make files")
	}
	r.chmod("usr/local/libexec", 0o755)
	r.chown("usr/local", user)
	if err := DirBelow(r.root, dir); err == nil {
		t.Error("a user's directory above")
	}
	r.link("/usr", "out")
	if err := DirBelow(r.root, r.path("out/x")); err == nil || !strings.Contains(err.Error(), "leads out of") {
		t.Errorf("%v", err)
	}
	for _, bad := range []string{"usr", "/elsewhere", r.root + "/../x"} {
		if err := DirBelow(r.root, bad); err == nil {
			t.Errorf("%s is below %s", bad, r.root)
		}
	}
}
