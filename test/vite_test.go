package test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const viteConfig = `export default { server: { port: 5173, strictPort: true }, clearScreen: false }
`

// viteModules gives the directory of the npm packages, installed now where the
// install script has not.
var viteModules = once(func() (string, error) {
	dir, err := filepath.Abs("testdata/vite/node_modules")
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(filepath.Join(dir, ".package-lock.json")); err == nil {
		return dir, nil
	}
	cmd := exec.Command("npm", "ci", "--no-audit", "--no-fund")
	cmd.Dir = filepath.Dir(dir)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", errors.New("npm ci: " + err.Error() + "\n" + string(out))
	}
	return dir, nil
})

func TestViteDevServer(t *testing.T) {
	need(t, "node")
	need(t, "npm")
	if _, err := os.Stat("testdata/vite/node_modules/.package-lock.json"); err != nil && os.Geteuid() != 0 {
		t.Skip("npm package vite is missing (hint: sh test/install)")
	}
	modules := viteModules(t)
	eachEngine(t, func(t *testing.T, e *env) {
		ps := e.pair("vite.config.js", viteConfig,
			"package.json", `{ "private": true, "type": "module", "scripts": { "dev": "vite" } }`,
			"index.html", `<script type="module" src="/main.js"></script>page of @ALONE@`,
			"main.js", `export const text = "vite first @ALONE@"`,
			"lodge.toml", config("web", "npm run dev", `env = { HOME = "." }`))
		for _, p := range ps {
			if out, err := exec.Command("cp", "-r", modules, filepath.Join(p.dir, "node_modules")).CombinedOutput(); err != nil {
				t.Fatalf("copy node_modules: %v\n%s", err, out)
			}
			p.ownTree(filepath.Join(p.dir, "node_modules"))
		}
		// Vite listens on the first address that localhost has.
		serves(t, ps, 5173, "/", says("page of"), "localhost")
		check(t, ps, 5173, "/main.js", says("vite first"), "localhost")
		for _, p := range ps {
			p.write("main.js", `export const text = "vite second `+p.name+`"`)
		}
		check(t, ps, 5173, "/main.js", says("vite second"), "localhost")
	})
}

func TestChromium(t *testing.T) {
	need(t, "chromium")
	python(t)
	eachEngine(t, func(t *testing.T, e *env) {
		ps := e.pair("index.html", "<p id=x></p><script>document.getElementById('x').textContent = 'seen in ' + '@ALONE@'</script>",
			"lodge.toml", config("web", systemPython+" -m http.server 8300"))
		for _, p := range ps {
			p.up()
		}
		for _, p := range ps {
			p.mkdir(filepath.Join(p.dir, "profile"))
			r := p.lodge("exec", "--", "env", "HOME="+filepath.Join(p.dir, "profile"), "XDG_RUNTIME_DIR="+filepath.Join(p.dir, "profile"),
				"chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic", "--no-first-run",
				"--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-proxy-server",
				"--user-data-dir="+filepath.Join(p.dir, "profile"), "--virtual-time-budget=10000", "--timeout=60000",
				"--dump-dom", "http://localhost:8300/")
			if want := "seen in " + p.name; r.code != 0 || !strings.Contains(r.stdout, want) {
				t.Errorf("chromium inside %s: want %q\n%v", p.name, want, r)
			}
		}
	})
}
