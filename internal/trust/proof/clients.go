package proof

import (
	"embed"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"lodge/internal/trust"
)

// scripts make one request each in their language, to the address 127.0.0.1 in
// the server's name.
//
//go:embed scripts
var scripts embed.FS

// client is a program that can be asked.
type client struct {
	name     string
	programs []string // the first that there is
	store    store
	// command returns arguments, standard input and more environment.
	command func(t target) (args []string, stdin string, env []string, err error)
	words   []string // of its complaint about a certificate
	// resolves: it cannot be told the address of a name.
	resolves bool
	// stays: it does not end by itself where it refuses a certificate.
	stays bool
}

// store says what makes a client trust the authority.
type store int

const (
	systemStore store = iota
	nssStore
	javaStore
	nodeStore    // a list of its own, plus NODE_EXTRA_CA_CERTS
	certifiStore // a list of its own, unless a variable replaces it
)

// hint returns the command that mends it.
func (c *client) hint(a *trust.Authority) string {
	switch c.store {
	case nssStore:
		return "lodge trust --only nss"
	case javaStore:
		return "lodge trust --only java"
	case nodeStore:
		return "export NODE_EXTRA_CA_CERTS=" + a.RootPath()
	case certifiStore:
		return "lodge trust --only system, and where that is not enough: export REQUESTS_CA_BUNDLE=/etc/ssl/certs/ca-certificates.crt"
	default:
		return "lodge trust --only system"
	}
}

// why returns the client's own words about what is wrong.
func (c *client) why(said string) string {
	line := lastOf(said, c.words...)
	if _, rest, ok := strings.Cut(line, ".cc:"); ok { // Chromium's log: [pid:tid:time:ERROR:file.cc:line] words
		_, line, _ = strings.Cut(rest, "] ")
	}
	return line
}

func clients() []client {
	request := func(t target) string { return "GET " + t.path + " HTTP/1.0\r\nHost: " + t.host + "\r\n\r\n" }
	return []client{
		{name: "curl", programs: []string{"curl"}, words: []string{"curl: ("}, command: func(t target) ([]string, string, []string, error) {
			return []string{"-sS", "-o", "/dev/null", "--noproxy", "*", "--resolve", t.host + ":127.0.0.1", t.url}, "", nil, nil
		}},
		{name: "wget", programs: []string{"wget"}, resolves: true, words: []string{"ERROR: "}, command: func(t target) ([]string, string, []string, error) {
			return []string{"-nv", "-O", "/dev/null", "--no-proxy", "--tries=1", "--no-hsts", t.url}, "", nil, nil
		}},
		{name: "openssl", programs: []string{"openssl"}, words: []string{"verify error", "Verify return code", "Verification error"}, command: func(t target) ([]string, string, []string, error) {
			return []string{"s_client", "-connect", "127.0.0.1:" + t.port, "-servername", t.name, "-verify_hostname", t.name, "-verify_return_error", "-ign_eof"}, request(t), nil, nil
		}},
		{name: "gnutls", programs: []string{"gnutls-cli"}, words: []string{"Status: "}, command: func(t target) ([]string, string, []string, error) {
			return []string{"--port", t.port, "--sni-hostname", t.name, "--verify-hostname", t.name, "127.0.0.1"}, request(t), nil, nil
		}},
		{name: "git", programs: []string{"git"}, words: []string{"fatal: ", "SSL"}, command: func(t target) ([]string, string, []string, error) {
			return []string{"-c", "http.proxy=", "-c", "http.curloptResolve=" + t.host + ":127.0.0.1", "ls-remote", t.url}, "", []string{"GIT_TERMINAL_PROMPT=0", "GIT_ASKPASS=/bin/false"}, nil
		}},
		{name: "python3", programs: []string{"python3"}, words: []string{"Error"}, command: script("request.py")},
		{name: "python3 requests", programs: []string{"python3"}, resolves: true, store: certifiStore, words: []string{"Error"}, command: script("requests_get.py")},
		{name: "node", programs: []string{"node", "nodejs"}, store: nodeStore, words: []string{"certificate", "CERT"}, command: script("request.cjs")},
		{name: "java", programs: []string{"java"}, store: javaStore, words: []string{"Exception"}, command: java},
		{name: "chromium", programs: []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "brave-browser", "microsoft-edge"}, store: nssStore, words: []string{"net_error"}, command: chromium},
		{name: "firefox", programs: []string{"firefox", "firefox-esr"}, stays: true, store: nssStore, words: []string{"SEC_ERROR"}, command: firefox},
	}
}

