package procfs

import (
	"strings"
	"testing"
)

const id64 = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

func TestParseCgroup(t *testing.T) {
	for text, want := range map[string]string{
		"0::/user.slice/a.scope\n": "/user.slice/a.scope",
		"0::/user.slice/a.scope":   "/user.slice/a.scope",
		"0::/\n":                   "/",
		"12:cpu,cpuacct:/a\n1:name=systemd:/system.slice/x.service\n0::/b\n": "/b",
		"12:cpu,cpuacct:/a\n1:name=systemd:/system.slice/x.service\n0::/\n":  "/system.slice/x.service",
		"12:cpu,cpuacct:/docker/" + id64 + "\n1:name=systemd:/\n0::/\n":      "/docker/" + id64,
		"1:name=systemd:/\n": "/",
		"0::/a:b:c\n":        "/a:b:c",
		"":                   "", "0:": "", "0::": "", "rubbish\n": "", "0::relative\n": "",
	} {
		if got := ParseCgroup([]byte(text)); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestUnitAndContainer(t *testing.T) {
	for _, c := range []struct{ path, unit, container string }{
		{"/system.slice/ssh.service", "ssh.service", ""},
		{"/user.slice/user-1000.slice/user@1000.service/app.slice/app-org.gnome.Terminal.slice/vte-spawn-1.scope", "vte-spawn-1.scope", ""},
		{"/user.slice/user-1000.slice/session-2.scope", "session-2.scope", ""},
		{"/init.scope", "init.scope", ""},
		{"/system.slice/postgresql.service/sub", "postgresql.service", ""},
		{"/system.slice/docker-" + id64 + ".scope", "docker-" + id64 + ".scope", id64},
		{"/docker/" + id64, "", id64},
		{"/docker/" + id64 + "/inner", "", id64},
		{"/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod1.slice/cri-containerd-" + id64 + ".scope", "cri-containerd-" + id64 + ".scope", id64},
		{"/machine.slice/libpod-" + id64 + ".scope/container", "libpod-" + id64 + ".scope", id64},
		{"/lxc.payload.web/system.slice/nginx.service", "nginx.service", "web"},
		{"/lxc/web/init", "", "web"},
		{`/machine.slice/machine-my\x2dbox.scope/payload`, `machine-my\x2dbox.scope`, "my-box"},
		{"/machine.slice/systemd-nspawn@box.service/payload", "systemd-nspawn@box.service", "box"},
		{"/", "", ""}, {"", "", ""}, {"/.service", "", ""}, {"relative.service", "relative.service", ""},
		{"/docker/" + id64[:63], "", ""}, {"/docker/" + strings.ToUpper(id64), "", ""},
	} {
		if got := Unit(c.path); got != c.unit {
			t.Errorf("unit of %q: %q", c.path, got)
		}
		if got := Container(c.path); got != c.container {
			t.Errorf("container of %q: %q", c.path, got)
		}
	}
}

func FuzzCgroup(f *testing.F) {
	f.Add([]byte("12:cpu:/a\n0::/system.slice/docker-" + id64 + ".scope\n"))
	f.Add([]byte(`0::/machine.slice/machine-my\x2dbox.scope`))
	f.Fuzz(func(t *testing.T, b []byte) {
		path := ParseCgroup(b)
		if path != "" && path[0] != '/' {
			t.Errorf("%q: path %q", b, path)
		}
		if u := Unit(path); u != "" && !strings.Contains(path, u) {
			t.Errorf("%q: unit %q", path, u)
		}
		_ = Container(path)
	})
}
