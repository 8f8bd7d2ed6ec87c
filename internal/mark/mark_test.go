package mark

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// text is /proc/self/limits of Linux 6.18, with the numbers given.
func text(soft, hard string) string {
	pad := func(s string) string { return s + strings.Repeat(" ", max(0, 20-len(s))) + " " }
	return "Limit                     Soft Limit           Hard Limit           Units     \n" +
		"Max cpu time              unlimited            unlimited            seconds   \n" +
		"Max nice priority         0                    0                    \n" +
		"Max realtime priority     0                    0                    \n" +
		"Max realtime timeout      " + pad(soft) + pad(hard) + "us        \n"
}

func TestParseLimits(t *testing.T) {
	for _, c := range []struct {
		text string
		want limits
		ok   bool
	}{
		{text("unlimited", "unlimited"), limits{infinity, infinity}, true},
		{text("200000", "unlimited"), limits{200000, infinity}, true},
		{text("0", "0"), limits{0, 0}, true},
		{text("3458764513820540927", "9223090561878065151"), limits{3458764513820540927, 9223090561878065151}, true},
		{text("18446744073709551614", "18446744073709551614"), limits{infinity - 1, infinity - 1}, true},
		{text("18446744073709551616", "unlimited"), limits{}, false},
		{text("-1", "unlimited"), limits{}, false},
		{text("x", "unlimited"), limits{}, false},
		{"Max realtime timeout      unlimited            \n", limits{}, false},
		{"Max realtime timeout", limits{}, false},
		{"Max realtime priority     0                    0                    \n", limits{}, false},
		{"", limits{}, false},
	} {
		got, err := parseLimits([]byte(c.text))
		if (err == nil) != c.ok || got != c.want {
			t.Errorf("%q: %v, %v", c.text, got, err)
		}
	}
}

func FuzzParseLimits(f *testing.F) {
	f.Add([]byte(text("unlimited", "9223090561878065151")))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := parseLimits(b)
		if err != nil {
			return
		}
		if again, err := parseLimits([]byte(text(number(got.soft), number(got.hard)))); err != nil || again != got {
			t.Errorf("%q: %v, again %v, %v", b, got, again, err)
		}
		if m := got.mark(); m.Home != 0 && (got.hard < hardBit || got.hard >= 1<<63) {
			t.Errorf("%v is the mark of home %v", got, m.Home)
		}
	})
}

func number(n uint64) string {
	if n == infinity {
		return "unlimited"
	}
	return strconv.FormatUint(n, 10)
}

func TestMarks(t *testing.T) {
	a, b := Of("/run/lodge", "shop-1"), Of("/run/lodge", "shop-2")
	if a == b || a == Of("/run/other", "shop-1") || Of("a", "bc") == Of("ab", "c") {
		t.Error("two homes have one mark")
	}
	m := limits{a.soft("web"), a.hard(levels)}.mark()
	if m.Home != a || !m.Is(a, "web") || m.Is(a, "db") || m.Is(a, "") || m.Is(b, "web") {
		t.Errorf("mark %+v of %v", m, a)
	}
	if (Mark{}).Is(0, "") {
		t.Error("no mark is a mark")
	}
	for _, level := range []uint64{levels, levels - 1, 1, 0} {
		l := limits{a.soft(""), a.hard(level)}
		if got, ok := l.level(); !ok || got != level || l.soft >= l.hard {
			t.Errorf("level %d: %d, %v", level, got, ok)
		}
	}
	if a.hard(levels-1) >= b.hard(levels) || b.hard(levels-1) >= a.hard(levels) {
		t.Error("an inner home's mark is not the lower one")
	}
	// Numbers that people and programs choose are no marks.
	for _, n := range []uint64{0, 200000, 1 << 40, 1 << 62, 1<<62 - 1, 1<<63 - 1, 1 << 63, infinity - 1, infinity} {
		if m := (limits{n, n}).mark(); m != (Mark{}) {
			t.Errorf("%d is a mark", n)
		}
	}
}

func TestHomeText(t *testing.T) {
	type both struct {
		A, B Home
	}
	want := both{A: Of("x", "y")}
	b, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got both
	if err := json.Unmarshal(b, &got); err != nil || got != want {
		t.Errorf("%s: %v, %v", b, got, err)
	}
	if err := got.A.UnmarshalText([]byte("-1")); err == nil {
		t.Error("-1 is a mark")
	}
}

