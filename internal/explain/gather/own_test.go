package gather

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"testing"

	"lodge/internal/explain/facts"
	"lodge/internal/sockets"
)

func TestOwn(t *testing.T) {
	for _, c := range []struct {
		exe, name, command, want string
	}{
		{"/usr/bin/lodge", "lodge", "/usr/bin/lodge keeper", "keeper"},
		{"/usr/bin/lodge (deleted)", "lodge", "/usr/bin/lodge keeper", "keeper"},
		{"/opt/lodge-1.2/lodge-1.2", "lodge-1.2", "lodge-1.2 daemon --background", "daemon"},
		{"/usr/bin/lodge", "exe", "/proc/self/exe helper --listen /run/lodge-helper.sock", "helper"},
		{"/usr/bin/lodge-keeper", "lodge-keeper", "/usr/bin/lodge-keeper keeper", "keeper"},
		{"/usr/bin/lodge-keeper (deleted)", "lodge-keeper", "/usr/bin/lodge-keeper keeper", "keeper"},
		{"/usr/bin/lodge-keeper", "lodge-keeper", "lodge-shim 5", "shim"},
		{"/usr/bin/lodged", "lodged", "/usr/bin/lodged keeper shop", "keeper"},
		{"/usr/bin/lodge-keeper", "lodge-keeper", "lodge-hosts 5", "shim"},
		{"/usr/bin/lodge", "lodge", "lodge-shim 5", "shim"}, // of earlier versions
		{"/usr/bin/lodged", "lodged", "/usr/bin/lodged daemon --background", "daemon"},
		{"/usr/bin/lodged", "lodged", "/usr/bin/lodged command probe -n 1000000 8080", "probe"},
		{"/usr/bin/lodged", "lodged", "/usr/bin/lodged command trust --check", "trust"},
		{"/usr/bin/lodged", "lodged", "/usr/bin/lodged command --help=false probe daemon", "probe"},
		{"/usr/bin/lodged", "lodged", "/usr/bin/lodged command doctor --trust", "doctor"},
		{"", "lodged", "/usr/bin/lodged command probe 80", "probe"}, // another user's
		{"/usr/bin/lodged", "lodged", "/usr/bin/lodged command", ""},
		{"/usr/bin/lodge", "lodge", "lodge exec -- psql", "exec"},
		{"/usr/bin/lodge", "lodge", "", "process"},
		{"/usr/lib/lodge-helper", "lodge-helper", "lodge-helper --listen x", "helper"},
		{"", "lodge", "/usr/bin/lodge daemon", "daemon"}, // another user's
		{"", "lodge", "", "process"},
		{"/srv/booking/lodge", "lodge", "./lodge serve --port 80", ""}, // somebody's own program
		{"/usr/bin/node", "node", "node lodge keeper", ""},
		{"/usr/bin/python3", "lodge", "python3 keeper", ""},
		{"", "node", "", ""},
	} {
		p := &sockets.Process{PID: 1 << 29, Executable: c.exe, Name: c.name, Command: c.command}
		if got := Own(p); got != c.want {
			t.Errorf("%s: %s: %q, want %q", c.exe, c.command, got, c.want)
		}
	}
}

// TestOtherProgramCalledLodge: a program that is called lodge and has a keeper's
// arguments is not taken for lodge.
func TestOtherProgramCalledLodge(t *testing.T) {
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "lodge")
	if err := os.Link(sleep, name); err != nil { // another file system
		b, err := os.ReadFile(sleep)
		if err == nil {
			err = os.WriteFile(name, b, 0o700)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(name, "1000")
	cmd.Args[0] = "lodge"
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // killed
	})
	for _, command := range []string{"lodge keeper", ""} {
		p := &sockets.Process{PID: cmd.Process.Pid, Executable: name, Name: "lodge", Command: command}
		if got := Own(p); got != "" {
			t.Errorf("%q: taken for lodge's %s", command, got)
		}
	}
	p := &sockets.Process{PID: os.Getpid(), Executable: "/usr/bin/lodge", Name: "lodge", Command: "lodge keeper"}
	if got := Own(p); got != "keeper" {
		t.Errorf("this program: %q", got)
	}
}

// A program is known by the module of its main package, and not by its name.
func TestBuiltFrom(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Path == "" {
		t.Fatal("this test has no build information")
	}
	sleep, err := exec.LookPath("sleep")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		path, module string
		want         bool
	}{
		{exe, info.Main.Path, true},
		{exe, info.Main.Path + "/v2", false},
		{exe, info.Main.Path[1:], false},
		{sleep, info.Main.Path, false},
		{os.DevNull, info.Main.Path, false},
	} {
		f, err := os.Open(c.path)
		if err != nil {
			t.Fatal(err)
		}
		if got := builtFrom(f, c.module); got != c.want {
			t.Errorf("%s of %s: %v", c.path, c.module, got)
		}
		_ = f.Close()
	}
}

// TestSetApart puts lodge's own processes behind the others that hold a socket.
func TestSetApart(t *testing.T) {
	keeper, server := &sockets.Process{PID: 1 << 29, Name: "exe"}, &sockets.Process{PID: 1<<29 + 1, Name: "node"}
	f := &facts.Facts{Projects: []facts.Project{{KeeperPID: keeper.PID}}, Rows: []sockets.Row{{Processes: []*sockets.Process{keeper, server}}}}
	setApart(f)
	if ps := f.Rows[0].Processes; ps[0] != server || ps[1] != keeper || f.Own[keeper.PID] != "keeper" || len(f.Own) != 1 {
		t.Errorf("%v, %v", ps, f.Own)
	}
}
