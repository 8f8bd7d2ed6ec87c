package project

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"lodge/internal/project/syntax"
)

// realTemp returns a new directory without symbolic links in its path, of which
// nothing above is a project.
func realTemp(t *testing.T) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func mkdir(t *testing.T, path string) string {
	t.Helper()
	if err := os.MkdirAll(path, 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func load(t *testing.T, dir string, opts ...Option) *Project {
	t.Helper()
	p, err := Load(dir, opts...)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func loadError(t *testing.T, dir, want string, opts ...Option) error {
	t.Helper()
	p, err := Load(dir, opts...)
	if err == nil {
		t.Fatalf("Load(%s) = %+v, want an error", dir, p)
	}
	if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
		t.Errorf("error %q does not contain %q in one line", err, want)
	}
	return err
}

const oneService = "[services.web]\ncommand = \"run\"\n"

func TestLoadWalksUp(t *testing.T) {
	top := realTemp(t)
	write(t, top+"/Shop_1/lodge.toml", oneService)
	write(t, top+"/Shop_1/app/Procfile", "web: other\n")
	p := load(t, mkdir(t, top+"/Shop_1/app/deep/er"))
	if p.Dir != top+"/Shop_1" || p.ConfigPath != p.Dir+"/lodge.toml" || p.Name != "shop-1" || p.Services[0].Command != "run" {
		t.Errorf("%+v", p)
	}
	if err := p.NeedConfig(); err != nil {
		t.Error(err)
	}
}

func TestLoadProcfile(t *testing.T) {
	top := realTemp(t)
	write(t, top+"/shop/Procfile", "web: run\nworker: work\n")
	write(t, top+"/shop/.env", "A='1'\nPORT=7000\n")
	p := load(t, mkdir(t, top+"/shop/deep"))
	if p.ConfigPath != top+"/shop/Procfile" || p.Dir != top+"/shop" || len(p.Services) != 2 {
		t.Fatalf("%+v", p)
	}
	if got := strings.Join(p.Services[1].Environ(), " "); got != "A=1 PORT=7100 PS=worker.1" {
		t.Errorf("environment %q", got)
	}
	write(t, top+"/shop/.env", "A\n")
	var e *syntax.Error
	if err := loadError(t, top+"/shop", ".env:1:1: "); !errors.As(err, &e) || e.File != top+"/shop/.env" {
		t.Errorf("%#v", err)
	}
	// A lodge.toml does not read .env.
	write(t, top+"/shop/lodge.toml", oneService)
	if p := load(t, top+"/shop"); len(p.Services[0].Env) != 0 {
		t.Errorf("%+v", p)
	}
}

func TestLoadNothing(t *testing.T) {
	top := realTemp(t)
	dir := mkdir(t, top+"/Café del Mar")
	p := load(t, dir)
	if p.Dir != dir || p.ConfigPath != "" || p.Name != "cafe-del-mar" || p.Isolation != "overlay" || len(p.Services) != 0 {
		t.Errorf("%+v", p)
	}
	if err := p.NeedConfig(); !errors.Is(err, ErrNoConfig) {
		t.Errorf("NeedConfig: %v", err)
	}
	if p := load(t, mkdir(t, top+"/日本")); p.Name != "project" {
		t.Errorf("name %q", p.Name)
	}
}

func TestLoadStopsAtHome(t *testing.T) {
	home := realTemp(t)
	write(t, home+"/lodge.toml", "name = \"all\"\n"+oneService)
	dir := mkdir(t, home+"/code/x")
	if p := load(t, dir, WithHome(home)); p.Dir != dir || p.ConfigPath != "" {
		t.Errorf("below home: %+v", p)
	}
	if p := load(t, dir); p.Name != "all" {
		t.Errorf("without home: %+v", p)
	}
	if p := load(t, home, WithHome(home)); p.Name != "all" {
		t.Errorf("in home: %+v", p)
	}
	if p := load(t, dir, WithHome(home+"/nowhere")); p.Name != "all" {
		t.Errorf("home does not exist: %+v", p)
	}
}

func TestLoadResolvesLinks(t *testing.T) {
	top := realTemp(t)
	write(t, top+"/shop/lodge.toml", "[services.web]\ncommand = \"run\"\ndir = \"app\"\n")
	if err := os.Symlink(top+"/shop", top+"/link"); err != nil {
		t.Fatal(err)
	}
	p := load(t, top+"/link")
	if p.Dir != top+"/shop" || p.Name != "shop" || p.Services[0].Dir != top+"/shop/app" {
		t.Errorf("%+v", p)
	}
	t.Chdir(top + "/shop")
	if p := load(t, "."); p.Dir != top+"/shop" {
		t.Errorf("relative: %+v", p)
	}
}

func TestLoadErrors(t *testing.T) {
	top := realTemp(t)
	loadError(t, top+"/nowhere", "no such file or directory")
	write(t, top+"/file", "")
	loadError(t, top+"/file", "is not a directory")

	mkdir(t, top+"/directory/lodge.toml")
	loadError(t, top+"/directory", "lodge.toml: not a regular file")

	if err := syscall.Mkfifo(mkdir(t, top+"/pipe")+"/lodge.toml", 0o644); err != nil {
		t.Fatal(err)
	}
	loadError(t, top+"/pipe", "lodge.toml: not a regular file")

	write(t, top+"/large/lodge.toml", strings.Repeat("# large\n", maxConfig/8)+"#")
	loadError(t, top+"/large", "larger than 1 MiB")

	write(t, top+"/bad/lodge.toml", "[services.web]\ncomand = \"run\"\n")
	err := loadError(t, top+"/bad", `lodge.toml:2:1: services.web: unknown key "comand" (did you mean "command"?)`)
	var e *syntax.Error
	if !errors.As(err, &e) || e.File != top+"/bad/lodge.toml" || e.Line != 2 || e.Column != 1 || e.Key != "services.web" ||
		e.Message != `unknown key "comand"` || e.Hint != `did you mean "command"?` {
		t.Errorf("%#v", err)
	}

	write(t, top+"/odd/.git", "something else\n")
	loadError(t, top+"/odd", ".git: it does not begin with")
	write(t, top+"/gone/.git", "gitdir: ../nowhere/.git/worktrees/x\n")
	if p := load(t, top+"/gone"); p.Name != "gone" {
		t.Errorf("%+v", p)
	}
}

func TestLoadUnreadable(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root reads every file")
	}
	top := realTemp(t)
	write(t, top+"/lodge.toml", oneService)
	if err := os.Chmod(top+"/lodge.toml", 0); err != nil {
		t.Fatal(err)
	}
	loadError(t, top, "lodge.toml: permission denied")
}

func TestLoadRefusesAStrangersFileAbove(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a file to somebody else")
	}
	top := realTemp(t)
	write(t, top+"/lodge.toml", oneService)
	dir := mkdir(t, top+"/mine")
	if err := os.Chown(top+"/lodge.toml", 12345, -1); err != nil {
		t.Fatal(err)
	}
	loadError(t, dir, "it belongs to user 12345")
	load(t, top)
	// The directory belongs to the same stranger: root looks after somebody's
	// project.
	if err := os.Chown(dir, 12345, -1); err != nil {
		t.Fatal(err)
	}
	load(t, dir)
}

