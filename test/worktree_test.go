package test

import (
	"os"
	"path/filepath"
	"testing"
)

// A linked git worktree is a project of its own, with its branch in its name.
func TestWorktree(t *testing.T) {
	git := need(t, "git")
	eachEngine(t, func(t *testing.T, e *env) {
		shop := e.project("shop", "lodge.toml", config("web", peerBin+" http :8900 x"), "sub/dir/file", "x")
		environ := append([]string{"PATH=" + testPath, "HOME=" + e.base, "GIT_CONFIG_NOSYSTEM=1"}, e.environ...)
		run := func(args ...string) {
			t.Helper()
			e.as(environ, shop.dir, append([]string{git, "-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main"}, args...)...).ok(t)
		}
		run("init", "-q")
		run("add", "-A")
		run("commit", "-q", "-m", "one")
		run("worktree", "add", "-q", "../review", "-b", "feature/cart")
		review := &project{env: e, name: "review", dir: filepath.Join(e.base, "p", "review")}

		shop.up()
		review.up()
		a, _ := shop.info()
		b, _ := review.info()
		if a.Name != "shop" || b.Name != "feature-cart-shop" {
			t.Errorf("names %q and %q, want shop and feature-cart-shop", a.Name, b.Name)
		}
		if a.Home == b.Home {
			t.Errorf("both have the home %s", a.Home)
		}
		differ(t, shop.home("tcp", 8900), review.home("tcp", 8900))
		// Anywhere below is the same project, also without a lodge.toml.
		if err := os.Remove(filepath.Join(shop.dir, "lodge.toml")); err != nil {
			t.Fatal(err)
		}
		for _, p := range []*project{shop, review} {
			q, _ := p.info()
			got := e.lodge(filepath.Join(p.dir, "sub", "dir"), "exec", "--", "sh", "-c", "echo $LODGE_HOME").ok(t)
			if got != q.Home.String() {
				t.Errorf("exec below %s runs in %s, want %s", p.dir, got, q.Home)
			}
		}
	})
}
