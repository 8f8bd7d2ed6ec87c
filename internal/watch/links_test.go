package watch

import (
	"os"
	"path/filepath"
	"testing"
)

func TestLinks(t *testing.T) {
	root, outside := t.TempDir(), t.TempDir()
	in, out := func(s string) string { return filepath.Join(root, s) }, func(s string) string { return filepath.Join(outside, s) }
	write(t, out("v1/deep/a.py"), "1")
	write(t, out("v2/deep/a.py"), "2")
	write(t, out("settings"), "1")
	write(t, in("lib/b.py"), "1")
	do(t, os.Symlink(out("v1"), in("src")))
	do(t, os.Symlink("lib", in("alias")))
	do(t, os.Symlink(out("settings"), in("settings.py")))
	do(t, os.Symlink("..", in("lib/around.py")))
	do(t, os.Symlink("nowhere", in("broken.py")))
	w := start(t, root, "*.py")

	write(t, out("v1/deep/a.py"), "changed")
	write(t, out("v1/new/c.py"), "in a new directory")
	expect(t, w, root, "src/deep/a.py", "src/new/c.py")
	write(t, in("lib/b.py"), "by both its paths")
	expect(t, w, root, "alias/b.py", "lib/b.py")
	do(t, os.RemoveAll(out("v1/new")))
	expect(t, w, root, "src/new/c.py")

	// The link is replaced, as a deployment does it.
	do(t, os.Symlink(out("v2"), in("next")))
	do(t, os.Rename(in("next"), in("src")))
	await(t, w, "src/deep/a.py")
	write(t, out("v1/deep/a.py"), "not reached any more")
	expect(t, w, root)
	write(t, out("v2/deep/a.py"), "changed")
	expect(t, w, root, "src/deep/a.py")

	// Here nothing happens in the root itself.
	write(t, out("settings"), "changed, and longer")
	await(t, w, "settings.py")
	do(t, os.Rename(out("v2"), out("v3")))
	await(t, w, "src/deep/a.py")
	write(t, out("v2/deep/again.py"), "")
	await(t, w, "src/deep/again.py")
	write(t, in("nowhere"), "")
	await(t, w, "broken.py")

	do(t, os.Remove(in("alias")))
	await(t, w, "alias/b.py")
	write(t, in("lib/b.py"), "by its own path only")
	expect(t, w, root, "lib/b.py")
}
