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
// docs/design/architecture.md draws it: imports point one way.
var allowed = map[string][]string{
	"stall/stalltest":            {"procfs"},
	"unixhttp":                   {},
	"selection":                  {"keeperapi", "localapi", "service"},
	"service/supervisor":         {"drain", "event", "home", "limits", "logs", "loopback", "procfs", "refs", "service", "service/backoff", "service/launch", "service/lease", "service/portholder", "service/reaper", "service/settle", "watch"},
	"service/backoff":            {},
	"service/settle":             {"loopback", "procfs", "service"},
	"service/reaper":             {"service"},
	"service/portholder":         {"loopback", "sockets"},
	"service/lease":              {"loopback", "service"},
	"service/launch":             {"refs", "service"},
	"daemon/webports":            {"loopback", "names", "service"},
	"daemon/strays":              {"mark", "procfs"},
	"daemon/store":               {"loopback", "names", "rawjson", "statefile"},
	"daemon/serving":             {"daemon/api", "daemon/helperconn", "daemon/webports", "helperapi", "keeperapi", "lan", "localapi", "logs", "loopback", "names", "procfs", "proxy", "service", "sockets/diag", "sockets/holders", "trust"},
	"daemon/projects":            {"daemon/engines", "daemon/helperconn", "daemon/store", "daemon/strays", "helperapi", "home", "keeperapi", "localapi", "loopback", "mark", "pidfd", "procfs", "rawjson", "stall", "statefile", "unixsock"},
	"daemon/naming":              {"daemon/helperconn", "helperapi", "hosts", "keeperapi", "localapi", "names", "stall"},
	"daemon/keystream":           {"daemon/api", "localapi"},
	"daemon/live":                {"daemon/api", "daemon/helperconn", "helperapi", "localapi", "stall"},
	"daemon/helperconn":          {"helperapi", "hosts", "localapi", "stall"},
	"daemon/events":              {"daemon/api", "event", "eventfilter", "eventlog", "keeperapi", "localapi", "names", "procfs", "query", "service"},
	"daemon/engines":             {"daemon/helperconn", "helperapi", "home/seccomphome/support", "keeperapi", "localapi", "loopback", "sockets/diag", "stall"},
	"daemon/doctor":              {"daemon/engines", "daemon/helperconn", "helperapi", "home/hostsview", "home/seccomphome/support", "localapi", "loopback", "sockets/diag", "stall"},
	"loopback":                   {},
	"procfs":                     {},
	"mark":                       {},
	"pidfd":                      {"procfs"},
	"stall":                      {"procfs"},
	"pace":                       {},
	"drain":                      {},
	"target":                     {"loopback"},
	"probe":                      {"loopback", "probe/answer", "target"},
	"probe/answer":               {},
	"probe/answer/samples":       {},
	"unixsock":                   {"statefile"},
	"statefile":                  {"bounded"},
	"rawjson":                    {},
	"bounded":                    {},
	"project":                    {"bounded", "loopback", "project/dotenv", "project/syntax", "refs"},
	"refs":                       {},
	"watch":                      {},
	"logs":                       {},
	"sockets":                    {"loopback", "procfs", "sockets/diag", "sockets/holders", "sockets/netif"},
	"proxy":                      {"proxy/buffers", "proxy/flood", "proxy/http1", "proxy/pages", "proxy/policy", "proxy/socket", "proxy/tunnel", "proxy/upstream"},
	"bpf":                        {"owners", "procfs"},
	"capture/ring":               {},
	"capture/unixcalls":          {"decode"},
	"hosts":                      {"bounded"},
	"names":                      {"loopback", "service"},
	"helperapi":                  {"fdpass", "hosts", "loopback", "procfs", "stall", "unixsock"},
	"helper":                     {"bpf", "canary", "helper/claims", "helper/homes", "helper/hostnames", "helper/livemap", "helper/policy", "helper/taps", "helperapi", "rootowned", "unixsock"},
	"ending":                     {},
	"home":                       {"loopback", "mark"},
	"home/hostsview":             {"home"},
	"home/feed":                  {"rawjson"},
	"home/seccomphome/relay":     {"home/feed", "home/seccomphome/socket", "home/seccomphome/unotify", "procfs", "rawjson"},
	"home/ebpfhome":              {"bpf", "home", "home/hostsview", "loopback", "mark", "sockets/diag", "sockets/holders"},
	"home/seccomphome":           {"home", "home/feed", "home/hostsview", "home/seccomphome/hold", "home/seccomphome/processes", "home/seccomphome/relay", "home/seccomphome/route", "home/seccomphome/shim", "home/seccomphome/socket", "home/seccomphome/table", "home/seccomphome/unotify", "loopback", "mark", "sockets/diag"},
	"home/nonehome":              {"home", "home/hostsview", "loopback", "mark", "procfs", "sockets/diag", "sockets/holders"},
	"limits":                     {"procfs", "show"},
	"service":                    {"loopback"},
	"keeperapi":                  {"event", "fdpass", "home", "logs", "loopback", "pidfd", "procfs", "rawjson", "service", "stall", "statefile", "unixsock"},
	"keeper":                     {"drain", "ending", "event", "home", "home/ebpfhome", "home/hostsview", "home/nonehome", "home/seccomphome", "keeperapi", "logs", "loopback", "mark", "procfs", "rawjson", "service", "service/reaper", "service/supervisor", "statefile", "unixsock"},
	"localapi":                   {"event", "keeperapi", "logs", "loopback", "mark", "owners", "procfs", "rawjson", "service", "sockets/holders", "stall", "statefile", "unixhttp", "unixsock"},
	"trust":                      {"bounded"},
	"trust/stores":               {"trust"},
	"trust/proof":                {"trust"},
	"lan":                        {"loopback"},
	"owners":                     {},
	"explain":                    {"explain/facts", "explain/gather", "explain/input", "explain/render", "explain/rule", "explain/rule/bind", "explain/rule/listener", "explain/rule/name", "explain/rule/refused", "explain/rule/route", "explain/rule/unixpath", "explain/words", "model", "pidfd", "sockets"},
	"explain/message":            {"loopback", "model", "target"},
	"explain/firewall":           {},
	"tui":                        {"localapi", "logs", "show", "show/table", "sockets", "sockets/track", "tui/screen", "tui/view"},
	"daemon":                     {"daemon/api", "daemon/doctor", "daemon/engines", "daemon/events", "daemon/helperconn", "daemon/keystream", "daemon/live", "daemon/naming", "daemon/projects", "daemon/serving", "daemon/store", "daemon/strays", "keeperapi", "localapi", "mark", "pace", "procfs", "service", "socketevents", "sockets/holders", "statefile", "trust", "unixsock"},
	"cli":                        {"cli/kit", "cli/look", "cli/look/events", "cli/look/explain", "cli/look/ports", "cli/look/probe/probecmd", "cli/look/tap/tapcmd", "cli/look/top", "cli/machine", "cli/machine/doctor", "cli/machine/trust/trustcmd", "cli/run", "project"},
	"query":                      {},
	"query/eventquery":           {"query"},
	"query/socketquery":          {"loopback", "query", "sockets", "target"},
	"fdpass":                     {},
	"rootowned":                  {},
	"helper/policy":              {},
	"helper/claims":              {"helper/policy"},
	"helper/homes":               {"bpf", "helper/claims", "helper/policy", "helperapi", "loopback", "procfs", "sockets/diag"},
	"helper/hostnames":           {"helper/claims", "helper/policy", "helperapi", "hosts", "procfs"},
	"helper/livemap":             {"bpf", "helper/policy", "owners", "procfs"},
	"helper/taps":                {"bpf", "canary", "elfcode", "fdpass", "helper/policy", "helperapi"},
	"canary":                     {},
	"elfcode":                    {"elffile"},
	"tlssecrets":                 {"capture/ring", "decode/tlskeys", "elfcode", "helperapi", "procfs"},
	"sockets/diag":               {"loopback"},
	"sockets/holders":            {"loopback", "mark", "procfs"},
	"sockets/netif":              {"loopback", "sockets/diag"},
	"sockets/track":              {"loopback", "procfs", "sockets", "sockets/holders"},
	"event":                      {},
	"eventlog":                   {"event", "statefile"},
	"model":                      {"loopback"},
	"explain/input":              {"explain/message", "loopback", "target"},
	"explain/facts":              {"explain/firewall", "explain/input", "loopback", "sockets"},
	"explain/gather":             {"elffile", "explain/facts", "explain/firewall", "explain/input", "explain/words", "limits", "loopback", "procfs", "sockets", "sockets/diag", "sockets/holders", "sockets/netif", "target"},
	"explain/words":              {"explain/facts", "loopback", "model", "show", "sockets", "sockets/holders"},
	"explain/render":             {"explain/facts", "explain/input", "explain/rule", "explain/rule/name", "explain/words", "loopback", "model", "sockets"},
	"explain/rule":               {"explain/facts", "model"},
	"explain/rule/bind":          {"explain/facts", "explain/rule", "explain/rule/listener", "explain/words", "loopback", "model", "sockets"},
	"explain/rule/listener":      {"explain/facts", "explain/rule", "explain/words", "model", "sockets"},
	"explain/rule/name":          {"explain/facts", "explain/rule", "explain/words", "model"},
	"explain/rule/refused":       {"explain/facts", "explain/rule", "explain/words", "loopback", "model", "sockets"},
	"explain/rule/route":         {"explain/facts", "explain/firewall", "explain/rule", "explain/words", "loopback", "model", "sockets"},
	"explain/rule/unixpath":      {"explain/facts", "explain/rule", "explain/rule/bind", "explain/rule/listener", "explain/words", "model", "sockets"},
	"proxy/buffers":              {},
	"proxy/flood":                {},
	"proxy/http1":                {"proxy/buffers"},
	"proxy/pages":                {"proxy/http1", "proxy/policy", "show"},
	"proxy/policy":               {"proxy/http1"},
	"proxy/socket":               {},
	"proxy/tunnel":               {"proxy/buffers", "proxy/socket"},
	"proxy/upstream":             {"proxy/buffers", "proxy/http1", "proxy/policy", "proxy/socket", "proxy/tunnel"},
	"show":                       {},
	"show/table":                 {"show"},
	"operation":                  {"keeperapi", "localapi", "loopback", "pidfd", "procfs", "project", "refs", "selection", "service", "stall"},
	"daemon/api":                 {"keeperapi", "localapi", "operation", "rawjson"},
	"project/dotenv":             {"project/syntax", "refs"},
	"project/syntax":             {},
	"home/seccomphome/shim":      {"fdpass", "home/seccomphome/unotify"},
	"home/seccomphome/unotify":   {},
	"eventfilter":                {"event", "query", "query/eventquery"},
	"socketevents":               {"event", "sockets", "sockets/diag", "sockets/holders", "sockets/track"},
	"tui/screen":                 {"show", "show/table"},
	"tui/view":                   {"localapi", "loopback", "service", "show", "show/table", "sockets", "tui/screen"},
	"tui/view/samples":           {"localapi", "loopback", "service", "sockets"},
	"home/seccomphome/hold":      {"home/seccomphome/route", "home/seccomphome/socket", "home/seccomphome/table", "home/seccomphome/unotify", "loopback", "sockets/diag", "sockets/holders"},
	"home/seccomphome/processes": {"home", "home/seccomphome/unotify", "mark"},
	"home/seccomphome/route":     {"home/seccomphome/socket", "home/seccomphome/table", "home/seccomphome/unotify", "loopback", "sockets/diag"},
	"home/seccomphome/socket":    {"home/seccomphome/unotify", "loopback"},
	"home/seccomphome/support":   {"home/seccomphome/processes", "home/seccomphome/unotify", "loopback", "sockets/diag"},
	"home/seccomphome/table":     {"home/seccomphome/socket", "loopback", "sockets/diag"},
	"cli/clitest":                {"loopback"},
	"cli/daemonview":             {"cli/kit", "localapi", "names", "selection", "service", "sockets", "sockets/diag", "sockets/holders", "stall"},
	"cli/filter":                 {"cli/daemonview", "cli/kit", "names", "project", "query", "query/socketquery", "sockets"},
	"cli/kit":                    {"ending", "keeperapi", "localapi", "operation", "project", "show", "stall"},
	"cli/projecttable":           {"cli/kit", "localapi", "loopback", "names", "operation", "service", "show", "show/table"},
	"cli/logline":                {"cli/kit", "logs", "show"},
	"cli/look":                   {"cli/daemonview", "cli/kit", "cli/logline", "cli/projecttable", "cli/session", "event", "keeperapi", "localapi", "logs", "names", "selection", "service", "show", "stall"},
	"cli/look/events":            {"cli/filter", "cli/kit", "cli/session", "event", "eventfilter", "localapi", "project", "service", "show"},
	"cli/look/explain":           {"cli/daemonview", "cli/kit", "explain", "explain/facts", "explain/gather", "explain/input", "explain/render", "keeperapi", "localapi", "logs", "loopback", "names", "pidfd", "service", "show", "show/table", "target"},
	"cli/look/ports":             {"cli/daemonview", "cli/filter", "cli/kit", "localapi", "loopback", "query", "query/socketquery", "service", "show", "show/table", "sockets", "sockets/track"},
	"cli/look/probe":             {"cli/daemonview", "cli/kit", "cli/look/probe/probecmd", "explain/words", "loopback", "names", "probe", "probe/answer", "procfs", "selection", "service", "show", "show/table", "sockets"},
	"cli/look/top":               {"cli/daemonview", "cli/filter", "cli/kit", "cli/look/explain", "explain/gather", "keeperapi", "localapi", "logs", "pidfd", "procfs", "query", "query/socketquery", "sockets", "sockets/track", "tui"},
	"cli/machine":                {"cli/kit", "cli/session", "helperapi", "hosts", "localapi", "rootowned"},
	"cli/run":                    {"cli/kit", "cli/logline", "cli/projecttable", "cli/session", "drain", "keeperapi", "localapi", "loopback", "operation", "service", "statefile"},
	"cli/session":                {"cli/daemonview", "cli/kit", "event", "keeperapi", "localapi", "operation", "pidfd", "project", "selection", "service", "stall", "statefile"},
	"elffile":                    {},
	"cli/look/probe/probecmd":    {"cli/kit", "cli/session"},
	"cli/machine/doctor":         {"cli/kit", "cli/session", "localapi", "show/table"},
	"cli/machine/trust":          {"cli/kit", "cli/machine/trust/trustcmd", "localapi", "show", "show/table", "trust", "trust/proof", "trust/stores"},
	"cli/machine/trust/trustcmd": {"cli/kit", "cli/session"},
	"cli/offload":                {"cli/kit", "cli/look/probe", "cli/look/probe/probecmd", "cli/look/tap", "cli/look/tap/tapcmd", "cli/machine/doctor", "cli/machine/trust", "cli/machine/trust/trustcmd"},
	"capture/packet":             {},
	"capture/pcapfile":           {},
	"capture/stream":             {"capture/packet", "decode"},
	"cli/look/tap":               {"bounded", "capture/packet", "capture/pcapfile", "capture/ring", "capture/unixcalls", "cli/daemonview", "cli/filter", "cli/kit", "cli/look/tap/tapcmd", "decode", "decode/all", "decode/protobuf", "decode/tls", "decode/tlskeys", "helperapi", "home/feed", "keeperapi", "localapi", "loopback", "model", "project", "query/exchangequery", "selection", "show", "show/table", "sockets", "sockets/diag", "sockets/holders", "stall", "tap", "tap/diff", "tap/ends", "tap/har", "tap/spool", "tap/stat", "tap/tapfile", "tap/tapfilter", "tap/text", "tap/wire", "tlssecrets"},
	"cli/look/tap/tapcmd":        {"cli/kit", "cli/session"},
	"decode":                     {},
	"decode/all":                 {"decode", "decode/amqp", "decode/dns", "decode/grpc", "decode/http1", "decode/http2", "decode/kafka", "decode/memcached", "decode/mongodb", "decode/mqtt", "decode/mysql", "decode/nats", "decode/postgresql", "decode/protobuf", "decode/redis", "decode/tls", "decode/websocket"},
	"decode/amqp":                {"decode", "decode/secret"},
	"decode/captest":             {"capture/packet", "capture/pcapfile", "capture/stream", "decode"},
	"decode/content":             {"decode", "decode/secret", "decode/zstd"},
	"decode/grpc":                {"decode", "decode/content", "decode/http1", "decode/http2", "decode/protobuf", "decode/secret"},
	"decode/http1":               {"decode", "decode/content", "decode/sse", "decode/websocket"},
	"decode/http2":               {"decode", "decode/content", "decode/sse"},
	"decode/kafka":               {"decode", "decode/lz4", "decode/secret", "decode/snappy", "decode/zstd"},
	"decode/lz4":                 {},
	"decode/memcached":           {"decode", "decode/secret"},
	"decode/mongodb":             {"decode", "decode/secret", "decode/snappy", "decode/zstd"},
	"decode/mqtt":                {"decode", "decode/secret"},
	"decode/mysql":               {"decode", "decode/recent", "decode/sqltext", "decode/zstd"},
	"decode/nats":                {"decode", "decode/secret"},
	"decode/postgresql":          {"decode", "decode/recent", "decode/sqltext"},
	"decode/protobuf":            {"decode"},
	"decode/recent":              {"decode"},
	"decode/redis":               {"decode", "decode/secret"},
	"decode/secret":              {"decode"},
	"decode/snappy":              {},
	"decode/sqltext":             {"decode", "decode/secret"},
	"decode/sse":                 {"decode", "decode/content"},
	"decode/tls":                 {"decode", "decode/tlscrypt", "decode/tlskeys"},
	"decode/tlscrypt":            {},
	"decode/tlskeys":             {},
	"decode/zstd":                {},
	"decode/websocket":           {"decode", "decode/content"},
	"query/exchangequery":        {"query"},
	"tap":                        {"capture/packet", "capture/stream", "decode", "decode/secret", "mark", "model"},
	"tap/diff":                   {"capture/packet", "decode", "show", "tap", "tap/diff/forms", "tap/diff/tree", "tap/text"},
	"tap/diff/forms":             {},
	"tap/diff/tree":              {},
	"tap/ends":                   {"capture/packet", "loopback", "mark", "model", "sockets", "sockets/holders", "tap"},
	"tap/har":                    {"decode", "model", "show", "tap"},
	"tap/spool":                  {},
	"tap/stat":                   {"decode", "tap"},
	"tap/tapfile":                {"capture/packet", "capture/pcapfile", "decode", "mark", "model", "show", "tap"},
	"tap/tapfilter":              {"decode", "query", "query/exchangequery", "tap"},
	"tap/text":                   {"decode", "show", "tap"},
	"tap/wire":                   {"capture/packet", "decode", "model", "show", "tap"},
	"decode/dns":                 {"decode"},
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
			t.Errorf("package %s is not in the house: add it to docs/design/architecture.md and to this test", name)
			continue
		}
		for _, imp := range p.Imports {
			if dep, ok := strings.CutPrefix(imp, "lodge/internal/"); ok && !slices.Contains(may, dep) {
				t.Errorf("%s imports %s, which docs/design/architecture.md does not allow", name, dep)
			}
			if strings.HasPrefix(imp, "github.com/cilium/ebpf") && name != "bpf" {
				t.Errorf("%s imports %s: only bpf may", name, imp)
			}
		}
	}
	for name := range allowed {
		if !seen[name] {
			t.Errorf("package %s is in this test, not in the tree", name)
		}
	}
}

