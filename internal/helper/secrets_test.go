package helper

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"lodge/internal/canary"
	"lodge/internal/capture/ring"
	"lodge/internal/elfcode"
	"lodge/internal/helperapi"
)

// asCanary makes the test binary the process that is probed first.
const asCanary = "as-canary"

// closedVariable makes that process one that others of its user may not look into.
const closedVariable = "LODGE_TEST_CLOSED"

// withCanary are the options of a helper whose canary is the test binary.
func withCanary() Options {
	return Options{Canary: []string{"/proc/self/exe", "-test.run=^$", asCanary}}
}

// singer is a copy of the test binary, with the place in it that can be probed.
type singer struct {
	path   string
	offset uint64
}

// newSinger copies the test binary, as a file of the user uid.
func newSinger(t *testing.T, uid int, mode os.FileMode) singer {
	t.Helper()
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	defer maps.Close()
	s := singer{path: filepath.Join(t.TempDir(), "singer")}
	if s.offset, err = canary.Place(maps); err != nil {
		t.Skip(err)
	}
	for dir := filepath.Dir(s.path); strings.HasPrefix(dir, os.TempDir()+"/"); dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile("/proc/self/exe")
	if err == nil {
		err = os.WriteFile(s.path, b, 0o600)
	}
	if err = errors.Join(err, os.Chown(s.path, uid, 0), os.Chmod(s.path, mode)); err != nil {
		t.Fatal(err)
	}
	return s
}

