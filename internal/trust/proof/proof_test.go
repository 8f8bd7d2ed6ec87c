package proof

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/trust"
)

func authority(t *testing.T) *trust.Authority {
	t.Helper()
	a, err := trust.Open(trust.Options{Dir: filepath.Join(t.TempDir(), "trust")})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// fake returns a search path on which a shell script is the program.
func fake(t *testing.T, program, script string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, program), []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestVerdicts holds what is made of what a client does.
func TestVerdicts(t *testing.T) {
	a := authority(t)
	curl := find(searchPath, "curl")
	if curl == "" {
		t.Skip("curl is not installed")
	}
	for _, c := range []struct {
		name, script string
		want, inside State
		reason       string
	}{
		{"it asks", `exec ` + curl + ` -k "$@"`, Trusted, Trusted, ""},
		{"it refuses", `exec ` + curl + ` -q "$@"`, NotTrusted, NotTrusted, "curl: (60)"},
		{"it refuses outside", `[ -n "$FAKE" ] && exec ` + curl + ` -k "$@"; exec ` + curl + ` -q "$@"`, NotTrusted, Trusted, "curl: (60)"},
		{"it asks for something else", `for last; do :; done; exec ` + curl + ` -ks --resolve "$6" "${last%/*}/other"`, NotTrusted, NotTrusted, "no request"},
		{"it does not connect", `echo no such host >&2; exit 6`, Unknown, Unknown, "no such host"},
		{"it says nothing", `exit 6`, Unknown, Unknown, "status 6"},
		{"it says that all is well", `exit 0`, Unknown, Unknown, "status 0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := fake(t, "curl", c.script)
			rs, err := Run(t.Context(), Options{Authority: a, Clients: []string{"curl"}, Path: path, Environ: []string{"PATH=" + searchPath}, Inside: []string{"FAKE=1"}})
			if err != nil || len(rs) != 1 {
				t.Fatal(rs, err)
			}
			if r := rs[0]; r.State != c.want || r.Inside != c.inside || !strings.Contains(r.Reason, c.reason) || (r.Reason == "") != (c.reason == "") {
				t.Errorf("%+v", r)
			}
		})
	}
}

func TestClientThatHangs(t *testing.T) {
	pids := filepath.Join(t.TempDir(), "pids")
	path := fake(t, "curl", "/bin/sleep 1000 & echo $$ $! >>"+pids+"; wait")
	a := authority(t)
	// A busy machine needs longer than others to start the program.
	for patience := 300 * time.Millisecond; !filled(pids); patience *= 2 {
		if patience > time.Minute {
			t.Fatal("it does not start")
		}
		rs, err := Run(t.Context(), Options{Authority: a, Clients: []string{"curl"}, Path: path, Patience: patience})
		if err != nil || rs[0].State != Unknown || !strings.Contains(rs[0].Reason, "did not end within") {
			t.Errorf("%+v, %v", rs, err)
		}
	}
	gone(t, pids)

	ctx, cancel := context.WithCancel(t.Context())
	pids = filepath.Join(t.TempDir(), "pids")
	path = fake(t, "curl", "/bin/sleep 1000 & echo $$ $! >>"+pids+"; wait")
	done := make(chan error)
	go func() {
		_, err := Run(ctx, Options{Authority: authority(t), Clients: []string{"curl"}, Path: path, Patience: time.Hour})
		done <- err
	}()
	tick, late := time.NewTicker(5*time.Millisecond), time.After(time.Minute)
	defer tick.Stop()
	for !filled(pids) {
		select {
		case <-tick.C:
		case <-late:
			t.Fatal("it does not start")
		}
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	gone(t, pids)
}

func filled(path string) bool {
	b, err := os.ReadFile(path)
	return err == nil && strings.HasSuffix(string(b), "\n")
}

// gone waits until processes have ended, which a signal makes them do in a
// moment: a dead one that nobody has waited for yet has ended, too.
func gone(t *testing.T, file string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	tick, late := time.NewTicker(5*time.Millisecond), time.After(time.Minute)
	defer tick.Stop()
	for pid := range strings.FieldsSeq(string(b)) {
		for stat := alive(pid); stat != ""; stat = alive(pid) {
			select {
			case <-tick.C:
				continue
			case <-late:
				t.Fatalf("process %s goes on: %s", pid, stat)
			}
		}
	}
}

// alive returns what the kernel says of a process, or "" of one that has ended.
func alive(pid string) string {
	b, err := os.ReadFile("/proc/" + pid + "/stat")
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ESRCH) {
		return ""
	}
	_, rest, ok := strings.Cut(string(b), ") ")
	if err == nil && ok && (rest[0] == 'Z' || rest[0] == 'X') {
		return ""
	}
	return string(b) + " "
}

func TestClientsAndNames(t *testing.T) {
	a := authority(t)
	if _, err := Run(t.Context(), Options{Authority: a, Clients: []string{"telnet"}}); !errors.Is(err, ErrClient) {
		t.Errorf("got %v", err)
	}
	rs, err := Run(t.Context(), Options{Authority: a, Path: t.TempDir()})
	if err != nil || len(rs) != len(Names()) {
		t.Fatalf("%d results, %v", len(rs), err)
	}
	for i, r := range rs {
		if r.Client != Names()[i] || r.State != NotInstalled || r.Inside != NotInstalled || r.Path != "" {
			t.Errorf("%+v", r)
		}
	}
	// A library that is missing is as good as a program that is.
	rs, err = Run(t.Context(), Options{Authority: a, Clients: []string{"python3 requests"}, Path: fake(t, "python3", "exit 79")})
	if err != nil || rs[0].State != NotInstalled {
		t.Errorf("%+v, %v", rs, err)
	}
}

func TestPlainEnviron(t *testing.T) {
	got := plainEnviron([]string{"HTTPS_PROXY=http://x", "https_proxy=http://x", "ALL_PROXY=x", "LANGUAGE=de", "LC_ALL=de_DE", "SSL_CERT_FILE=/a", "HOME=/h"})
	if want := []string{"SSL_CERT_FILE=/a", "HOME=/h", "LC_ALL=C"}; !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}

func TestWords(t *testing.T) {
	for _, c := range []struct{ client, said, want string }{
		{"chromium", "noise\n[1:2:1124/1.2:ERROR:net/socket/ssl_client_socket_impl.cc:949] handshake failed; returned -1, SSL error code 1, net_error -202\nmore\n", "handshake failed; returned -1, SSL error code 1, net_error -202"},
		{"curl", "  % Total\ncurl: (60) SSL certificate problem\n\nMore details here: https://curl.se\n", "curl: (60) SSL certificate problem"},
		{"firefox", "*** You are running in headless mode.\n", ""},
		{"curl", strings.Repeat("curl: (", 100), strings.Repeat("curl: (", 100)[:200] + "…"},
		{"curl", "curl: (\xff)", "curl: (?)"},
	} {
		i := slices.IndexFunc(clients(), func(x client) bool { return x.name == c.client })
		if x := clients()[i]; x.why(c.said) != c.want {
			t.Errorf("%s: got %q", c.client, x.why(c.said))
		}
	}
}