// TestRulesKnowOnlyFacts holds that what turns facts into an answer does no I/O and
// asks for no time: a rule can be tried with facts that a test makes, and says the
// same each time.
func TestRulesKnowOnlyFacts(t *testing.T) {
	pure := []string{
		filepath.Join("internal", "model"),
		filepath.Join("internal", "explain", "facts"),
		filepath.Join("internal", "explain", "input"),
		filepath.Join("internal", "explain", "render"),
		filepath.Join("internal", "explain", "rule"),
		filepath.Join("internal", "explain", "words"),
	}
	checked := 0
	sources(t, func(path string, file *ast.File, fset *token.FileSet) {
		if !slices.ContainsFunc(pure, func(dir string) bool { return strings.HasPrefix(path, dir+string(filepath.Separator)) }) {
			return
		}
		checked++
		for _, imp := range file.Imports {
			switch name := strings.Trim(imp.Path.Value, `"`); {
			case name == "os", strings.HasPrefix(name, "os/"), name == "net", name == "net/http", name == "syscall", name == "path/filepath", strings.HasPrefix(name, "golang.org/x/sys"):
				t.Errorf("%s imports %s: rules, and what they are made of, do no I/O", fset.Position(imp.Pos()), name)
			}
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if x, ok := n.(*ast.SelectorExpr); ok {
				if id, ok := x.X.(*ast.Ident); ok && id.Name == "time" && slices.Contains([]string{"Now", "Since", "Until", "Sleep", "After"}, x.Sel.Name) {
					t.Errorf("%s: time.%s in a package of rules: the time is a fact", fset.Position(x.Pos()), x.Sel.Name)
				}
			}
			return true
		})
	})
	if checked == 0 {
		t.Error("no file was looked at")
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
			if err == nil && d.IsDir() && d.Name() == "testdata" {
				return filepath.SkipDir // programs that made captures
			}
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
