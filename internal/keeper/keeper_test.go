package keeper

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"lodge/internal/home"
	"lodge/internal/keeperapi"
	"lodge/internal/logs"
	"lodge/internal/loopback"
	"lodge/internal/service"
)

func TestServicesThroughTheKeeper(t *testing.T) {
	r := newRig(t)
	r.define(r.spec("web", "echo hello; exec sleep 1000"), r.spec("idle", "exec sleep 1000"))
	if err := r.Up(r.ctx, []string{"web"}); err != nil {
		t.Fatal(err)
	}
	p, err := r.Status(r.ctx)
	if err != nil {
		t.Fatal(err)
	}
	if p.Name != "shop" || p.Engine != loopback.None || p.PID != os.Getpid() || len(p.Services) != 2 ||
		p.Services[0].State != service.Up || p.Services[1].State != service.Stopped {
		t.Errorf("got %+v", p)
	}
	pid := p.Services[0].PID
	if err := r.Restart(r.ctx, []string{"web"}); err != nil {
		t.Fatal(err)
	}
	if p, err = r.Status(r.ctx); err != nil || p.Services[0].PID == pid {
		t.Errorf("after a restart: %+v, %v", p, err)
	}
	if err := r.Stop(r.ctx, []string{"web"}); err != nil {
		t.Fatal(err)
	}
	wantError(t, r.Up(r.ctx, []string{"nothing"}), "no such service")
	bad := r.spec("bad", "echo oops; exit 3")
	bad.Restart, bad.Ready = "never", service.Ready{}
	r.define(bad)
	if e := wantError(t, r.Up(r.ctx, nil), "ended with status 3"); e.Service != "bad" || len(e.LastLines) != 1 || e.LastLines[0] != "oops" {
		t.Errorf("got %+v", e)
	}
}

func TestAnOperationThatIsNotKnown(t *testing.T) {
	r := newRig(t)
	wantError(t, r.Call(r.ctx, keeperapi.Request{Op: "dance"}, nil), `it does not know "dance" (version test)`)
}

func TestGarbageIsAnswered(t *testing.T) {
	r := newRig(t)
	w := r.raw()
	if _, err := w.Conn.Write([]byte("GET / HTTP/1.1\n")); err != nil {
		t.Fatal(err)
	}
	var rep keeperapi.Reply
	if _, err := w.Read(&rep); err != nil || rep.Error == nil || !strings.Contains(rep.Error.Message, "read message") {
		t.Errorf("got %+v, %v", rep, err)
	}
	if _, err := w.Read(&rep); !errors.Is(err, io.EOF) {
		t.Errorf("it goes on: %v", err)
	}
	// Who connects and says nothing disturbs nobody.
	r.raw()
	if _, err := r.Status(r.ctx); err != nil {
		t.Error(err)
	}
}

func TestDescriptorsThatNobodyAskedFor(t *testing.T) {
	r := newRig(t)
	w := r.raw()
	if err := w.Write(keeperapi.Request{Op: "watch"}, numbered(t, 3)...); err != nil {
		t.Fatal(err)
	}
	if err := w.Write(keeperapi.Signal{Signal: 99}, numbered(t, 3)...); err != nil {
		t.Fatal(err)
	}
	var rep keeperapi.Reply
	if _, err := w.Read(&rep); err != nil || rep.Project == nil {
		t.Errorf("got %+v, %v", rep, err)
	}
} // newRig counts the descriptors

func TestWatchTellsChanges(t *testing.T) {
	r := newRig(t)
	r.define(r.spec("web", "exec sleep 1000"))
	up := make(chan error, 1)
	seen := errors.New("seen")
	var states []service.State
	err := r.Watch(r.ctx, func(p keeperapi.Project) error {
		st := p.Services[0].State
		if len(states) == 0 {
			go func() { up <- r.Up(r.ctx, nil) }()
		}
		states = append(states, st)
		if st == service.Up {
			return seen
		}
		return nil
	})
	if !errors.Is(err, seen) || states[0] != service.Stopped {
		t.Errorf("got %v, %v", states, err)
	}
	if err := <-up; err != nil {
		t.Error(err)
	}
}

