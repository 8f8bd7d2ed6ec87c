package hosts

import (
	"context"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func newFile(t *testing.T) (f File, lockFile string) {
	t.Helper()
	dir := t.TempDir()
	f = File{filepath.Join(dir, "hosts")}
	if err := os.WriteFile(f.Path, []byte("127.0.0.1 localhost\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return f, filepath.Join(dir, ".hosts-lodge.lock")
}

func set(ctx context.Context, f File) error {
	return f.Change(ctx, func(text []byte) ([]byte, error) {
		return Set(text, "me", []Entry{entry("127.83.20.7", "db.shop.test")})
	})
}

// A process that has the lock and was stopped holds nobody for ever.
func TestTheLockIsHeld(t *testing.T) {
	f, name := newFile(t)
	held, err := tryLock(name)
	if err != nil || held == nil {
		t.Fatal(held, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := set(ctx, f); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("held: %v", err)
	}
	if err := held.Close(); err != nil { // as when its process is killed: the file stays
		t.Fatal(err)
	}
	if err := set(t.Context(), f); err != nil {
		t.Errorf("let go: %v", err)
	}
	if _, err := os.Lstat(name); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the lock's file is left: %v", err)
	}
}

// The lock of the file and of its directory is anybody's who may read them.
func TestOthersLocks(t *testing.T) {
	f, _ := newFile(t)
	for _, p := range []string{f.Path, filepath.Dir(f.Path)} {
		fd, err := unix.Open(p, unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer unix.Close(fd)
		if err := unix.Flock(fd, unix.LOCK_EX); err != nil {
			t.Fatal(err)
		}
	}
	if err := set(t.Context(), f); err != nil {
		t.Error(err)
	}
}

func TestWhatIsNoHostsFile(t *testing.T) {
	for name, put := range map[string]func(path string) error{
		"FIFO":      func(p string) error { return unix.Mkfifo(p, 0o644) },
		"directory": func(p string) error { return os.Mkdir(p, 0o755) },
		"device":    func(p string) error { return os.Symlink("/dev/null", p) },
	} {
		f := File{filepath.Join(t.TempDir(), "hosts")}
		if err := put(f.Path); err != nil {
			t.Fatal(err)
		}
		if err := set(t.Context(), f); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	// Nor is a link in the place of the lock followed.
	f, name := newFile(t)
	victim := filepath.Join(t.TempDir(), "victim")
	if err := os.Symlink(victim, name); err != nil {
		t.Fatal(err)
	}
	if err := set(t.Context(), f); err == nil {
		t.Error("a link in the place of the lock: no error")
	}
	if _, err := os.Lstat(victim); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("it was followed: %v", err)
	}
}

func TestEach(t *testing.T) {
	text, err := Set([]byte("127.0.0.1 localhost # x\n#10.0.0.1 no.test\nbad line\n::1  a\tb\r\n"), "me", []Entry{entry("127.83.20.7", "db.shop.test", "x.test")})
	if err != nil {
		t.Fatal(err)
	}
	text = append(text, "# lodge begin you\n10.0.0.2 unended.test\n"...)
	var got []string
	Each(text, func(owner string, ip netip.Addr, names []string) {
		for _, n := range names {
			got = append(got, owner+" "+ip.String()+" "+n)
		}
	})
	want := []string{
		" 127.0.0.1 localhost", " ::1 a", " ::1 b", "me 127.83.20.7 db.shop.test", "me 127.83.20.7 x.test", " 10.0.0.2 unended.test",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}
