package words

import (
	"testing"

	"lodge/internal/sockets"
)

func TestForwards(t *testing.T) {
	for _, c := range []struct{ name, command, want string }{
		{"docker-proxy", "/usr/bin/docker-proxy -proto tcp -host-ip 127.0.0.1 -host-port 8080 -container-ip 172.17.0.2 -container-port 80", "forwards to a container, at 172.17.0.2 port 80"},
		{"docker-proxy", "/usr/bin/docker-proxy -proto tcp -container-ip", ""},
		{"docker-proxy", "", ""},
		{"python3", "x -container-ip 172.17.0.2 -container-port 80", ""},
	} {
		if got := Forwards(&sockets.Process{Name: c.name, Command: c.command}); got != c.want {
			t.Errorf("%q: %q", c.command, got)
		}
	}
}

func TestPlainText(t *testing.T) {
	for in, want := range map[string]string{
		"":                            "",
		"\x1b[1;31mred\x1b[0m text":   "red text",
		"tab\there":                   "tab    here",
		"bell\a, \x1b]0;title\a":      "bell?, ",
		"cut off \x1b[31":             "cut off ",
		"\x1b[2K\x1b[1Gready in 5 ms": "ready in 5 ms",
	} {
		if got := PlainText(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestShellWord(t *testing.T) {
	for path, want := range map[string]string{
		"/p/shop": "/p/shop", "/p/Über": "/p/Über", "/p/a b": "'/p/a b'", "/p/it's": `'/p/it'\''s'`, "": "''", "/p/$(x)": "'/p/$(x)'", "~/x": "'~/x'",
	} {
		if got := ShellWord(path); got != want {
			t.Errorf("%q: got %s, want %s", path, got, want)
		}
	}
}

func TestDeleted(t *testing.T) {
	for exe, want := range map[string]string{
		"/x/srv": "", "/x/srv (deleted)": "its executable /x/srv was deleted or replaced since it started: it still runs the old one",
	} {
		if got := Deleted(&sockets.Process{Executable: exe}); got != want {
			t.Errorf("%s: %q", exe, got)
		}
	}
}