// sing runs the program, which makes canary.Calls calls.
func (s singer) sing(t *testing.T, attr *syscall.SysProcAttr) {
	t.Helper()
	cmd := exec.Command(s.path, "-test.run=^$", asCanary)
	cmd.SysProcAttr = attr
	cmd.Dir = "/"
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

func (s singer) open(t *testing.T) *os.File {
	t.Helper()
	f, err := os.Open(s.path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

// takeSecrets starts the probes of a client.
func takeSecrets(t *testing.T, c *helperapi.Client) (*helperapi.Secrets, *ring.Single) {
	t.Helper()
	s, f, err := helperapi.StartSecrets(t.Context(), c)
	var e *helperapi.Error
	if errors.As(err, &e) && e.Code == helperapi.NoUprobes {
		t.Skip("no uprobes here: ", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	records, err := ring.OpenSingle(f, s.RingBytes)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = records.Close() })
	return s, records
}

func code(err error) helperapi.Code {
	var e *helperapi.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

func credentials(uid, gid uint32) *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: gid}}
}

// TestSecretsOfUsers: root is given all secrets, a user those of processes that have that
// user's rights and no more.
func TestSecretsOfUsers(t *testing.T) {
	s := newSpace(t)
	clients := s.tapClients(newShared(withCanary()), 0, alice, mallory)
	program := newSinger(t, alice, 0o755)
	// One that runs with another group than its user's.
	setgid := newSinger(t, alice, 0o755)
	if err := errors.Join(os.Chown(setgid.path, alice, 7777), os.Chmod(setgid.path, 0o755|os.ModeSetgid)); err != nil {
		t.Fatal(err)
	}
	var all []*helperapi.Secrets
	var rings []*ring.Single
	for i, c := range clients {
		one, records := takeSecrets(t, c)
		all, rings = append(all, one), append(rings, records)
		for _, p := range []singer{program, setgid} {
			err := one.Probe(t.Context(), p.open(t), helperapi.SecretOpenSSL, p.offset)
			if i < 2 && err != nil {
				t.Fatal(err)
			}
			if i == 2 && (code(err) != helperapi.NotProbed || !strings.Contains(err.Error(), "belongs to user")) {
				t.Errorf("another user's file: %v", err)
			}
		}
	}
	program.sing(t, credentials(alice, alice))
	program.sing(t, credentials(mallory, mallory))
	program.sing(t, credentials(0, 0))
	setgid.sing(t, credentials(alice, alice))
	for i, want := range [][2]uint64{{4, 0}, {1, 3}, {0, 0}} {
		got := uint64(0)
		read := func() {
			if err := rings[i].Read(func(b []byte) {
				if got++; !strings.Contains(string(b), "c hs traffic") || !strings.Contains(string(b), strings.Repeat("k", 32)) {
					t.Errorf("%q", b)
				}
			}); err != nil {
				t.Error(err)
			}
		}
		read()
		c, err := all[i].End(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		delivered, not := want[0]*canary.Calls, want[1]*canary.Calls
		if got != delivered || c.Delivered != delivered || c.NotAllowed != not || c.Seen != delivered+not {
			t.Errorf("client %d: read %d, %+v, want %d and %d", i, got, c, delivered, not)
		}
		if _, err := all[i].Counts(t.Context()); err == nil {
			t.Error("counts after the end")
		}
	}
	program.sing(t, credentials(alice, alice)) // nothing is probed any more
}

// TestSecretsOfClosedProcesses: a user is given no secrets of processes into which that
// user may not look (ptrace(2)), although they have that user's rights.
func TestSecretsOfClosedProcesses(t *testing.T) {
	s := newSpace(t)
	c := s.tapClients(newShared(withCanary()), alice)[0]
	one, _ := takeSecrets(t, c)
	program := newSinger(t, alice, 0o755)
	if err := one.Probe(t.Context(), program.open(t), helperapi.SecretOpenSSL, program.offset); err != nil {
		t.Fatal(err)
	}
	unreadable := newSinger(t, alice, 0o755)
	if err := one.Probe(t.Context(), unreadable.open(t), helperapi.SecretOpenSSL, unreadable.offset); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Chown(unreadable.path, 0, 0), os.Chmod(unreadable.path, 0o711)); err != nil {
		t.Fatal(err)
	}
	last := helperapi.SecretCounts{}
	expect := func(what string, delivered bool) {
		t.Helper()
		now, err := one.Counts(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		want := [2]uint64{0, canary.Calls}
		if delivered {
			want = [2]uint64{canary.Calls, 0}
		}
		if got := [2]uint64{now.Delivered - last.Delivered, now.NotAllowed - last.NotAllowed}; got != want {
			t.Errorf("%s: %d secrets are delivered and %d left out, want %d", what, got[0], got[1], want)
		}
		last = now
	}
	program.sing(t, credentials(alice, alice))
	expect("a process of the user", true)
	unreadable.sing(t, credentials(alice, alice))
	expect("one of which the program cannot be read", false)
	t.Run("undumpable", func(t *testing.T) {
		t.Setenv(closedVariable, "1")
		program.sing(t, credentials(alice, alice))
		expect("one that is not dumpable", false)
	})
	// The namespace is root's, and with it what happens there.
	roots := credentials(alice, alice)
	roots.Cloneflags = unix.CLONE_NEWUSER
	roots.UidMappings = []syscall.SysProcIDMap{{ContainerID: alice, HostID: alice, Size: 1}}
	roots.GidMappings = []syscall.SysProcIDMap{{ContainerID: alice, HostID: alice, Size: 1}}
	inRoots := exec.Command(program.path, "-test.run=^$", asCanary)
	inRoots.SysProcAttr, inRoots.Dir = roots, "/"
	if out, err := inRoots.CombinedOutput(); errors.Is(err, unix.EPERM) {
		t.Log("there are no user namespaces here, as in a changed root: ", err)
	} else if err != nil {
		t.Fatalf("%v: %s", err, out)
	} else {
		expect("one in a user namespace of root's", false)
	}
	within := exec.Command("unshare", "--user", "--map-root-user", program.path, "-test.run=^$", asCanary)
	within.SysProcAttr, within.Dir = credentials(alice, alice), "/"
	if out, err := within.CombinedOutput(); err != nil {
		t.Logf("a user has no user namespaces here: %v: %s", err, out)
		return
	}
	expect("one in a user namespace of its own", true)
}

// TestSecretsLost: what finds no room in the ring is counted.
func TestSecretsLost(t *testing.T) {
	s := newSpace(t)
	c := s.tapClients(newShared(withCanary()), 0)[0]
	one, records := takeSecrets(t, c)
	program := newSinger(t, 0, 0o755)
	if err := one.Probe(t.Context(), program.open(t), helperapi.SecretOpenSSL, program.offset); err != nil {
		t.Fatal(err)
	}
	const many = 40 // times 5 × 50 calls
	t.Setenv("LODGE_TEST_SONGS", "50")
	for range many {
		program.sing(t, nil)
	}
	got := uint64(0)
	if err := records.Read(func([]byte) { got++ }); err != nil {
		t.Fatal(err)
	}
	counts, err := one.End(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if counts.Seen != many*50*canary.Calls || counts.RingFull == 0 || counts.Delivered != got || counts.Seen != counts.Delivered+counts.RingFull {
		t.Errorf("read %d, %+v", got, counts)
	}
}

// TestHostilePlaces: what a user says of a file of root's is not believed.
func TestHostilePlaces(t *testing.T) {
	s := newSpace(t)
	clients := s.tapClients(newShared(withCanary()), alice, 0)
	paths, _ := filepath.Glob("/usr/lib/*/libcrypto.so.3")
	if len(paths) == 0 {
		t.Skip("OpenSSL 3 is missing (hint: sh test/install)")
	}
	b, err := os.ReadFile(paths[0])
	if err != nil {
		t.Fatal(err)
	}
	put := func(uid int, mode os.FileMode) *os.File {
		path := filepath.Join(t.TempDir(), "libcrypto.so.3")
		err := errors.Join(os.WriteFile(path, b, 0o600), os.Chown(path, uid, 0), os.Chmod(path, mode))
		f, oerr := os.Open(path)
		if err = errors.Join(err, oerr); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Close() })
		return f
	}
	roots := put(0, 0o644)
	elf, err := elfcode.Open(roots)
	if err != nil {
		t.Fatal(err)
	}
	at, err := elf.Exported("EVP_KDF_derive")
	if err != nil {
		t.Fatal(err)
	}
	other, err := elf.Exported("EVP_KDF_CTX_new")
	if err != nil {
		t.Fatal(err)
	}
	pipe, end, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer pipe.Close()
	defer end.Close()
	noRead, err := os.OpenFile(roots.Name(), unix.O_PATH, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer noRead.Close()
	proc, err := os.Open("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	defer proc.Close()
	text := put(0, 0o644)
	if err := os.WriteFile(text.Name(), []byte("no program\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for i, c := range clients {
		one, _ := takeSecrets(t, c)
		for _, tc := range []struct {
			name   string
			f      *os.File
			kind   helperapi.SecretKind
			offset uint64
			user   string // "" is allowed
			root   string
		}{
			{"the function", roots, helperapi.SecretOpenSSL, at, "", ""},
			{"another function", roots, helperapi.SecretOpenSSL, other, "is not at offset", ""},
			{"in the middle", roots, helperapi.SecretOpenSSL, at + 1, "is not at offset", "-"},
			{"another kind", roots, helperapi.SecretGnuTLS, at, "no such function", "-"},
			{"Go's", roots, helperapi.SecretGo, at, "no Go program", "-"},
			{"no kind", roots, "dance", at, "not known", "not known"},
			{"data", put(alice, 0o644), helperapi.SecretOpenSSL, 0, "not one of code", "not one of code"},
			{"beyond", put(alice, 0o644), helperapi.SecretOpenSSL, 1 << 40, "not one of code", "not one of code"},
			{"others write", put(0, 0o666), helperapi.SecretOpenSSL, at, "only root may probe it", ""},
			{"the group writes", put(0, 0o664), helperapi.SecretOpenSSL, at, "only root may probe it", ""},
			{"another user's", put(mallory, 0o644), helperapi.SecretOpenSSL, at, "belongs to user", ""},
			{"its own", put(alice, 0o644), helperapi.SecretOpenSSL, at, "", ""},
			{"a pipe", pipe, helperapi.SecretOpenSSL, at, "file system", "no regular file"},
			{"a file of /proc", proc, helperapi.SecretOpenSSL, at, "file system", "ELF"},
			{"no ELF file", text, helperapi.SecretOpenSSL, at, "ELF", "ELF"},
			{"a path", noRead, helperapi.SecretOpenSSL, at, "ELF", "ELF"},
		} {
			want := tc.user
			if i == 1 {
				want = tc.root
			}
			if want == "-" {
				continue // root's taps may do anything; this would be harmful
			}
			err := one.Probe(t.Context(), tc.f, tc.kind, tc.offset)
			switch {
			case want == "" && err != nil:
				t.Errorf("client %d: %s: %v", i, tc.name, err)
			case want != "" && (err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n")):
				t.Errorf("client %d: %s: %v, want %q", i, tc.name, err, want)
			}
		}
		if _, _, err := helperapi.StartSecrets(t.Context(), c); err == nil {
			t.Error("a client takes secrets twice")
		}
	}
}

// TestCanaryFails: where a process of our own does not stand it, nothing else is probed.
func TestCanaryFails(t *testing.T) {
	s := newSpace(t)
	for name, tc := range map[string]struct {
		command []string
		want    string
	}{
		"it dies":       {[]string{"/bin/sh", "-c", "kill -SEGV $$"}, "segmentation fault"},
		"it fails":      {[]string{"/bin/false"}, "exit status 1"},
		"it is not one": {[]string{"/bin/true"}, "the probe saw 0 of 5 calls"},
		"it is gone":    {[]string{"/nowhere/canary"}, "no such file"},
	} {
		c := s.tapClients(newShared(Options{Canary: tc.command}), 0)[0]
		_, _, err := helperapi.StartSecrets(t.Context(), c)
		if code(err) != helperapi.NoUprobes || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), "nothing else is probed") {
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		}
	}
}

// TestProbesKilled: of a helper that was killed no probe is left.
func TestProbesKilled(t *testing.T) {
	s := newSpace(t)
	var c *helperapi.Client
	s.do(0, func() (err error) { c, err = helperapi.Spawn(os.Args[0], "-test.run=^$", asChild); return err })
	defer c.Close()
	one, records := takeSecrets(t, c)
	program := newSinger(t, 0, 0o755)
	if err := one.Probe(t.Context(), program.open(t), helperapi.SecretOpenSSL, program.offset); err != nil {
		t.Fatal(err)
	}
	program.sing(t, nil)
	got := 0
	count := func([]byte) { got++ }
	if err := records.Read(count); err != nil || got != canary.Calls {
		t.Fatalf("read %d secrets, %v", got, err)
	}
	if err := unix.Kill(c.Pid(), unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	// The process is waited for, and with it its perf events are closed.
	program.sing(t, nil)
	if err := records.Read(count); err != nil || got != canary.Calls {
		t.Errorf("after the helper's end: %d secrets, %v", got, err)
	}
}

// TestRequestsWithFiles: only the request of a probe brings a descriptor.
func TestRequestsWithFiles(t *testing.T) {
	a, b := socketPair(t)
	served := make(chan error, 1)
	go func() { served <- Serve(t.Context(), b, 0, 0, withCanary()) }()
	f, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := helperapi.SendRequest(a, &helperapi.Request{ID: 1, Op: helperapi.OpProbe, Args: []byte(`{"kind":"go","offset":1}`), File: f}); err != nil {
		t.Fatal(err)
	}
	rep, _, err := helperapi.ReceiveReply(a)
	if err != nil || !strings.Contains(rep.Error, "takes no secrets") {
		t.Errorf("a probe before the start: %+v, %v", rep, err)
	}
	if err := helperapi.SendRequest(a, &helperapi.Request{ID: 2, Op: helperapi.OpProbe, Args: []byte(`{"kind":"go","offset":1}`)}); err != nil {
		t.Fatal(err)
	}
	if rep, _, err := helperapi.ReceiveReply(a); err != nil || !strings.Contains(rep.Error, "no descriptor") {
		t.Errorf("a probe without a file: %+v, %v", rep, err)
	}
	if err := helperapi.SendRequest(a, &helperapi.Request{ID: 3, Op: helperapi.OpHello, File: f}); err != nil {
		t.Fatal(err)
	}
	if rep, _, err := helperapi.ReceiveReply(a); err != nil || !strings.Contains(rep.Error, "descriptors were sent") {
		t.Errorf("a greeting with a file: %+v, %v", rep, err)
	}
	if err := <-served; err == nil {
		t.Error("the client is served on")
	}
	if _, _, err := helperapi.ReceiveReply(a); !errors.Is(err, io.EOF) && !helperapi.ClosedByPeer(err) {
		t.Error(err)
	}
}