// TestMain is also the process that marks itself: a test cannot give a mark
// back.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "be-marked" {
		os.Exit(beMarked(os.Args[2:]))
	}
	os.Exit(m.Run())
}

// beMarked marks itself as each of the homes in turn and tries what a keeper
// does then.
func beMarked(ids []string) int {
	fail := func(what string, err error) int {
		_, _ = os.Stderr.WriteString(what + ": " + errorText(err) + "\n")
		return 1
	}
	for _, id := range ids {
		h := Of("seed", id)
		if NewMarker(h) != nil {
			return fail("a marker before the mark", nil)
		}
		if err := Set(h); err != nil {
			return fail("set", err)
		}
		mk := NewMarker(h)
		if mk == nil {
			return fail("no marker", nil)
		}
		for _, service := range []string{"web", "db"} {
			pid, err := mk.Start(service, func() (int, error) {
				// Its child has no environment, another title and a session.
				return syscall.ForkExec("/bin/sh", []string{"sh", "-c", "exec env -i sleep 1000"}, &syscall.ProcAttr{Sys: &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}})
			})
			if err != nil {
				return fail("start", err)
			}
			got, whose := mk.Whose(pid)
			m, err := Read(pid)
			all, findErr := Find()
			_ = unix.Kill(pid, unix.SIGKILL)
			_, _ = unix.Wait4(pid, nil, 0, nil)
			if got != service || whose != Ours || err != nil || !m.Is(h, service) || findErr != nil || all[pid] != m {
				return fail("child of "+service+" is "+got, errors.Join(err, findErr))
			}
		}
		own, err := Read(os.Getpid())
		if err != nil || !own.Is(h, "") {
			return fail("the keeper's own mark", err)
		}
		if name, whose := mk.Whose(os.Getpid()); name != "" || whose != Ours {
			return fail("the keeper is "+name, nil)
		}
		if _, whose := (&Marker{home: h + 2}).Whose(os.Getpid()); whose != Foreign {
			return fail("another home's keeper is ours", nil)
		}
	}
	return 0
}

func errorText(err error) string {
	if err == nil {
		return "it should not"
	}
	return err.Error()
}

// asUser runs the marked process as an ordinary user too, if root runs the
// test: one that may not raise a hard limit.
func asUser(t *testing.T, f func(t *testing.T, attr *syscall.SysProcAttr)) {
	f(t, nil)
	if os.Geteuid() == 0 {
		t.Run("ordinary user", func(t *testing.T) {
			f(t, &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}})
		})
	}
}

// An inner home inside an outer one marks its own, ten deep.
func TestSet(t *testing.T) {
	asUser(t, func(t *testing.T, attr *syscall.SysProcAttr) {
		cmd := exec.Command("/proc/self/exe", "be-marked", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10")
		cmd.SysProcAttr, cmd.Dir = attr, "/"
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	})
}

// A limit that somebody chose stays.
func TestSetLimited(t *testing.T) {
	cmd := exec.Command("/bin/sh", "-c", `prlimit --rttime=1000000:2000000 --pid $$ && exec "$0" be-marked 1`, "/proc/"+strconv.Itoa(os.Getpid())+"/exe")
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), ErrLimited.Error()) {
		t.Errorf("%v: %s", err, out)
	}
}

// The kernel's file and its system call say the same.
func TestLimitsOf(t *testing.T) {
	pid := os.Getpid()
	b, err := os.ReadFile("/proc/self/limits")
	if err != nil {
		t.Fatal(err)
	}
	file, err := parseLimits(b)
	if err != nil {
		t.Fatal(err)
	}
	call, err := limitsOf(pid)
	if err != nil || call != file {
		t.Errorf("%v by the call, %v in the file, %v", call, file, err)
	}
	if _, err := Read(1); err != nil {
		t.Errorf("process 1: %v", err) // perhaps another user's
	}
	cmd := exec.Command("true")
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(cmd.Process.Pid); err == nil {
		t.Error("a process that is gone has limits")
	}
}

func BenchmarkFind(b *testing.B) {
	for b.Loop() {
		if _, err := Find(); err != nil {
			b.Fatal(err)
		}
	}
}
