package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Two copies of one project that write to their home directory do not meet.
func TestPrivateDirectories(t *testing.T) {
	sh := newShell(t)
	sh.write("lodge.toml", `version = 1
[services.web]
command = "sh -c 'echo $HOME $TMPDIR $XDG_CONFIG_HOME >seen.new; mv seen.new seen; exec sleep 1000'"
private = ["home", "tmp"]
env = { XDG_CONFIG_HOME = "${project.dir}/config" }
ready = { command = "test -e seen" }
`)
	sh.ok("up", "-d", "--engine", "none")
	b, err := os.ReadFile(filepath.Join(sh.dir, "seen"))
	if err != nil {
		t.Fatal(err)
	}
	id := sh.list().Projects[0].ID
	f := strings.Fields(string(b))
	if len(f) != 3 || !strings.HasSuffix(f[0], "/private/"+id+"/web/home") || !strings.HasSuffix(f[1], "/private/"+id+"/web/tmp") || f[2] != sh.dir+"/config" {
		t.Fatalf("it has %q", f)
	}
	for _, dir := range f[:2] {
		if fi, err := os.Stat(dir); err != nil || !fi.IsDir() || fi.Mode().Perm() != 0o700 {
			t.Errorf("%s: %v, %v", dir, fi, err)
		}
	}
	sh.ok("down")
}
