package lodge

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// allowed says which of lodge's own packages each may import, as
// docs/architecture.md draws it: imports point one way.
var allowed = map[string][]string{
	"loopback":             {},
	"procfs":               {},
	"mark":                 {},
	"pidfd":                {"procfs"},
	"stall":                {"procfs"},
	"pace":                 {},
	"drain":                {},
	"target":               {"loopback"},
	"probe":                {"loopback", "probe/answer", "target"},
	"probe/answer":         {},
	"probe/answer/samples": {},
	"unixsock":             {"statefile"},
	"statefile":            {},
	"rawjson":              {},
	"project":              {"loopback", "refs"},
	"refs":                 {},
	"watch":                {},
	"logs":                 {},
	"sockets":              {"loopback", "procfs", "sockets/diag", "sockets/holders", "sockets/netif"},
	"proxy":                {},
	"bpf":                  {"loopback", "owners", "procfs"},
	"hosts":                {},
	"names":                {"loopback", "service"},
	"helperapi":            {"fdpass", "hosts", "loopback", "procfs", "stall", "unixsock"},
	"helper":               {"bpf", "helper/claims", "helper/homes", "helper/hostnames", "helper/livemap", "helper/policy", "helperapi", "rootowned", "unixsock"},
	"ending":               {},
	"home":                 {"loopback", "mark"},
	"home/hostsview":       {"home"},
	"home/ebpfhome":        {"bpf", "helperapi", "home", "home/hostsview", "loopback", "mark", "procfs", "sockets/diag", "sockets/holders"},
	"home/seccomphome":     {"fdpass", "home", "home/hostsview", "loopback", "mark", "procfs", "sockets/diag", "sockets/holders"},
	"home/nonehome":        {"home", "home/hostsview", "loopback", "mark", "procfs", "sockets/diag", "sockets/holders"},
	"limits":               {"procfs"},
	"service":              {"drain", "event", "home", "limits", "logs", "loopback", "procfs", "refs", "sockets", "watch"},
	"keeperapi":            {"event", "fdpass", "home", "logs", "loopback", "pidfd", "procfs", "rawjson", "service", "stall", "statefile", "unixsock"},
	"keeper":               {"drain", "event", "home", "home/ebpfhome", "home/hostsview", "home/nonehome", "home/seccomphome", "keeperapi", "logs", "loopback", "mark", "procfs", "rawjson", "service", "statefile", "unixsock"},
	"localapi":             {"event", "keeperapi", "logs", "loopback", "mark", "owners", "procfs", "rawjson", "service", "sockets/holders", "stall", "statefile", "unixsock"},
	"trust":                {},
	"trust/stores":         {"trust"},
	"trust/proof":          {"trust"},
	"lan":                  {"loopback"},
	"owners":               {},
	"explain":              {"explain/firewall", "explain/message", "limits", "loopback", "pidfd", "procfs", "sockets", "sockets/diag", "sockets/holders", "sockets/netif", "target"},
	"explain/message":      {"loopback", "target"},
	"explain/firewall":     {},
	"tui":                  {"localapi", "logs", "loopback", "service", "sockets", "sockets/track"},
	"daemon":               {"event", "eventfilter", "eventlog", "helperapi", "home", "home/hostsview", "home/seccomphome", "hosts", "keeperapi", "lan", "localapi", "logs", "loopback", "mark", "names", "pace", "pidfd", "procfs", "proxy", "query", "rawjson", "service", "socketevents", "sockets/diag", "sockets/holders", "stall", "statefile", "trust", "unixsock"},
	"cli":                  {"drain", "ending", "event", "eventfilter", "explain", "helperapi", "hosts", "keeper", "keeperapi", "localapi", "logs", "loopback", "names", "pidfd", "probe", "probe/answer", "procfs", "project", "query", "query/socketquery", "refs", "rootowned", "service", "sockets", "sockets/diag", "sockets/holders", "sockets/track", "stall", "statefile", "target", "trust", "trust/proof", "trust/stores", "tui"},
	"query":                {},
	"query/eventquery":     {"query"},
	"query/socketquery":    {"loopback", "query", "sockets", "target"},
	"fdpass":               {},
	"rootowned":            {},
	"helper/policy":        {},
	"helper/claims":        {"helper/policy"},
	"helper/homes":         {"bpf", "helper/claims", "helper/policy", "helperapi", "loopback", "procfs", "sockets/diag"},
	"helper/hostnames":     {"helper/claims", "helper/policy", "helperapi", "hosts", "procfs"},
	"helper/livemap":       {"bpf", "helper/policy", "owners", "procfs"},
	"sockets/diag":         {"loopback"},
	"sockets/holders":      {"loopback", "mark", "procfs"},
	"sockets/netif":        {"loopback", "sockets/diag"},
	"sockets/track":        {"loopback", "procfs", "sockets", "sockets/holders"},
	"event":                {},
	"eventlog":             {"event", "statefile"},
	"eventfilter":          {"event", "query", "query/eventquery"},
	"socketevents":         {"event", "sockets", "sockets/diag", "sockets/holders", "sockets/track"},
}

