package stores

import (
	"bytes"
	"context"
	"crypto/x509"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"lodge/internal/trust"
)

// storePassword is what every JDK's cacerts is made with; it protects nothing.
const storePassword = "changeit"

// keyStore is a cacerts file, which several Java homes may share.
type keyStore struct {
	path    string // with no links in it
	homes   []string
	keytool string
}

// java works on the key stores of the Java homes that are found.
func (w *work) java(ctx context.Context) []Result {
	all := w.keyStores()
	if w.act == uninstall {
		for _, path := range w.made.In {
			if filepath.Base(path) == "cacerts" && exists(path) && !slices.ContainsFunc(all, func(k keyStore) bool { return k.path == path }) {
				all = append(all, keyStore{path: path, keytool: w.programs.find("keytool")})
			}
		}
	}
	if len(all) == 0 {
		return []Result{{Kind: Java, Name: "Java", State: Absent, Reason: "no Java with a key store was found"}}
	}
	results := make([]Result, 0, len(all))
	for _, k := range all {
		results = append(results, w.keyStore(ctx, k))
	}
	return results
}

func (w *work) keyStore(ctx context.Context, k keyStore) Result {
	r := Result{Kind: Java, Name: "Java", Path: k.path}
	fail := func(err error) Result {
		r.State, r.Reason = Failed, err.Error()
		return r
	}
	b, err := readSmall(k.path)
	if err != nil {
		return fail(unpath("read", k.path, err))
	}
	if k.keytool == "" {
		r.State, r.Reason = Failed, "keytool is missing"
		if w.act == uninstall && !slices.Contains(w.made.In, k.path) {
			r.State, r.Reason = Missing, ""
		}
		return r
	}
	keytool := func(args ...string) (string, error) {
		return w.programs.run(ctx, k.keytool, append(args, "-keystore", k.path, "-storepass", storePassword, "-J-Duser.language=en", "-J-XX:TieredStopAtLevel=1")...)
	}
	have, others, err := w.aliases(b, keytool)
	if err != nil {
		return fail(err)
	}
	switch w.act {
	case status:
		r.State = Missing
		if have {
			r.State = Installed
		}
		return r
	case install:
		if have && len(others) == 0 {
			r.State = Already
			return r
		}
	case uninstall:
		if len(others) == 0 {
			r.State = Missing
			if err := w.made.gone(k.path); err != nil {
				return fail(err)
			}
			return r
		}
	}
	if unix.Access(k.path, unix.W_OK) != nil {
		r.State = NeedsRoot
		if w.filledBySystem(k.path) {
			r.Reason = "the system store's command does it too"
			return r
		}
		var commands []string
		for _, alias := range others {
			commands = append(commands, "sudo "+quote(k.keytool)+" -delete -alias "+quote(alias)+" -keystore "+quote(k.path)+" -storepass "+storePassword)
		}
		if w.act == install && !have {
			commands = append(commands, "lodge trust --pem | sudo "+quote(k.keytool)+" -importcert -noprompt -alias "+alias(w.Root)+" -keystore "+quote(k.path)+" -storepass "+storePassword)
		}
		r.Command = strings.Join(commands, " && ")
		return r
	}
	for _, alias := range others {
		if _, err := keytool("-delete", "-alias", alias); err != nil {
			return fail(err)
		}
	}
	if w.act == install && !have {
		if err := w.made.put(k.path); err != nil {
			return fail(err)
		}
		if _, err := keytool("-importcert", "-noprompt", "-alias", alias(w.Root), "-file", w.File); err != nil {
			return fail(err)
		}
	}
	if w.act == uninstall {
		if err := w.made.gone(k.path); err != nil {
			return fail(err)
		}
	}
	r.State = Done
	return r
}

// alias names the root in a key store. keytool makes it lower case.
func alias(c *x509.Certificate) string { return "lodge-" + trust.Fingerprint(c)[:16] }

