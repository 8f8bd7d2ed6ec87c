package tap

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"lodge/internal/cli/kit"
	"lodge/internal/cli/look/tap/tapcmd"
	"lodge/internal/decode/tlskeys"
)

func keyRandom(n byte) *tlskeys.Random {
	return (*tlskeys.Random)(bytes.Repeat([]byte{n}, 32))
}

func keyLine(label string, n byte) string {
	return fmt.Sprintf("%s %x %s\n", label, *keyRandom(n), strings.Repeat("ab", 32))
}

func add(t *testing.T, path, text string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(f, text); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// A live tap follows a key log: before it is there, as it grows in the middle of a line,
// when it is emptied, and when another file takes its name.
func TestKeyLogIsFollowed(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "keys.log")
	k := &kit.Kit{}
	k.Env.Dir = dir
	l, err := openKeyLog(k, &tapcmd.Flags{KeyLog: "keys.log"})
	if err != nil {
		t.Fatal(err)
	}
	defer l.close()
	has := func(n byte, secrets int) {
		t.Helper()
		got := 0
		if s := l.Secrets(keyRandom(n)); s != nil {
			got = s.Len()
		}
		if got != secrets {
			t.Errorf("%d secrets of connection %d, want %d", got, n, secrets)
		}
	}
	if l.off() {
		t.Error("it is waited for, and decryption is off")
	}
	has(1, 0)
	line := keyLine("CLIENT_HANDSHAKE_TRAFFIC_SECRET", 1)
	add(t, path, line[:20])
	has(1, 0)
	add(t, path, line[20:])
	has(1, 1)
	if got := string(l.takeUsed()); got != line {
		t.Errorf("used %q", got)
	}
	add(t, path, keyLine("CLIENT_TRAFFIC_SECRET_0", 1)+keyLine("CLIENT_RANDOM", 2))
	has(1, 2)
	if got := string(l.takeUsed()); strings.Count(got, "\n") != 2 || strings.Contains(got, "CLIENT_RANDOM") {
		t.Errorf("used %q", got)
	}
	// What has come as another connection was looked up.
	add(t, path, keyLine("SERVER_TRAFFIC_SECRET_0", 1))
	has(9, 0)
	l.look(time.Now())
	if got := string(l.takeUsed()); strings.Count(got, "\n") != 3 {
		t.Errorf("used %q", got)
	}
	if got := l.takeUsed(); len(got) > 0 {
		t.Errorf("used once more: %q", got)
	}
	if err := os.Truncate(path, 0); err != nil {
		t.Fatal(err)
	}
	add(t, path, keyLine("CLIENT_RANDOM", 3))
	l.named.looked = time.Time{}
	has(3, 1)
	other := filepath.Join(dir, "other")
	add(t, other, keyLine("CLIENT_RANDOM", 4)+strings.Repeat("# longer\n", 200))
	if err := os.Rename(other, path); err != nil {
		t.Fatal(err)
	}
	l.named.looked = time.Time{}
	has(4, 1)
	has(2, 1)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	l.named.looked = time.Time{}
	has(5, 0)
	if l.err != nil {
		t.Error(l.err)
	}
}

// Where packets come from a file, the key log is read once and must be there.
func TestKeyLogIsRead(t *testing.T) {
	dir := t.TempDir()
	k := &kit.Kit{}
	k.Env.Dir = dir
	if _, err := openKeyLog(k, &tapcmd.Flags{KeyLog: "keys.log", Read: "x.pcap"}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a key log that is not there: %v", err)
	}
	if _, err := openKeyLog(k, &tapcmd.Flags{KeyLog: "."}); !errors.Is(err, errNotRegular) {
		t.Errorf("a directory: %v", err)
	}
	// The last line has no end.
	add(t, filepath.Join(dir, "keys.log"), strings.TrimSuffix(keyLine("CLIENT_RANDOM", 1), "\n"))
	l, err := openKeyLog(k, &tapcmd.Flags{KeyLog: "keys.log", Read: "x.pcap"})
	if err != nil || l.Secrets(keyRandom(1)) == nil || l.named.file != nil {
		t.Errorf("%+v, %v", l, err)
	}
	// A capture file with keys is enough.
	if l, err = openKeyLog(k, &tapcmd.Flags{Read: "x.pcap"}); err != nil || !l.off() {
		t.Errorf("%+v, %v", l, err)
	}
	l.add([]byte(keyLine("CLIENT_RANDOM", 2)))
	if l.off() || l.Secrets(keyRandom(2)) == nil {
		t.Error("the keys of a capture file are not used")
	}
}
