package tap

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"lodge/internal/cli/kit"
	"lodge/internal/cli/look/tap/tapcmd"
	"lodge/internal/decode/tlskeys"
)

// The files of projects are found without a daemon, also where they come after the tap
// and are gone soon.
func TestKeyLogsOfProjectsAreFound(t *testing.T) {
	run := t.TempDir()
	keepers := filepath.Join(run, "lodge", "k")
	if err := os.MkdirAll(keepers, 0o700); err != nil {
		t.Fatal(err)
	}
	k := &kit.Kit{}
	k.Env.Environ = []string{"XDG_RUNTIME_DIR=" + run}
	if dir := k.RuntimeDir(); dir != filepath.Dir(keepers) {
		t.Fatalf("the runtime directory is %s", dir)
	}
	l, err := openKeyLog(k, &tapcmd.Flags{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	l.find(t.Context())
	if !l.off() || l.given() {
		t.Error("there are keys without a project")
	}
	one := filepath.Join(keepers, "one.keys")
	add(t, one, keyLine("CLIENT_RANDOM", 1))
	if l.off() {
		t.Error("the first project is not found")
	}
	if l.Secrets(keyRandom(1)) == nil || !l.given() {
		t.Error("the keys of the first project are not read")
	}
	add(t, one, keyLine("CLIENT_RANDOM", 2))
	two := filepath.Join(keepers, "two.keys")
	add(t, two, keyLine("CLIENT_RANDOM", 3))
	add(t, filepath.Join(keepers, "two.json"), keyLine("CLIENT_RANDOM", 9))
	for _, n := range []byte{3, 2} {
		if l.Secrets(keyRandom(n)) == nil {
			t.Errorf("the keys of connection %d are not read", n)
		}
	}
	if err := os.Remove(two); err != nil {
		t.Fatal(err)
	}
	if l.Secrets(keyRandom(9)) != nil {
		t.Error("a file that is no key log is read")
	}
	if w := l.finder.warnings(); len(w) > 0 {
		t.Errorf("warnings %q", w)
	}
}

// What another user may have planted is not read, and not waited for.
func TestPlantedKeyLogs(t *testing.T) {
	dir := t.TempDir()
	real := filepath.Join(dir, "real")
	add(t, real, keyLine("CLIENT_RANDOM", 1))
	link, pipe := filepath.Join(dir, "link"), filepath.Join(dir, "pipe")
	if err := os.Symlink(real, link); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	own := os.Geteuid()
	for _, c := range []struct {
		path  string
		owner int
		want  error
	}{
		{real, own, nil}, {link, own, unix.ELOOP}, {pipe, own, errNotRegular}, {dir, own, errNotRegular},
	} {
		log := new(tlskeys.Log)
		f := &keyFile{path: c.path, owner: c.owner}
		if err := f.update(log); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.path, err, c.want)
		}
		if n, _, _ := log.Counts(); n != 0 && c.want != nil {
			t.Errorf("%s is read", c.path)
		}
		f.close()
	}
	if own == 0 { // only root opens files of others
		if err := os.Chown(real, 12345, 12345); err != nil {
			t.Fatal(err)
		}
		f := &keyFile{path: real, owner: 12346}
		if err := f.update(new(tlskeys.Log)); !errors.Is(err, errNotOwn) || strings.Contains(err.Error(), real) {
			t.Errorf("another user's file: %v", err)
		}
		f = &keyFile{path: real, owner: 12345}
		if err := f.update(new(tlskeys.Log)); err != nil {
			t.Errorf("the user's own file: %v", err)
		}
		f.close()
	}
}
