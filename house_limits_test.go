package lodge

import (
	"fmt"
	"go/ast"
	"go/token"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// The limits of the house. A package or a receiver over them is several things under one name.
const (
	maxFiles       = 20 // files of a package, without tests and generated files
	maxMethods     = 25 // methods of a receiver
	maxMethodFiles = 3  // files with methods of one receiver
)

func TestPackagesHaveFewFiles(t *testing.T) {
	files := map[string]int{}
	sources(t, func(path string, _ *ast.File, _ *token.FileSet) {
		files[houseName(path)]++
	})
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if n := files[name]; n > maxFiles {
			t.Errorf("%s has %d files: at most %d, split it by subject", name, n, maxFiles)
		}
	}
}

func TestReceiversHaveFewMethods(t *testing.T) {
	methods := map[string]int{}
	files := map[string]map[string]bool{}
	sources(t, func(path string, file *ast.File, _ *token.FileSet) {
		for _, decl := range file.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok || fn.Recv == nil {
				continue
			}
			name := houseName(path) + "." + receiverName(fn.Recv.List[0].Type)
			methods[name]++
			if files[name] == nil {
				files[name] = map[string]bool{}
			}
			files[name][path] = true
		}
	})
	for _, name := range slices.Sorted(maps.Keys(methods)) {
		if n, f := methods[name], len(files[name]); n > maxMethods || f > maxMethodFiles {
			t.Errorf("%s has %d methods in %d files: at most %d in %d", name, n, f, maxMethods, maxMethodFiles)
		}
	}
}

// receiverName returns the name of the type of a method's receiver, without pointer and type parameters.
func receiverName(expr ast.Expr) string {
	switch x := expr.(type) {
	case *ast.StarExpr:
		return receiverName(x.X)
	case *ast.IndexExpr:
		return receiverName(x.X)
	case *ast.IndexListExpr:
		return receiverName(x.X)
	case *ast.Ident:
		return x.Name
	}
	panic(fmt.Sprintf("house: a receiver of the kind %T", expr))
}

// houseName returns the package of a file as the house names it: its directory below internal, or below the root.
func houseName(file string) string {
	dir := path.Dir(filepath.ToSlash(file))
	return strings.TrimPrefix(dir, "internal/")
}

// pure packages import the standard library and each other, nothing else: they can be used, tested and read anywhere.
var pure = []string{
	"bounded",
	"elfcode",
	"elffile",
	"event",
	"explain/message",
	"helper/policy",
	"loopback",
	"model",
	"owners",
	"probe/answer",
	"probe/answer/samples",
	"query",
	"query/eventquery",
	"rawjson",
	"refs",
	"show",
	"tap/diff/forms",
	"tap/diff/tree",
	"target",
}

// withoutIO are packages that compute and do nothing else: the same input gives the same output on every machine and at any time.
var withoutIO = []string{
	"capture/packet",
	"capture/pcapfile",
	"capture/stream",
	"elfcode",
	"elffile",
	"eventfilter",
	"explain/input",
	"explain/message",
	"explain/rule",
	"explain/rule/bind",
	"explain/rule/listener",
	"explain/rule/name",
	"explain/rule/refused",
	"explain/rule/route",
	"explain/rule/unixpath",
	"helper/policy",
	"loopback",
	"model",
	"names",
	"owners",
	"query",
	"query/eventquery",
	"query/socketquery",
	"rawjson",
	"refs",
	"service/backoff",
	"service/settle",
	"show",
	"show/table",
	"tap",
	"tap/diff",
	"tap/diff/forms",
	"tap/diff/tree",
	"tap/stat",
	"tap/tapfile",
	"tap/tapfilter",
	"tap/wire",
	"target",
	"tui/view",
}

// decoders are all packages below decode, without the one that tests them with files: they get bytes and give exchanges.
func decoders(all map[string]pkg) (names []string) {
	for name := range all {
		if (name == "decode" || strings.HasPrefix(name, "decode/")) && name != "decode/captest" {
			names = append(names, name)
		}
	}
	return names
}

// world has the imports with which a package would reach files, the network, processes or the kernel.
var world = []string{"golang.org/x/sys", "net", "net/http", "os", "os/exec", "os/signal", "os/user", "syscall"}

func TestPurePackagesImportTheStandardLibraryOnly(t *testing.T) {
	all := packagesByName(t)
	for _, name := range pure {
		p, ok := all[name]
		if !ok {
			t.Errorf("pure has the package %s, which is not in the tree", name)
		}
		for _, imp := range p.Imports {
			own, ours := strings.CutPrefix(imp, "lodge/internal/")
			first, _, _ := strings.Cut(imp, "/")
			if ours && !slices.Contains(pure, own) || strings.Contains(first, ".") {
				t.Errorf("%s imports %s: it is pure, and imports the standard library and other pure packages only", name, imp)
			}
		}
	}
	if p := all["event"]; slices.Contains(p.Imports, "os") || slices.Contains(p.Imports, "net") {
		t.Errorf("event imports os or net: it does no I/O")
	}
}

func TestPackagesWithoutIO(t *testing.T) {
	all := packagesByName(t)
	names := append(decoders(all), withoutIO...)
	if len(names) < len(withoutIO)+20 {
		t.Errorf("%d packages without I/O", len(names))
	}
	for _, name := range names {
		p, ok := all[name]
		if !ok {
			t.Errorf("withoutIO has the package %s, which is not in the tree", name)
		}
		for _, imp := range p.Imports {
			if slices.Contains(world, imp) || strings.HasPrefix(imp, "golang.org/x/sys/") {
				t.Errorf("%s imports %s: it does no I/O", name, imp)
			}
		}
	}
	sources(t, func(path string, file *ast.File, fset *token.FileSet) {
		if !slices.Contains(names, houseName(path)) {
			return
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if sel, ok := n.(*ast.SelectorExpr); ok {
				if id, ok := sel.X.(*ast.Ident); ok && id.Name == "time" && slices.Contains([]string{"Now", "Since", "Until", "Sleep", "After", "NewTimer", "NewTicker", "AfterFunc", "Tick"}, sel.Sel.Name) {
					t.Errorf("%s: time.%s: a package without I/O takes the time as an argument", fset.Position(sel.Pos()), sel.Sel.Name)
				}
			}
			return true
		})
	})
}

// packagesByName returns lodge's own packages below internal, by their names in the house.
func packagesByName(t *testing.T) map[string]pkg {
	t.Helper()
	all := map[string]pkg{}
	for _, p := range packages(t) {
		if name, ok := strings.CutPrefix(p.ImportPath, "lodge/internal/"); ok {
			all[name] = p
		}
	}
	return all
}