// aliases reports whether the root is in a key store, and which entries of lodge's
// should not be there. A store of the old format has its certificates in the
// clear, and one of the new may: then no JVM is started to see that the root is
// there and nothing of lodge's before it.
func (w *work) aliases(file []byte, keytool func(...string) (string, error)) (have bool, others []string, err error) {
	clear := bytes.HasPrefix(file, []byte{0xfe, 0xed, 0xfe, 0xed}) // JKS
	if w.Root != nil && w.act == status && (clear || bytes.Contains(file, w.Root.Raw)) {
		return bytes.Contains(file, w.Root.Raw), nil, nil
	}
	if clear && !bytes.Contains(file, []byte(trust.Marker)) {
		return false, nil, nil
	}
	list, err := keytool("-list", "-rfc")
	if err != nil {
		return false, nil, err
	}
	for _, e := range parseKeyStore(list) {
		switch {
		case w.Root != nil && w.act != uninstall && e.cert.Equal(w.Root):
			have = true
		case w.Record.Ours(e.cert):
			others = append(others, e.name)
		}
	}
	return have, others, nil
}

// parseKeyStore reads what keytool -list -rfc prints: after each alias, the
// certificate as PEM.
func parseKeyStore(out string) []entry {
	var all []entry
	for i, part := range strings.Split("\n"+out, "\nAlias name: ") {
		if i == 0 {
			continue
		}
		name, rest, _ := strings.Cut(part, "\n")
		if certs := trust.Certificates([]byte(rest)); len(certs) > 0 {
			all = append(all, entry{name: strings.TrimSpace(name), cert: certs[0]})
		}
	}
	return all
}

// keyStores finds the Java homes: JAVA_HOME, the java of the search path, where
// distributions put them, and where SDKMAN, mise, asdf, jEnv and IDEA do.
func (w *work) keyStores() []keyStore {
	var homes []string
	if filepath.IsAbs(w.javaHome) {
		homes = append(homes, w.javaHome)
	}
	if j := w.programs.find("java"); j != "" && w.sysRoot.own() {
		if real, err := filepath.EvalSymlinks(j); err == nil {
			homes = append(homes, strings.TrimSuffix(filepath.Dir(filepath.Dir(real)), "/jre"))
		}
	}
	for _, pattern := range []string{"/usr/lib/jvm/*", "/usr/lib64/jvm/*", "/usr/java/*", "/opt/java/*", "/opt/jdk*", "/opt/homebrew/opt/openjdk*"} {
		found, _ := filepath.Glob(filepath.Join(escape(w.sysRoot.below("/")), pattern))
		homes = append(homes, found...)
	}
	if w.home != "" {
		for _, pattern := range []string{".sdkman/candidates/java/*", ".jdks/*", ".local/share/mise/installs/java/*", ".asdf/installs/java/*"} {
			found, _ := filepath.Glob(filepath.Join(escape(w.home), pattern))
			homes = append(homes, found...)
		}
	}
	var all []keyStore
	for _, home := range homes {
		for _, inside := range []string{"lib/security/cacerts", "jre/lib/security/cacerts"} {
			real, err := filepath.EvalSymlinks(filepath.Join(home, inside))
			if err != nil {
				continue
			}
			i := slices.IndexFunc(all, func(k keyStore) bool { return k.path == real })
			if i < 0 {
				i = len(all)
				all = append(all, keyStore{path: real})
			}
			all[i].homes = append(all[i].homes, home)
			if all[i].keytool == "" {
				if t := filepath.Join(home, "bin/keytool"); executable(t) {
					all[i].keytool = t
				}
			}
		}
	}
	for i := range all {
		if all[i].keytool == "" {
			all[i].keytool = w.programs.find("keytool")
		}
	}
	return all
}

func executable(path string) bool {
	fi, err := os.Stat(path)
	return err == nil && fi.Mode().IsRegular() && fi.Mode().Perm()&0o111 != 0
}

// filledBySystem reports whether the system's command writes this key store.
func (w *work) filledBySystem(path string) bool {
	switch path {
	case w.sysRoot.below("/etc/ssl/certs/java/cacerts"):
		hooks, _ := filepath.Glob(filepath.Join(escape(w.sysRoot.below("/etc/ca-certificates/update.d")), "*"))
		return slices.ContainsFunc(hooks, func(h string) bool { return strings.Contains(filepath.Base(h), "keystore") })
	case w.sysRoot.below("/etc/pki/ca-trust/extracted/java/cacerts"):
		return true
	}
	return false
}