func TestLogsAndFollowing(t *testing.T) {
	r := newRig(t)
	r.define(r.spec("web", "echo one; while ! test -e go; do sleep 0.01; done; echo two; exec sleep 1000"))
	if err := r.Up(r.ctx, nil); err != nil {
		t.Fatal(err)
	}
	lines := make(chan string, 16)
	followed := make(chan error, 1)
	go func() {
		followed <- r.Logs(r.ctx, keeperapi.LogQuery{}, true, func(l logs.Line) error { lines <- l.Service + ":" + l.Text; return nil })
	}()
	if got := <-lines; got != "web:one" {
		t.Errorf("got %q", got)
	}
	if err := os.WriteFile(filepath.Join(r.dir, "go"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := <-lines; got != "web:two" {
		t.Errorf("got %q", got)
	}
	// What is there now, of a service, and of one that is not there.
	for name, want := range map[string]int{"web": 2, "db": 0} {
		var got []string
		if err := r.Logs(r.ctx, keeperapi.LogQuery{Services: []string{name}}, false, func(l logs.Line) error { got = append(got, l.Text); return nil }); err != nil || len(got) != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	var got []string
	if err := r.Logs(r.ctx, keeperapi.LogQuery{Tail: 1}, false, func(l logs.Line) error { got = append(got, l.Text); return nil }); err != nil || strings.Join(got, "|") != "two" {
		t.Errorf("the last one: %q, %v", got, err)
	}
	// Following ends with the project, not with an error of its own.
	if err := r.Down(r.ctx, false); err != nil {
		t.Fatal(err)
	}
	if err := <-followed; err != nil && !errors.Is(err, keeperapi.ErrGone) {
		t.Errorf("follow: %v", err)
	}
}

func TestDownEndsEverything(t *testing.T) {
	r := newRig(t)
	r.define(r.spec("web", "exec sleep 1000"))
	if err := r.Up(r.ctx, nil); err != nil {
		t.Fatal(err)
	}
	files, in, _, _ := r.pipes()
	p, err := r.Exec(r.ctx, keeperapi.Exec{Argv: []string{"cat"}, Dir: r.dir, Name: "cat", Listed: true, Command: "cat"}, r.env, files...)
	keeperapi.CloseAll(files)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		x, err := p.Wait()
		if err == nil && x.Signal != unix.SIGTERM {
			err = fmt.Errorf("ended with %+v", x)
		}
		ended <- err
	}()
	if err := r.Down(r.ctx, false); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("the command inside: %v", err)
	}
	for err := range r.over {
		if err != nil {
			t.Error(err)
		}
	}
	_ = in.Close()
	if _, err := r.Status(r.ctx); !errors.Is(err, keeperapi.ErrGone) {
		t.Errorf("afterwards: %v", err)
	}
}

// What comes when the end is decided is not begun: the client sees that this
// keeper is gone, and asks for another.
func TestNothingBeginsAtTheEnd(t *testing.T) {
	r := newRig(t)
	r.k.life.mu.Lock()
	r.k.life.ending = true
	r.k.life.mu.Unlock()
	for name, err := range map[string]error{
		"status": func() error { _, err := r.Status(r.ctx); return err }(),
		"define": r.Define(r.ctx, nil, nil),
		"up":     r.Up(r.ctx, nil),
		"exec": func() error {
			files, _, _, _ := r.pipes()
			defer keeperapi.CloseAll(files)
			_, err := r.Exec(r.ctx, keeperapi.Exec{Argv: []string{"true"}, Dir: r.dir, Name: "true"}, r.env, files...)
			return err
		}(),
	} {
		if !errors.Is(err, keeperapi.ErrGone) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := r.Logs(r.ctx, keeperapi.LogQuery{}, false, func(logs.Line) error { return nil }); err != nil {
		t.Errorf("logs: %v", err)
	}
}

func TestItEndsWhenNothingRuns(t *testing.T) {
	r := newRigThat(t, usualLingers)
	files, _, out, _ := r.pipes()
	p, err := r.Exec(r.ctx, keeperapi.Exec{Argv: []string{"echo", "hi"}, Dir: r.dir, Name: "echo"}, r.env, files...)
	keeperapi.CloseAll(files)
	if err != nil {
		t.Fatal(err)
	}
	if x, err := p.Wait(); err != nil || x.Code != 0 {
		t.Errorf("got %+v, %v", x, err)
	}
	if b, err := io.ReadAll(out); err != nil || string(b) != "hi\n" {
		t.Errorf("got %q, %v", b, err)
	}
	for err := range r.over {
		if err != nil {
			t.Error(err)
		}
	}
}

func TestItStaysWhileSomethingIsUp(t *testing.T) {
	r := newRigThat(t, usualLingers)
	r.define(r.spec("web", "exec sleep 1000"))
	if err := r.Up(r.ctx, nil); err != nil {
		t.Fatal(err)
	}
	if r.k.life.endIf(r.k.sup.Idle) {
		t.Error("it ended under a service")
	}
	if _, err := r.Status(r.ctx); err != nil {
		t.Error(err)
	}
	if err := r.Stop(r.ctx, nil); err != nil {
		t.Fatal(err)
	}
	for err := range r.over { // and now it ends by itself
		if err != nil {
			t.Error(err)
		}
	}
}

func TestClientsThatGo(t *testing.T) {
	t.Run("while up waits", func(t *testing.T) {
		r := newRig(t)
		sp := r.spec("web", "exec sleep 1000")
		sp.Ready = service.Ready{}
		r.define(sp)
		ctx, cancel := context.WithCancel(r.ctx)
		done := make(chan error, 1)
		go func() { done <- r.Up(ctx, nil) }()
		if !within(func() bool { p, err := r.Status(r.ctx); return err == nil && p.Services[0].State == service.Starting }) {
			t.Fatal("it does not start")
		}
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		if !within(func() bool { r.k.life.mu.Lock(); defer r.k.life.mu.Unlock(); return r.k.life.busy == 0 }) {
			t.Error("its request goes on")
		}
	})
	t.Run("from its command", func(t *testing.T) {
		r := newRig(t)
		w := r.raw()
		files, _, out, _ := r.pipes()
		script := "trap 'echo hup; exit' HUP; echo on; while :; do sleep 0.01; done"
		if err := w.Write(keeperapi.Request{Op: "exec", Exec: &keeperapi.Exec{Argv: []string{"sh", "-c", script}, Dir: r.dir, Name: "sh"}, Env: r.env}, files...); err != nil {
			t.Fatal(err)
		}
		keeperapi.CloseAll(files)
		var rep keeperapi.Reply
		if _, err := w.Read(&rep); err != nil || rep.PID == 0 {
			t.Fatalf("got %+v, %v", rep, err)
		}
		b := make([]byte, 3)
		if _, err := io.ReadFull(out, b); err != nil {
			t.Fatal(err)
		}
		w.Close()
		if rest, err := io.ReadAll(out); err != nil || !strings.Contains(string(rest), "hup") {
			t.Errorf("got %q, %v", rest, err)
		}
	})
	t.Run("from one that stays", func(t *testing.T) {
		r := newRig(t)
		w := r.raw()
		files, _, out, _ := r.pipes()
		script := "trap '' HUP TERM; echo on; while :; do sleep 0.01; done"
		if err := w.Write(keeperapi.Request{Op: "exec", Exec: &keeperapi.Exec{Argv: []string{"sh", "-c", script}, Dir: r.dir, Name: "sh"}, Env: r.env}, files...); err != nil {
			t.Fatal(err)
		}
		keeperapi.CloseAll(files)
		if _, err := io.ReadFull(out, make([]byte, 3)); err != nil {
			t.Fatal(err)
		}
		w.Close()
		if _, err := io.ReadAll(out); err != nil { // ends with the process
			t.Error(err)
		}
	})
}

func TestExec(t *testing.T) {
	r := newRig(t)
	t.Run("passes input, output, status and environment", func(t *testing.T) {
		files, in, out, stderr := r.pipes()
		x := keeperapi.Exec{Argv: []string{"sh", "-c", `read l; echo "$l $A $LODGE_PROJECT $LODGE_HOME"; echo bad >&2; pwd; exit 9`}, Dir: r.dir, Name: "sh"}
		p, err := r.Client.Exec(r.ctx, x, append(r.env, "A=b"), files...)
		keeperapi.CloseAll(files)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(in, "word\n")
		o, _ := io.ReadAll(out)
		e, _ := io.ReadAll(stderr)
		st, err := p.Wait()
		if want := "word b shop 127.93.7.4\n" + r.dir + "\n"; string(o) != want || string(e) != "bad\n" || err != nil || st.Code != 9 {
			t.Errorf("got %q, %q, %+v, %v", o, e, st, err)
		}
	})
	t.Run("keeps what a listed one says", func(t *testing.T) {
		files, _, out, stderr := r.pipes()
		p, err := r.Client.Exec(r.ctx, keeperapi.Exec{Argv: []string{"sh", "-c", "echo to out; echo to err >&2"}, Dir: r.dir, Name: "job", Listed: true}, r.env, files...)
		keeperapi.CloseAll(files)
		if err != nil {
			t.Fatal(err)
		}
		o, _ := io.ReadAll(out)
		e, _ := io.ReadAll(stderr)
		if st, err := p.Wait(); err != nil || st.Code != 0 || string(o) != "to out\n" || string(e) != "to err\n" {
			t.Errorf("got %q, %q, %+v, %v", o, e, st, err)
		}
		if got := r.k.store.Tail("job", 5); len(got) != 2 {
			t.Errorf("its log: %v", got)
		}
	})
	t.Run("hears signals", func(t *testing.T) {
		files, _, out, _ := r.pipes()
		p, err := r.Client.Exec(r.ctx, keeperapi.Exec{Argv: []string{"sh", "-c", "trap 'exit 5' USR1; echo on; while :; do sleep 0.01; done"}, Dir: r.dir, Name: "sh"}, r.env, files...)
		keeperapi.CloseAll(files)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(out, make([]byte, 3)); err != nil {
			t.Fatal(err)
		}
		for _, sig := range []unix.Signal{-1, 0, 200, unix.SIGUSR1} { // the first are ignored
			if err := p.Signal(sig); err != nil {
				t.Error(err)
			}
		}
		if st, err := p.Wait(); err != nil || st.Code != 5 {
			t.Errorf("got %+v, %v", st, err)
		}
	})
	for _, listed := range []bool{false, true} {
		t.Run(fmt.Sprintf("on a terminal, listed %v", listed), func(t *testing.T) {
			x := keeperapi.Exec{Argv: []string{"sh", "-c", "stty size; test -t 0 && test -t 1 && test -t 2 && echo yes"}, Dir: r.dir, Name: "sh", Terminal: true, Rows: 31, Cols: 97, Listed: listed}
			var files []*os.File
			rd, wr, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			defer rd.Close()
			defer wr.Close()
			if listed {
				files = []*os.File{wr}
			}
			p, err := r.Client.Exec(r.ctx, x, r.env, files...)
			_ = wr.Close()
			if err != nil {
				t.Fatal(err)
			}
			if p.Terminal == nil {
				t.Fatal("no terminal came")
			}
			defer p.Terminal.Close()
			from := io.Reader(p.Terminal)
			if listed {
				from = rd
			}
			b, _ := io.ReadAll(from) // a terminal ends with EIO
			if string(b) != "31 97\r\nyes\r\n" {
				t.Errorf("got %q", b)
			}
			if st, err := p.Wait(); err != nil || st.Code != 0 {
				t.Errorf("got %+v, %v", st, err)
			}
		})
	}
	for _, c := range []struct {
		name  string
		x     *keeperapi.Exec
		files int
		want  string
	}{
		{"nothing to run", nil, 3, "none given"},
		{"an empty command", &keeperapi.Exec{Dir: r.dir}, 3, "none given"},
		{"a program that is not there", &keeperapi.Exec{Argv: []string{"lodge-no-such"}, Dir: r.dir, Name: "x"}, 3, `run lodge-no-such: command "lodge-no-such" not found in PATH (`},
		{"a directory that is gone", &keeperapi.Exec{Argv: []string{"true"}, Dir: "/nowhere/at/all", Name: "x"}, 3, "run true: the directory /nowhere/at/all is not there"},
		{"a program that is none", &keeperapi.Exec{Argv: []string{"./data"}, Dir: r.dir, Name: "x"}, 3, "exec format error"},
		{"no output", &keeperapi.Exec{Argv: []string{"true"}, Dir: r.dir, Name: "x"}, 1, "its input and output are missing"},
		{"a listed terminal without output", &keeperapi.Exec{Argv: []string{"true"}, Dir: r.dir, Name: "x", Terminal: true, Listed: true}, 0, "its output is missing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := os.WriteFile(filepath.Join(r.dir, "data"), []byte{0, 1, 2}, 0o755); err != nil {
				t.Fatal(err)
			}
			err := r.Call(r.ctx, keeperapi.Request{Op: "status"}, nil)
			if err != nil {
				t.Fatal(err)
			}
			w := r.raw()
			files, _, _, _ := r.pipes()
			defer keeperapi.CloseAll(files)
			if err := w.Write(keeperapi.Request{Op: "exec", Exec: c.x, Env: r.env}, files[:c.files]...); err != nil {
				t.Fatal(err)
			}
			var rep keeperapi.Reply
			got, err := w.Read(&rep)
			keeperapi.CloseAll(got)
			if err != nil || rep.Error == nil || !strings.Contains(rep.Error.Message, c.want) {
				t.Errorf("got %+v %v, %v, want %q", rep, rep.Error, err, c.want)
			}
		})
	}
}

