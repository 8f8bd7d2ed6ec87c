package procfs

import (
	"bytes"
	"strings"
)

// ParseCgroup reads /proc/PID/cgroup (cgroups(7)) and gives the path that
// says most of the process: that of the unified hierarchy, or, where the
// process is at its root, that of systemd's own version 1 hierarchy or else
// the first of another that is not its root. "" if there is none.
func ParseCgroup(b []byte) string {
	var unified, systemd, other string
	for line := range bytes.Lines(b) {
		line = bytes.TrimSuffix(line, []byte("\n"))
		id, rest, ok := bytes.Cut(line, []byte(":"))
		controllers, path, ok2 := bytes.Cut(rest, []byte(":"))
		if !ok || !ok2 || len(path) == 0 || path[0] != '/' {
			continue
		}
		switch {
		case string(id) == "0" && len(controllers) == 0:
			unified = string(path)
		case string(controllers) == "name=systemd":
			systemd = string(path)
		case other == "" && len(path) > 1:
			other = string(path)
		}
	}
	switch {
	case len(unified) > 1:
		return unified
	case len(systemd) > 1:
		return systemd
	case other != "":
		return other
	case unified != "":
		return unified
	}
	return systemd
}

// Unit returns the systemd unit, a .service or a .scope, in which a cgroup path
// is: the innermost. "" if there is none.
func Unit(cgroup string) string {
	for cgroup != "" {
		i := strings.LastIndexByte(cgroup, '/')
		if name := cgroup[i+1:]; isUnit(name) {
			return name
		}
		cgroup = cgroup[:max(i, 0)]
	}
	return ""
}

func isUnit(name string) bool {
	rest, ok := strings.CutSuffix(name, ".service")
	if !ok {
		rest, ok = strings.CutSuffix(name, ".scope")
	}
	return ok && rest != ""
}

// Container returns the container in which a cgroup path is: the identifier that
// Docker, containerd, CRI-O and Podman put there (64 hexadecimal digits, of
// which people write 12), or the name of an LXC or nspawn container. "" if
// there is none.
func Container(cgroup string) string {
	found := ""
	for part := range strings.SplitSeq(cgroup, "/") {
		if name := container(part); name != "" {
			found = name
		}
	}
	if found == "" {
		if _, rest, ok := strings.Cut(cgroup, "/lxc/"); ok {
			found, _, _ = strings.Cut(rest, "/")
		}
	}
	return found
}

// container reads one part of a path: docker-ID.scope, cri-containerd-ID.scope,
// crio-ID.scope, libpod-ID.scope, ID, lxc.payload.NAME,
// machine-NAME.scope or systemd-nspawn@NAME.service.
func container(part string) string {
	if name, ok := strings.CutPrefix(part, "lxc.payload."); ok {
		return name
	}
	if name, ok := strings.CutPrefix(part, "systemd-nspawn@"); ok {
		if name, ok := strings.CutSuffix(name, ".service"); ok {
			return unescapeUnit(name)
		}
	}
	rest, scope := strings.CutSuffix(part, ".scope")
	if scope {
		if name, ok := strings.CutPrefix(rest, "machine-"); ok {
			return unescapeUnit(name)
		}
		if i := strings.LastIndexByte(rest, '-'); i >= 0 {
			rest = rest[i+1:]
		}
	}
	if len(rest) == 64 && strings.Trim(rest, "0123456789abcdef") == "" {
		return rest
	}
	return ""
}

// unescapeUnit undoes systemd's \xNN (systemd.unit(5), "String escaping").
func unescapeUnit(s string) string {
	if !strings.Contains(s, `\x`) {
		return s
	}
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		if strings.HasPrefix(s[i:], `\x`) && i+4 <= len(s) {
			hi, lo := hexDigit(s[i+2]), hexDigit(s[i+3])
			if hi >= 0 && lo >= 0 {
				out.WriteByte(byte(hi<<4 | lo))
				i += 3
				continue
			}
		}
		out.WriteByte(s[i])
	}
	return out.String()
}

func hexDigit(c byte) int { return strings.IndexByte("0123456789abcdef", c) }
