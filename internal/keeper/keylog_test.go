package keeper

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"lodge/internal/keeperapi"
	"lodge/internal/logs"
	"lodge/internal/service"
)

func mode(t *testing.T, path string) os.FileMode {
	t.Helper()
	fi, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	return fi.Mode()
}

// The file is this user's alone, whatever stands in its place; it is emptied when it is
// too large, made again when it was removed, and gone with the keeper.
func TestKeyLogFile(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "k")
	record := filepath.Join(dir, "x.json")
	l := newKeyLog(record)
	l.most = 1000
	if l.inUse() != "" {
		t.Error("it is in use")
	}
	if err := l.remove(); err != nil {
		t.Error(err)
	}
	path := keeperapi.KeyLogPath(record)
	use := func() {
		t.Helper()
		got, err := l.use()
		if err != nil || got != path || l.inUse() != path {
			t.Fatalf("%q, %v", got, err)
		}
		if m := mode(t, path); m != 0o600 {
			t.Errorf("mode %v", m)
		}
	}
	use() // without its directory
	if err := l.remove(); err != nil {
		t.Fatal(err)
	}
	// What others may have planted, and what a keeper before this one left.
	other := filepath.Join(t.TempDir(), "other")
	if err := os.WriteFile(other, []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	planted := map[string]func() error{
		"a symbolic link": func() error { return os.Symlink(other, path) },
		"a link":          func() error { return os.Link(other, path) },
		"a pipe":          func() error { return unix.Mkfifo(path, 0o666) },
		"a directory":     func() error { return os.MkdirAll(filepath.Join(path, "deep"), 0o700) },
		"old keys":        func() error { return os.WriteFile(path, []byte("CLIENT_RANDOM"), 0o644) },
	}
	for name, plant := range planted {
		if err := plant(); err != nil {
			t.Fatal(err)
		}
		use()
		if b, err := os.ReadFile(path); err != nil || len(b) > 0 {
			t.Errorf("%s: %q, %v", name, b, err)
		}
		if err := l.remove(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if b, err := os.ReadFile(other); err != nil || string(b) != "mine" || mode(t, other) != 0o644 {
		t.Errorf("the file of others: %q, %v, %v", b, mode(t, other), err)
	}
	use()
	for name, plant := range planted {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if err := plant(); err != nil {
			t.Fatal(err)
		}
		if l.tend(); mode(t, path) != 0o600 {
			t.Errorf("%s stays while the key log is used: %v", name, mode(t, path))
		}
	}
	if b, err := os.ReadFile(other); err != nil || string(b) != "mine" || mode(t, other) != 0o644 {
		t.Errorf("the file of others: %q, %v, %v", b, mode(t, other), err)
	}
	writer, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = writer.Close() }()
	write := func(n int) {
		t.Helper()
		if _, err := writer.WriteString(strings.Repeat("x", n)); err != nil {
			t.Fatal(err)
		}
	}
	size := func() int64 {
		t.Helper()
		fi, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return fi.Size()
	}
	if err := os.Truncate(path, 0); err != nil { // the old keys stay
		t.Fatal(err)
	}
	write(1000)
	if l.tend(); size() != 1000 {
		t.Errorf("%d bytes are left of 1000", size())
	}
	write(4000)
	if l.tend(); size() != 0 {
		t.Errorf("%d bytes are left of 5000", size())
	}
	if write(10); size() != 10 {
		t.Errorf("%d bytes after 10", size())
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if l.tend(); mode(t, path) != 0o600 {
		t.Error("it is not made again")
	}
	if err := l.remove(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
}

// Services and commands are told where to write, where that is asked for, and the keeper
// tells where that is.
func TestKeyLogOfPrograms(t *testing.T) {
	r := newRig(t)
	keyed := r.spec("keyed", `echo "$SSLKEYLOGFILE $NODE_OPTIONS"; sleep 100`)
	keyed.KeyLog, keyed.Env = service.KeyLogSet, []string{"NODE_OPTIONS=--no-warnings"}
	plain := r.spec("plain", `echo "none:$SSLKEYLOGFILE"; sleep 100`)
	r.define(plain, keyed)
	path := keeperapi.KeyLogPath(filepath.Join(r.dir, "k.json"))
	if err := r.Up(r.ctx, []string{"plain"}); err != nil {
		t.Fatal(err)
	}
	if p, err := r.Status(r.ctx); err != nil || p.KeyLog != "" {
		t.Errorf("%q, %v, before any program writes keys", p.KeyLog, err)
	}
	if err := r.Up(r.ctx, nil); err != nil {
		t.Fatal(err)
	}
	p, err := r.Status(r.ctx)
	if err != nil || p.KeyLog != path || p.Services[0].KeyLog != "" || p.Services[1].KeyLog != service.KeyLogSet {
		t.Errorf("%+v, %v", p, err)
	}
	said := func() (text string) {
		_ = r.Logs(r.ctx, keeperapi.LogQuery{}, false, func(l logs.Line) error { text += l.Text + "\n"; return nil })
		return text
	}
	if !within(func() bool {
		return strings.Contains(said(), path+" --no-warnings --tls-keylog="+path) && strings.Contains(said(), "none:\n")
	}) {
		t.Errorf("services said %q", said())
	}
	for _, x := range []keeperapi.Exec{{}, {As: "plain"}, {As: "keyed"}, {KeyLog: true}, {As: "plain", KeyLog: true}} {
		files, in, out, _ := r.pipes()
		_ = in.Close()
		x.Argv, x.Dir, x.Name = []string{"sh", "-c", "echo $SSLKEYLOGFILE"}, r.dir, "x"
		cmd, err := r.Exec(r.ctx, x, r.env, files[0], files[1], files[2])
		if err != nil {
			t.Fatal(err)
		}
		if st, err := cmd.Wait(); err != nil || st.Code != 0 {
			t.Fatal(st, err)
		}
		_ = files[1].Close()
		b := make([]byte, 1000)
		n, _ := out.Read(b)
		want := "\n"
		if x.KeyLog || x.As == "keyed" {
			want = path + "\n"
		}
		if string(b[:n]) != want {
			t.Errorf("%+v: %q, want %q", x, b[:n], want)
		}
	}
}