func TestNobodyIsThere(t *testing.T) {
	c := keeperapi.Client{Socket: filepath.Join(t.TempDir(), "none.sock")}
	if _, err := c.Status(context.Background()); !errors.Is(err, keeperapi.ErrGone) {
		t.Errorf("got %v", err)
	}
	if _, err := c.Exec(context.Background(), keeperapi.Exec{}, nil); !errors.Is(err, keeperapi.ErrGone) {
		t.Errorf("got %v", err)
	}
}

func TestManyClientsAtOnce(t *testing.T) {
	r := newRig(t)
	r.define(r.spec("web", "exec sleep 1000"))
	if err := r.Up(r.ctx, nil); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for n := range 10 {
				null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
				if err != nil {
					t.Error(err)
					return
				}
				p, err := r.Exec(r.ctx, keeperapi.Exec{Argv: []string{"sh", "-c", fmt.Sprint("exit ", i)}, Dir: r.dir, Name: "sh", Listed: n%2 == 0}, r.env, null, null, null)
				_ = null.Close()
				if err != nil {
					t.Error(err)
					return
				}
				if st, err := p.Wait(); err != nil || st.Code != i {
					t.Errorf("got %+v, %v, want %d", st, err, i)
				}
				if _, err := r.Status(r.ctx); err != nil {
					t.Error(err)
				}
			}
		}()
	}
	wg.Wait()
}