// git runs git with no configuration but its own.
func git(t *testing.T, dir string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("git is not installed")
	}
	cmd := exec.Command("git", append([]string{"-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main", "-c", "protocol.file.allow=always"}, args...)...)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "GIT_CONFIG_NOSYSTEM=1", "LC_ALL=C"}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("git %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// repository makes one with a commit and the files given.
func repository(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	mkdir(t, dir)
	git(t, dir, "init", "-q")
	write(t, dir+"/README", "x\n")
	for name, text := range files {
		write(t, dir+"/"+name, text)
	}
	git(t, dir, "add", ".")
	git(t, dir, "commit", "-qm", "one")
}

func TestGitWithoutConfig(t *testing.T) {
	top := realTemp(t)
	write(t, top+"/lodge.toml", oneService)
	repository(t, top+"/shop", nil)
	git(t, top+"/shop", "worktree", "add", "-q", "-b", "feature/new-cart", top+"/cart")
	if p := load(t, mkdir(t, top+"/shop/deep")); p.Dir != top+"/shop" || p.Name != "shop" || p.ConfigPath != "" {
		t.Errorf("main: %+v", p)
	}
	if p := load(t, mkdir(t, top+"/cart/deep")); p.Dir != top+"/cart" || p.Name != "feature-new-cart-shop" || p.ConfigPath != "" {
		t.Errorf("linked: %+v", p)
	}
}

func TestGitWorktreeNames(t *testing.T) {
	top := realTemp(t)
	repository(t, top+"/shop", map[string]string{
		"lodge.toml":     "name = \"store\"\n" + oneService,
		"sub/lodge.toml": oneService,
	})
	main, linked := top+"/shop", top+"/linked"
	git(t, main, "worktree", "add", "-q", "-b", "Fix_42", linked)
	want := func(dir, name string) {
		t.Helper()
		if p := load(t, dir); p.Name != name {
			t.Errorf("%s: name %q, want %q", dir, p.Name, name)
		}
	}
	want(main, "store")
	want(linked, "fix-42-store")
	want(linked+"/sub", "fix-42-sub")

	hash := git(t, linked, "rev-parse", "HEAD")
	git(t, linked, "checkout", "-q", "--detach")
	want(linked, hash[:7]+"-store")

	git(t, linked, "checkout", "-q", "-b", strings.Repeat("long-", 20)+"one")
	first := load(t, linked).Name
	git(t, linked, "checkout", "-q", "-b", strings.Repeat("long-", 20)+"two")
	second := load(t, linked).Name
	if first == second || labelProblem(first) != "" || !strings.HasSuffix(first, "-store") {
		t.Errorf("long branches: %q and %q", first, second)
	}
}

// A rebase detaches HEAD; the project keeps the name of its branch.
func TestGitNameDuringRebase(t *testing.T) {
	top := realTemp(t)
	repository(t, top+"/shop", nil)
	linked := top + "/linked"
	git(t, top+"/shop", "worktree", "add", "-q", "-b", "topic", linked)
	write(t, top+"/shop/README", "main\n")
	git(t, top+"/shop", "commit", "-qam", "two")
	write(t, linked+"/README", "topic\n")
	git(t, linked, "commit", "-qam", "other")
	cmd := exec.Command("git", "-c", "user.name=t", "-c", "user.email=t@example.org", "rebase", "main")
	cmd.Dir = linked
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + top, "GIT_CONFIG_NOSYSTEM=1"}
	if err := cmd.Run(); err == nil {
		t.Fatal("the rebase was to stop at a conflict")
	}
	if p := load(t, linked); p.Name != "topic-shop" {
		t.Errorf("name %q", p.Name)
	}
	git(t, linked, "rebase", "--abort")
}

