package stores

import (
	"path/filepath"
	"slices"
	"strings"
)

// browsers finds the NSS databases of a user's browsers.
type browsers struct {
	home                 string // "" is none
	dataHome, configHome string // XDG_DATA_HOME and XDG_CONFIG_HOME; relative ones are the default
}

// databases returns the NSS databases of the user: those that Chromium and browsers made
// of it share, and one in each profile of Firefox and browsers made of it; of programs
// from packages, snaps and flatpaks.
func (b browsers) databases() []database {
	if b.home == "" {
		return nil
	}
	var all []database
	seen := make(map[string]bool)
	add := func(app string, paths ...string) {
		for _, p := range paths {
			real, err := filepath.EvalSymlinks(p) // a snap's "current" is a link to one of its revisions
			if err != nil || seen[real] || !exists(real) {
				continue
			}
			seen[real] = true
			all = append(all, database{real, app})
		}
	}
	in := func(parts ...string) []string {
		paths, _ := filepath.Glob(filepath.Join(append([]string{escape(b.home)}, parts...)...))
		return paths
	}
	// nsssysinit.c of NSS: ~/.pki/nssdb, and where that is not there the XDG
	// directory. Chromium took ~/.pki alone for long, and does the same by now.
	add("Chromium", b.shared()...)
	for _, snap := range []string{"current", "common"} {
		add("Chromium (snap)", in("snap/*", snap, ".pki/nssdb")...)
		add("Chromium (snap)", in("snap/*", snap, ".local/share/pki/nssdb")...)
	}
	add("Chromium (flatpak)", in(".var/app/*/.pki/nssdb")...)
	add("Chromium (flatpak)", in(".var/app/*/data/pki/nssdb")...)

	for _, f := range []struct {
		app   string
		roots []string
	}{
		{"Firefox", append(in(".mozilla/firefox"), filepath.Join(b.config(), "mozilla/firefox"))}, // the second from Firefox 147 on
		{"Firefox (snap)", append(in("snap/firefox/common/.mozilla/firefox"), in("snap/firefox/common/.config/mozilla/firefox")...)},
		{"Firefox (flatpak)", append(in(".var/app/org.mozilla.firefox/.mozilla/firefox"), in(".var/app/org.mozilla.firefox/config/mozilla/firefox")...)},
		{"LibreWolf", slices.Concat(in(".librewolf"), in(".var/app/io.gitlab.librewolf-community/.librewolf"), []string{filepath.Join(b.config(), "librewolf/librewolf")})},
		{"Waterfox", in(".waterfox")},
	} {
		for _, root := range f.roots {
			for _, p := range profiles(root) {
				if exists(filepath.Join(p, "cert9.db")) {
					add(f.app, p)
				}
			}
		}
	}
	return all
}

// shared returns where Chromium and browsers made of it look for the user's database.
func (b browsers) shared() []string {
	data := b.dataHome
	if !filepath.IsAbs(data) {
		data = filepath.Join(b.home, ".local/share")
	}
	return []string{filepath.Join(b.home, ".pki/nssdb"), filepath.Join(data, "pki/nssdb")}
}

// config returns the directory of configurations.
func (b browsers) config() string {
	if filepath.IsAbs(b.configHome) {
		return b.configHome
	}
	return filepath.Join(b.home, ".config")
}

// missingDatabase returns the database that Chromium would look for first, if
// Chromium is installed and has none. If there is one in the XDG directory, that must
// stay the only one: the other would hide it.
func (b browsers) missingDatabase(p programs) (database, bool) {
	if b.home == "" {
		return database{}, false
	}
	for _, path := range b.shared() {
		if exists(path) {
			return database{}, false
		}
	}
	if p.find("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "google-chrome-beta", "google-chrome-unstable",
		"brave-browser", "microsoft-edge", "vivaldi", "opera") == "" {
		return database{}, false
	}
	return database{b.shared()[0], "Chromium"}, true
}

// profiles returns the directories of a Firefox root's profiles: those that
// profiles.ini names, wherever they are, and those that are in the root.
func profiles(root string) []string {
	var all []string
	if b, err := readSmall(filepath.Join(root, "profiles.ini")); err == nil {
		all = parseProfiles(string(b), root)
	}
	found, _ := filepath.Glob(filepath.Join(escape(root), "*/cert9.db"))
	for _, f := range found {
		if p := filepath.Dir(f); !slices.Contains(all, p) {
			all = append(all, p)
		}
	}
	return all
}

// parseProfiles reads profiles.ini: a section [ProfileN] has a Path, which is
// below the root where IsRelative is 1 (support.mozilla.org: "Profile Manager").
func parseProfiles(text, root string) []string {
	var all []string
	var path, relative string
	inProfile := false
	flush := func() {
		if !inProfile || path == "" || strings.ContainsRune(path, 0) {
			return
		}
		p := path
		if relative != "0" || !filepath.IsAbs(p) {
			p = filepath.Join(root, p)
		}
		if p = filepath.Clean(p); !slices.Contains(all, p) {
			all = append(all, p)
		}
	}
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") {
			flush()
			path, relative = "", ""
			inProfile = strings.HasPrefix(line, "[Profile")
			continue
		}
		key, value, _ := strings.Cut(line, "=")
		switch strings.TrimSpace(key) {
		case "Path":
			path = strings.TrimSpace(value)
		case "IsRelative":
			relative = strings.TrimSpace(value)
		}
	}
	flush()
	return all
}

// escape makes a path that filepath.Glob takes as it is.
func escape(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}