// start starts this test program as a keeper, as the daemon does.
func start(t *testing.T, conf []byte) (*exec.Cmd, keeperapi.Ready) {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	confR, confW, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	readyR, readyW, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, "keeper")
	cmd.ExtraFiles = []*os.File{confR, readyW}
	cmd.SysProcAttr = &unix.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	_, _ = confR.Close(), readyW.Close()
	_, _ = confW.Write(conf)
	_ = confW.Close()
	defer readyR.Close()
	var word keeperapi.Ready
	if err := json.NewDecoder(readyR).Decode(&word); err != nil {
		t.Fatal(err)
	}
	return cmd, word
}

func TestRun(t *testing.T) {
	dir := t.TempDir()
	cfg := keeperapi.Config{
		ID: "run", Name: "shop", Dir: dir, Socket: filepath.Join(dir, "k.sock"), Record: filepath.Join(dir, "k.json"), LogDir: filepath.Join(dir, "logs"),
		Home:   home.Spec{ID: fmt.Sprintf("run-%d", os.Getpid()), IP4: netip.MustParseAddr("127.93.7.5"), Isolation: loopback.Overlay},
		Engine: loopback.None, Version: "test",
	}
	cmd, word := start(t, mustJSON(t, cfg))
	if word.Error != nil {
		t.Fatal(word.Error)
	}
	var rec keeperapi.Record
	b, err := os.ReadFile(cfg.Record)
	if err == nil {
		err = json.Unmarshal(b, &rec)
	}
	if err != nil || rec.PID != cmd.Process.Pid || rec.StartTime == 0 || rec.Config.Socket != cfg.Socket || rec.Started.IsZero() {
		t.Errorf("record: %+v, %v", rec, err)
	}
	// A second one on the same socket gives way.
	second, word := start(t, mustJSON(t, cfg))
	if word.Error == nil || !strings.Contains(word.Error.Message, "somebody listens there already") {
		t.Errorf("a second keeper: %+v", word.Error)
	}
	if err := second.Wait(); err == nil {
		t.Error("a second keeper ends with status 0")
	}
	c := keeperapi.Client{Socket: cfg.Socket}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	// Descriptors of the keeper are not handed on.
	sp := service.Spec{Name: "web", Argv: []string{"sh", "-c", "ls /proc/self/fd | wc -l > fds; exec sleep 1000"}, Dir: dir, Ready: service.Ready{None: true}}
	if err := c.Define(ctx, []service.Spec{sp}, []string{"PATH=" + os.Getenv("PATH")}); err != nil {
		t.Fatal(err)
	}
	if err := c.Up(ctx, nil); err != nil {
		t.Fatal(err)
	}
	if !within(func() bool { b, _ := os.ReadFile(filepath.Join(dir, "fds")); return strings.HasSuffix(string(b), "\n") }) {
		t.Fatal("it does not start")
	}
	if b, _ := os.ReadFile(filepath.Join(dir, "fds")); strings.TrimSpace(string(b)) != "4" { // 0, 1, 2 and the one that lists them
		t.Errorf("a service has %s descriptors", b)
	}
	if err := c.Down(ctx, false); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("its end: %v", err)
	}
	for _, f := range []string{cfg.Socket, cfg.Record} {
		if _, err := os.Lstat(f); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is left: %v", f, err)
		}
	}
}

