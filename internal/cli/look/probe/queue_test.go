package probe

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/cli/kit"
	"lodge/internal/cli/look/probe/probecmd"
	"lodge/internal/probe"
)

// probeLine runs lodge probe where no daemon is, and returns the exit status and what
// is printed.
func probeLine(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	dir := t.TempDir()
	var out, errs bytes.Buffer
	k := kit.New(kit.Env{Environ: []string{"XDG_RUNTIME_DIR=" + dir, "XDG_STATE_HOME=" + dir, "HOME=" + dir}, Dir: dir}, &out)
	k.Err = &errs
	c := probecmd.Command(k, Run)
	c.SilenceErrors, c.SilenceUsage = true, true
	c.SetArgs(args)
	code = k.Run(t.Context(), c.ExecuteContext)
	return code, out.String(), errs.String()
}

// probeOK is probeLine for what must succeed.
func probeOK(t *testing.T, args ...string) string {
	t.Helper()
	code, stdout, stderr := probeLine(t, args...)
	if code != kit.ExitDone {
		t.Fatalf("lodge probe %v: %d\n%s%s", args, code, stdout, stderr)
	}
	return stdout
}

// smallQueue returns a listening socket with a queue of a given length, and its
// port. Nothing accepts what comes.
func smallQueue(t *testing.T, backlog int) (fd, port int) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, backlog); err != nil {
		t.Fatal(err)
	}
	name, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return fd, name.(*unix.SockaddrInet4).Port
}

// wantMatch fails the test unless a pattern is in a text.
func wantMatch(t *testing.T, text, pattern string) {
	t.Helper()
	if !regexp.MustCompile(pattern).MatchString(text) {
		t.Errorf("no %q in %q", pattern, text)
	}
}

// A queue that stays full is told as the cause of what is not answered, by many
// connections and by one.
func TestProbeFullQueue(t *testing.T) {
	for _, backlog := range []int{0, 1, 3} {
		_, port := smallQueue(t, backlog)
		at := fmt.Sprintf("127.0.0.1:%d", port)
		_, stdout, _ := probeLine(t, "--json", "--connect", "-n", "8", "-c", "8", "--timeout", "700ms", at)
		var s probe.Summary
		if err := json.Unmarshal([]byte(stdout), &s); err != nil {
			t.Fatal(err, stdout)
		}
		q := s.AcceptQueue
		if s.Failed == 0 || q == nil || !q.Full || q.Waiting == nil || *q.Waiting <= backlog || *q.Limit != backlog || q.Overflows == 0 {
			t.Errorf("backlog %d: %s", backlog, stdout)
		}
		// Two handshakes that end at the same time may both find room for one.
		want := fmt.Sprintf(`accept queue  full: .*; \d+ waited, and %d may`, backlog)
		_, stdout, _ = probeLine(t, "-n", "4", "--timeout", "300ms", at)
		wantMatch(t, stdout, want)
		_, stdout, _ = probeLine(t, "--connect", "--timeout", "300ms", at)
		wantMatch(t, stdout, want)
		// Nobody listens on ::1, where a port alone is looked for as well.
		code, stdout, stderr := probeLine(t, "--json", "--timeout", "300ms", strconv.Itoa(port))
		var r probe.Report
		if err := json.Unmarshal([]byte(stdout), &r); err != nil || code != kit.ExitNotDone || r.Result != "timeout" || r.AcceptQueue == nil || !r.AcceptQueue.Full {
			t.Errorf("one: %d, %v, %s", code, err, stdout)
		}
		wantMatch(t, stderr, fmt.Sprintf(`its accept queue is full.*\d+ waited, and %d may`, backlog))
	}
}

// A server that accepts too slowly costs its clients a second: their SYN is sent
// again.
func TestProbeSynRetransmissions(t *testing.T) {
	fd, port := smallQueue(t, 1)
	if _, ok := (kernelQueues{}).Overflows(); !ok {
		t.Skip("the kernel does not tell ListenOverflows")
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		// It accepts once its queue is full, and more than fit have come since; the
		// kernel does not tell when that changes.
		until := func(done func() bool) {
			for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline) && !done(); {
				time.Sleep(5 * time.Millisecond)
			}
		}
		ip := []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1})}
		until(func() bool {
			waiting, limit, ok := kernelQueues{}.Queue(t.Context(), ip, uint16(port))
			return ok && waiting > limit
		})
		before, _ := kernelQueues{}.Overflows()
		until(func() bool {
			n, _ := kernelQueues{}.Overflows()
			return n >= before+8
		})
		for {
			c, _, err := unix.Accept4(fd, unix.SOCK_CLOEXEC)
			if err != nil {
				return
			}
			_ = unix.Close(c)
		}
	}()
	stdout := probeOK(t, "--json", "--connect", "-n", "10", "-c", "10", "--timeout", "60s", fmt.Sprintf("127.0.0.1:%d", port))
	_ = unix.Shutdown(fd, unix.SHUT_RDWR) // ends accept
	<-ended
	var s probe.Summary
	if err := json.Unmarshal([]byte(stdout), &s); err != nil {
		t.Fatal(err)
	}
	if s.Succeeded != 10 || s.RetransmittedConnections == 0 || s.AcceptQueue == nil || !s.AcceptQueue.Full || s.AcceptQueue.Overflows == 0 {
		t.Error(stdout)
	}
	var b strings.Builder
	printSummary(&b, &s)
	wantMatch(t, b.String(), `accept queue  full: .*ListenOverflows \+\d+`)
	wantMatch(t, b.String(), `sent again    on \d+ connections?, which took a second or more longer: SYN retransmissions`)
}

// Nothing is told of a queue where nothing is wrong with it.
func TestProbeQueueWithRoom(t *testing.T) {
	_, port := smallQueue(t, 64)
	stdout := probeOK(t, "--json", "--connect", "-n", "20", fmt.Sprintf("127.0.0.1:%d", port))
	if strings.Contains(stdout, "accept_queue") || strings.Contains(stdout, "retransmitted") {
		t.Error(stdout)
	}
	_, _, stderr := probeLine(t, "--timeout", "300ms", fmt.Sprintf("127.0.0.1:%d", port))
	wantMatch(t, stderr, `does not accept them: \d+ wait, and 64 may`)
}