func TestGitBareRepositories(t *testing.T) {
	top := realTemp(t)
	repository(t, top+"/origin", nil)
	for bare, want := range map[string]string{"shop.git": "main-shop", "stall/.bare": "main-stall"} {
		mkdir(t, filepath.Dir(top+"/"+bare))
		git(t, top, "clone", "-q", "--bare", top+"/origin", top+"/"+bare)
		dir := top + "/work-" + filepath.Base(filepath.Dir(top+"/"+bare)) + "-" + filepath.Base(bare)
		git(t, top+"/"+bare, "worktree", "add", "-q", dir, "main")
		if p := load(t, dir); p.Name != want {
			t.Errorf("%s: name %q, want %q", bare, p.Name, want)
		}
	}
}

// A submodule's .git is a file too, and it is no linked worktree.
func TestGitSubmodule(t *testing.T) {
	top := realTemp(t)
	repository(t, top+"/part", nil)
	repository(t, top+"/shop", map[string]string{"lodge.toml": oneService})
	git(t, top+"/shop", "submodule", "add", "-q", top+"/part", "vendor/part")
	if p := load(t, top+"/shop/vendor/part"); p.Name != "part" || p.Dir != top+"/shop/vendor/part" {
		t.Errorf("%+v", p)
	}
}

// The files that git writes in other configurations, which the git at hand may
// not know.
func TestGitLayouts(t *testing.T) {
	for name, c := range map[string]struct{ gitdir, common, head, want string }{
		"relative paths": {"../shop/.git/worktrees/x", "../..\n", "ref: refs/heads/a/b\n", "a-b-shop"},
		"reftable":       {"../shop/.git/worktrees/x", "../..\n", "ref: refs/heads/.invalid\n", "x-shop"},
		"sha256":         {"../shop/.git/worktrees/x", "../..\n", strings.Repeat("0a", 32) + "\n", "0a0a0a0-shop"},
		"other ref":      {"../shop/.git/worktrees/x", "../..\n", "ref: refs/remotes/o/main\n", "refs-remotes-o-main-shop"},
		"crlf":           {"../shop/.git/worktrees/x\r", "../..\r\n", "ref: refs/heads/a\r\n", "a-shop"},
	} {
		t.Run(name, func(t *testing.T) {
			top := realTemp(t)
			gitdir := top + "/shop/.git/worktrees/x"
			write(t, gitdir+"/commondir", c.common)
			write(t, gitdir+"/HEAD", c.head)
			write(t, top+"/tree/.git", "gitdir: "+c.gitdir+"\n")
			if p := load(t, top+"/tree"); p.Name != c.want {
				t.Errorf("name %q, want %q", p.Name, c.want)
			}
		})
	}
}
