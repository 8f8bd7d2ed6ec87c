package lodge

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// program is what a program of lodge's may link, and what its start may cost. The
// modules are those of other people: a new one is a decision, which is made here.
type program struct {
	modules []string
	// without are packages that it must not link, for the cost of its start: lodged
	// carries out the commands that need them (package cli/offload).
	without []string
	// most bytes and allocations that initialising its packages may take, Go's own
	// included, as the runtime counts them (GODEBUG=inittrace=1). Never a time.
	bytes, allocs int
	// args make it end by itself.
	args []string
}

var programs = map[string]program{
	"lodge": {
		without: []string{
			"crypto/tls", "crypto/x509", "debug/elf", "image", "net/http",
			"lodge/internal/keeper", "lodge/internal/probe", "lodge/internal/trust", "lodge/internal/trust/proof", "lodge/internal/trust/stores",
		},
		modules: []string{
			"github.com/clipperhouse/displaywidth", "github.com/clipperhouse/uax29/v2", "github.com/creack/pty", "github.com/pelletier/go-toml/v2", "github.com/spf13/cobra", "github.com/spf13/pflag",
			"golang.org/x/sys", "golang.org/x/term", "golang.org/x/text", "rsc.io/qr",
		},
		bytes: 29_000, allocs: 180, args: []string{"version"},
	},
	"lodged": {
		modules: []string{
			"github.com/HdrHistogram/hdrhistogram-go", "github.com/cilium/ebpf", "github.com/clipperhouse/displaywidth", "github.com/clipperhouse/uax29/v2", "github.com/creack/pty",
			"github.com/fsnotify/fsnotify", "github.com/pelletier/go-toml/v2", "github.com/pion/logging", "github.com/pion/mdns/v2", "github.com/spf13/cobra", "github.com/spf13/pflag",
			"golang.org/x/crypto", "golang.org/x/net", "golang.org/x/sys", "golang.org/x/term", "golang.org/x/text",
		},
		bytes: 140_000, allocs: 830, args: []string{"--no-such-flag"},
	},
	"lodge-keeper": {
		modules: []string{"github.com/cilium/ebpf", "github.com/creack/pty", "github.com/fsnotify/fsnotify", "golang.org/x/sys"},
		bytes:   108_000, allocs: 625, args: []string{"version"},
	},
	"lodge-helper": {
		modules: []string{"github.com/cilium/ebpf", "github.com/vishvananda/netlink", "github.com/vishvananda/netns", "golang.org/x/sys"},
		bytes:   71_000, allocs: 465, args: []string{"--no-such-flag"},
	},
}

// TestModulesOfPrograms holds which modules each program links. One that is listed
// and not linked any more is an error too, so that the lists stay true.
func TestModulesOfPrograms(t *testing.T) {
	for name, p := range programs {
		out, err := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}}{{end}}{{end}}", "./cmd/"+name).Output()
		if err != nil {
			t.Fatalf("go list: %v", err)
		}
		linked := slices.Compact(slices.Sorted(strings.FieldsSeq(string(out))))
		for _, m := range linked {
			if !slices.Contains(p.modules, m) {
				t.Errorf("%s links %s, which is not in its list", name, m)
			}
		}
		for _, m := range p.modules {
			if !slices.Contains(linked, m) {
				t.Errorf("%s does not link %s any more: remove it from the list", name, m)
			}
		}
	}
}

// TestPackagesOfPrograms holds what a program must not link.
func TestPackagesOfPrograms(t *testing.T) {
	for name, p := range programs {
		out, err := exec.Command("go", "list", "-deps", "./cmd/"+name).Output()
		if err != nil {
			t.Fatalf("go list: %v", err)
		}
		linked := strings.Fields(string(out))
		if !slices.Contains(linked, "lodge/cmd/"+name) {
			t.Fatalf("go list does not list %s", name)
		}
		for _, pkg := range p.without {
			if slices.Contains(linked, pkg) {
				t.Errorf("%s links %s", name, pkg)
			}
		}
	}
}

// init errors @1.2 ms, 0.05 ms clock, 160 bytes, 3 allocs
var initLine = regexp.MustCompile(`^init (\S+) @.* clock, (\d+) bytes, (\d+) allocs$`)

// TestInitialisationOfPrograms holds what starting a program costs before main: every
// command pays it.
func TestInitialisationOfPrograms(t *testing.T) {
	dir := t.TempDir()
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", dir+"/", "./cmd/...")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v: %s", err, out)
	}
	for name, p := range programs {
		cmd := exec.Command(filepath.Join(dir, name), p.args...)
		cmd.Env = []string{"GODEBUG=inittrace=1", "HOME=" + dir, "XDG_RUNTIME_DIR=" + dir, "XDG_STATE_HOME=" + dir}
		var said strings.Builder
		cmd.Stderr = &said
		_ = cmd.Run() // its status is of no interest
		bytes, allocs, packages := 0, 0, 0
		var dear []string
		for s := bufio.NewScanner(strings.NewReader(said.String())); s.Scan(); {
			m := initLine.FindStringSubmatch(s.Text())
			if m == nil {
				continue
			}
			n, _ := strconv.Atoi(m[2]) // digits
			a, _ := strconv.Atoi(m[3])
			bytes, allocs, packages = bytes+n, allocs+a, packages+1
			if n > 2000 || a > 40 {
				dear = append(dear, fmt.Sprintf("%s: %d bytes, %d allocations", m[1], n, a))
			}
		}
		t.Logf("%s: %d packages, %d bytes, %d allocations", name, packages, bytes, allocs)
		if packages < 10 {
			t.Errorf("%s: the runtime told of %d packages: %s", name, packages, said.String())
		}
		if bytes > p.bytes || allocs > p.allocs {
			t.Errorf("%s initialises %d bytes in %d allocations, more than %d in %d; the dearest:\n%s", name, bytes, allocs, p.bytes, p.allocs, strings.Join(dear, "\n"))
		}
	}
}