// place writes a script into the try's directory.
func place(t target, name string) (string, error) {
	b, err := scripts.ReadFile("scripts/" + name)
	if err != nil {
		return "", err
	}
	path := filepath.Join(t.dir, name)
	return path, os.WriteFile(path, b, 0o600)
}

// script is a client whose interpreter runs a script of ours.
func script(name string) func(target) ([]string, string, []string, error) {
	return func(t target) ([]string, string, []string, error) {
		path, err := place(t, name)
		return []string{path, t.port, t.name, t.path}, "", nil, err
	}
}

// java runs a source file (JEP 330), so it needs a JDK and no compiled class
// has to be kept here.
func java(t target) ([]string, string, []string, error) {
	path, err := place(t, "Request.java")
	return []string{"-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", path, t.port, t.name, t.path}, "", nil, err
}

// chromium has a profile of its own, but the certificates of the user's home.
// Where the user has none, it would make a database there, so it gets another
// home then, which is as empty.
func chromium(t target) ([]string, string, []string, error) {
	args := []string{
		"--headless", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
		"--no-proxy-server", "--host-resolver-rules=MAP " + t.name + " 127.0.0.1", "--user-data-dir=" + filepath.Join(t.dir, "profile"),
		"--enable-logging=stderr", "--dump-dom", t.url,
	}
	if t.root {
		args = append([]string{"--no-sandbox"}, args...) // its sandbox refuses root
	}
	env := []string{"XDG_CONFIG_HOME=" + filepath.Join(t.dir, "config"), "XDG_CACHE_HOME=" + filepath.Join(t.dir, "cache")}
	if t.home == "" || !hasDatabase(t.home) {
		env = append(env, "HOME="+t.dir, "XDG_DATA_HOME="+filepath.Join(t.dir, "data"))
	} else {
		env = append(env, "HOME="+t.home)
	}
	return args, "", env, nil
}

func hasDatabase(home string) bool {
	for _, p := range []string{".pki/nssdb/cert9.db", ".local/share/pki/nssdb/cert9.db", "snap/chromium"} {
		if _, err := os.Stat(filepath.Join(home, p)); err == nil {
			return true
		}
	}
	return false
}

// firefox gets a new profile with the certificates of the user's: a profile
// that is in use cannot be opened twice.
func firefox(t target) ([]string, string, []string, error) {
	profile := filepath.Join(t.dir, "profile")
	if err := os.Mkdir(profile, 0o700); err != nil {
		return nil, "", nil, err
	}
	if from := firefoxProfile(t.home); from != "" {
		for _, f := range []string{"cert9.db", "key4.db", "pkcs11.txt"} {
			b, err := os.ReadFile(filepath.Join(from, f))
			if err != nil {
				continue
			}
			if err := os.WriteFile(filepath.Join(profile, f), b, 0o600); err != nil {
				return nil, "", nil, err
			}
		}
	}
	prefs, err := scripts.ReadFile("scripts/firefox.js")
	if err == nil {
		err = os.WriteFile(filepath.Join(profile, "user.js"), prefs, 0o600)
	}
	if err != nil {
		return nil, "", nil, fmt.Errorf("make profile: %w", err)
	}
	return []string{"--headless", "--no-remote", "--profile", profile, "--screenshot", filepath.Join(t.dir, "page.png"), t.url}, "", []string{"HOME=" + t.dir, "MOZ_CRASHREPORTER_DISABLE=1"}, nil
}

// firefoxProfile returns the profile that was used last, as far as files tell.
func firefoxProfile(home string) string {
	var newest string
	var at int64
	for _, root := range []string{".mozilla/firefox", ".config/mozilla/firefox", "snap/firefox/common/.mozilla/firefox"} {
		found, _ := filepath.Glob(filepath.Join(home, root, "*/cert9.db"))
		for _, f := range found {
			if fi, err := os.Stat(f); err == nil && fi.ModTime().UnixNano() > at {
				newest, at = filepath.Dir(f), fi.ModTime().UnixNano()
			}
		}
	}
	return newest
}
