package helperapi

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"lodge/internal/loopback"
	"lodge/internal/procfs"
)

// Place is where a home is, or was, in the cgroup hierarchy.
type Place struct {
	Mount string
	Base  string // lodge-<uid>-<random>
	UID   uint32
	IP4   netip.Addr
}

func (p Place) BasePath() string { return filepath.Join(p.Mount, p.Base) }

func (p Place) Path() string { return filepath.Join(p.BasePath(), homeName(p.IP4)) }

func BaseName(uid uint32, random string) string { return fmt.Sprintf("lodge-%d-%s", uid, random) }

func homeName(ip4 netip.Addr) string { return "home-" + ip4.String() }

// ParseBase reads the name of a base. Nothing but what baseName writes passes.
func ParseBase(name string) (uid uint32, ok bool) {
	rest, ok := strings.CutPrefix(name, "lodge-")
	if !ok {
		return 0, false
	}
	user, random, ok := strings.Cut(rest, "-")
	n, err := strconv.ParseUint(user, 10, 32)
	if !ok || err != nil || random == "" || strings.Trim(random, "0123456789abcdef") != "" {
		return 0, false
	}
	return uint32(n), name == BaseName(uint32(n), random)
}

func parseHome(name string) (netip.Addr, bool) {
	rest, ok := strings.CutPrefix(name, "home-")
	if !ok {
		return netip.Addr{}, false
	}
	ip4, err := netip.ParseAddr(rest)
	if err != nil || CheckHome(ip4) != nil {
		return netip.Addr{}, false
	}
	return ip4, name == homeName(ip4)
}

func CheckHome(ip4 netip.Addr) error {
	if !ip4.Is4() || !loopback.HomeRange.Contains(ip4) {
		return fmt.Errorf("address %s: not in %s", ip4, loopback.HomeRange)
	}
	return nil
}

// ParsePlace reads a path that CreateHome gave.
func ParsePlace(mount, path string) (Place, error) {
	dir, home := filepath.Split(path)
	base := filepath.Base(dir)
	uid, ok := ParseBase(base)
	ip4, ok4 := parseHome(home)
	p := Place{mount, base, uid, ip4}
	if !ok || !ok4 || p.Path() != path {
		return Place{}, fmt.Errorf("path %q: not that of a home under %s", path, mount)
	}
	return p, nil
}

// Places lists every home under mount, of every user.
func Places(mount string) ([]Place, error) {
	bases, err := os.ReadDir(mount)
	if err != nil {
		return nil, fmt.Errorf("list homes: %w", err)
	}
	var out []Place
	for _, b := range bases {
		uid, ok := ParseBase(b.Name())
		if !ok || !b.IsDir() {
			continue
		}
		homes, err := os.ReadDir(filepath.Join(mount, b.Name()))
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed meanwhile
		}
		if err != nil {
			return nil, fmt.Errorf("list homes: %w", err)
		}
		for _, h := range homes {
			if ip4, ok := parseHome(h.Name()); ok && h.IsDir() {
				out = append(out, Place{mount, b.Name(), uid, ip4})
			}
		}
	}
	return out, nil
}

// HomeOf returns the user who has a home of the engine ebpf at ip4, as far as
// the cgroups of this machine show it.
func HomeOf(ip4 netip.Addr) (uid uint32, ok bool) {
	mount, err := procfs.CgroupMount()
	if err != nil {
		return 0, false
	}
	all, err := Places(mount)
	if err != nil {
		return 0, false
	}
	for _, p := range all {
		if p.IP4 == ip4 {
			return p.UID, true
		}
	}
	return 0, false
}
