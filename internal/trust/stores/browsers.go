package stores

import (
	"path/filepath"
	"slices"
	"strings"
)

// databases finds the NSS databases of the user: those that Chromium and its
// kin share, and one in each profile of Firefox and its kin; of programs from
// packages, snaps and flatpaks.
func (m *Machine) databases() []database {
	if m.Home == "" {
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
		paths, _ := filepath.Glob(filepath.Join(append([]string{escape(m.Home)}, parts...)...))
		return paths
	}
	// nsssysinit.c of NSS: ~/.pki/nssdb, and where that is not there the XDG
	// directory. Chromium took ~/.pki alone for long, and does the same by now.
	add("Chromium", m.shared()...)
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
		{"Firefox", append(in(".mozilla/firefox"), filepath.Join(m.configHome(), "mozilla/firefox"))}, // the second from Firefox 147 on
		{"Firefox (snap)", append(in("snap/firefox/common/.mozilla/firefox"), in("snap/firefox/common/.config/mozilla/firefox")...)},
		{"Firefox (flatpak)", append(in(".var/app/org.mozilla.firefox/.mozilla/firefox"), in(".var/app/org.mozilla.firefox/config/mozilla/firefox")...)},
		{"LibreWolf", slices.Concat(in(".librewolf"), in(".var/app/io.gitlab.librewolf-community/.librewolf"), []string{filepath.Join(m.configHome(), "librewolf/librewolf")})},
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

// shared returns where Chromium and its kin look for the user's database.
func (m *Machine) shared() []string {
	data := m.DataHome
	if !filepath.IsAbs(data) {
		data = filepath.Join(m.Home, ".local/share")
	}
	return []string{filepath.Join(m.Home, ".pki/nssdb"), filepath.Join(data, "pki/nssdb")}
}

func (m *Machine) configHome() string {
	if filepath.IsAbs(m.ConfigHome) {
		return m.ConfigHome
	}
	return filepath.Join(m.Home, ".config")
}

// missingDatabase returns the database that Chromium would look for first, where
// Chromium is installed and has none. Where there is one in the XDG directory,
// that must stay the only one: the other would hide it.
func (m *Machine) missingDatabase(dbs []database) (database, bool) {
	if m.Home == "" {
		return database{}, false
	}
	for _, path := range m.shared() {
		if exists(path) {
			return database{}, false
		}
	}
	if m.find("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "google-chrome-beta", "google-chrome-unstable",
		"brave-browser", "microsoft-edge", "vivaldi", "opera") == "" {
		return database{}, false
	}
	return database{m.shared()[0], "Chromium"}, true
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