type pkg struct {
	ImportPath string
	Doc        string
	Imports    []string
	GoFiles    []string
	Dir        string
}

func packages(t *testing.T) []pkg {
	t.Helper()
	out, err := exec.Command("go", "list", "-json", "./...").Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	dec := json.NewDecoder(strings.NewReader(string(out)))
	var all []pkg
	for dec.More() {
		var p pkg
		if err := dec.Decode(&p); err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}

func TestImportsPointOneWay(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range packages(t) {
		name, ok := strings.CutPrefix(p.ImportPath, "lodge/internal/")
		if !ok {
			continue
		}
		seen[name] = true
		may, known := allowed[name]
		if !known {
			t.Errorf("package %s is not in the house: add it to docs/architecture.md and to this test", name)
			continue
		}
		for _, imp := range p.Imports {
			if dep, ok := strings.CutPrefix(imp, "lodge/internal/"); ok && !slices.Contains(may, dep) {
				t.Errorf("%s imports %s, which docs/architecture.md does not allow", name, dep)
			}
			if strings.HasPrefix(imp, "github.com/cilium/ebpf") && name != "bpf" {
				t.Errorf("%s imports %s: only bpf may", name, imp)
			}
		}
		if name == "loopback" || name == "event" {
			for _, imp := range p.Imports {
				if strings.Contains(imp, ".") || imp == "os" || imp == "net" {
					t.Errorf("%s imports %s: it does no I/O and uses only the standard library", name, imp)
				}
			}
		}
	}
	for name := range allowed {
		if !seen[name] {
			t.Errorf("package %s is in this test, not in the tree", name)
		}
	}
}

func TestPackagesSayWhatTheyAreFor(t *testing.T) {
	for _, p := range packages(t) {
		if len(p.GoFiles) > 0 && p.Doc == "" {
			t.Errorf("%s has no package comment", p.ImportPath)
		}
	}
}

// sources calls f with every Go file that is not generated and no test.
func sources(t *testing.T, f func(path string, file *ast.File, fset *token.FileSet)) {
	t.Helper()
	for _, root := range []string{"internal", "cmd"} {
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			fset := token.NewFileSet()
			file, err := parser.ParseFile(fset, path, nil, parser.ParseComments)
			if err != nil {
				return err
			}
			if !ast.IsGenerated(file) {
				f(path, file, fset)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestFilesStaySmall(t *testing.T) {
	sources(t, func(path string, file *ast.File, fset *token.FileSet) {
		if n := fset.Position(file.End()).Line; n > 500 {
			t.Errorf("%s has %d lines: one subject a file", path, n)
		}
	})
}

// TestWhoMayTouchTheWorld holds: only main exits, only main and cli look at the
// arguments, only they read the environment, and nothing has an init function.
func TestWhoMayTouchTheWorld(t *testing.T) {
	sources(t, func(path string, file *ast.File, fset *token.FileSet) {
		inMain := strings.HasPrefix(path, "cmd")
		inCLI := strings.HasPrefix(path, filepath.Join("internal", "cli"))
		ast.Inspect(file, func(n ast.Node) bool {
			switch x := n.(type) {
			case *ast.FuncDecl:
				if x.Recv == nil && x.Name.Name == "init" {
					t.Errorf("%s: an init function", fset.Position(x.Pos()))
				}
			case *ast.SelectorExpr:
				id, ok := x.X.(*ast.Ident)
				if !ok || id.Name != "os" {
					return true
				}
				switch x.Sel.Name {
				case "Exit":
					if !inMain {
						t.Errorf("%s: os.Exit outside main", fset.Position(x.Pos()))
					}
				case "Args", "Getenv", "LookupEnv", "Environ":
					if !inMain && !inCLI {
						t.Errorf("%s: os.%s outside main and cli", fset.Position(x.Pos()), x.Sel.Name)
					}
				}
			}
			return true
		})
	})
}