func TestRunThatCannot(t *testing.T) {
	dir := t.TempDir() // not the user's alone: what stands in it stays
	file := filepath.Join(dir, "file")
	if err := errors.Join(os.Chmod(dir, 0o755), os.WriteFile(file, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	good := keeperapi.Config{
		Socket: filepath.Join(dir, "k.sock"), Record: filepath.Join(dir, "k.json"), LogDir: filepath.Join(dir, "logs"),
		Home: home.Spec{ID: "x", IP4: netip.MustParseAddr("127.93.7.5")}, Engine: loopback.None,
	}
	for _, c := range []struct {
		name   string
		change func(*keeperapi.Config)
		want   string
	}{
		{"without a known engine", func(c *keeperapi.Config) { c.Engine = "magic" }, `engine "magic" is not known`},
		{"with a file in the place of its socket's directory", func(c *keeperapi.Config) { c.Socket = filepath.Join(file, "k.sock") }, "set aside"},
		{"with a file in the place of its logs", func(c *keeperapi.Config) { c.LogDir = "/dev/null" }, "open logs"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := good
			c.change(&cfg)
			cmd, word := start(t, mustJSON(t, cfg))
			if word.Error == nil || !strings.Contains(word.Error.Message, c.want) {
				t.Errorf("got %+v, want %q", word.Error, c.want)
			}
			if err := cmd.Wait(); err == nil {
				t.Error("it ends with status 0")
			}
		})
	}
	t.Run("without a configuration", func(t *testing.T) {
		_, word := start(t, []byte("{"))
		if word.Error == nil || !strings.Contains(word.Error.Message, "read keeper configuration") {
			t.Errorf("got %+v", word.Error)
		}
	})
}
