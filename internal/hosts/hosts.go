// Package hosts keeps marked blocks in a hosts file (hosts(5)): each owner has
// one, and nothing outside of the blocks is ever changed. It does not know
// what the names are for.
package hosts

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Entry is one line: names that one address has.
type Entry struct {
	IP    netip.Addr `json:"ip"`
	Names []string   `json:"names"`
}

// The marks around a block. What follows them on the line is the owner.
const (
	beginMark = "# lodge begin "
	endMark   = "# lodge end "
	note      = "# made by lodge, which removes it again; changes here are lost"
)

// perLine bounds the names on a line: some resolvers read few aliases
// (glibc's NSS buffer grows, musl's lines end at 512 bytes).
const perLine = 6

// Check reports what makes an entry unfit for a hosts file: names are host names
// (RFC 1123, section 2.1) in lower case.
func (e Entry) Check() error {
	if !e.IP.IsValid() || e.IP.Zone() != "" {
		return fmt.Errorf("hosts entry: address %v", e.IP)
	}
	if len(e.Names) == 0 {
		return fmt.Errorf("hosts entry %s: no name", e.IP)
	}
	for _, n := range e.Names {
		if !validName(n) {
			return fmt.Errorf("hosts entry %s: %q is not a host name", e.IP, n)
		}
	}
	return nil
}

func validName(n string) bool {
	if len(n) == 0 || len(n) > 253 {
		return false
	}
	for label := range strings.SplitSeq(n, ".") {
		if len(label) == 0 || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := range len(label) {
			c := label[i]
			if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
				return false
			}
		}
	}
	return true
}

// errOwner is an owner that would not fit the mark.
var errOwner = errors.New("an owner is one word of letters, digits, ., :, / and -")

func validOwner(owner string) bool {
	return owner != "" && !strings.ContainsFunc(owner, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune(".:/-", r)
	})
}

// Set returns text with the owner's block replaced by one of these entries; none
// removes it. Everything else stays byte for byte, so that Set with no entries
// undoes Set with some.
func Set(text []byte, owner string, entries []Entry) ([]byte, error) {
	if !validOwner(owner) {
		return nil, fmt.Errorf("set hosts of %q: %w", owner, errOwner)
	}
	for _, e := range entries {
		if err := e.Check(); err != nil {
			return nil, err
		}
	}
	out := remove(text, owner)
	if len(entries) == 0 {
		return out, nil
	}
	var b bytes.Buffer
	b.Write(out)
	if len(out) > 0 && out[len(out)-1] != '\n' {
		// The mark says that this line end is part of the block.
		fmt.Fprintf(&b, "\n%s%s +\n", beginMark, owner)
	} else {
		fmt.Fprintf(&b, "%s%s\n", beginMark, owner)
	}
	b.WriteString(note + "\n")
	for _, e := range entries {
		for part := range slices.Chunk(e.Names, perLine) {
			fmt.Fprintf(&b, "%s %s\n", e.IP, strings.Join(part, " "))
		}
	}
	fmt.Fprintf(&b, "%s%s\n", endMark, owner)
	return b.Bytes(), nil
}

// remove takes the blocks of an owner out. A block without an end, as a person
// may leave one, is no block: only its mark goes.
func remove(text []byte, owner string) []byte {
	lines := bytes.SplitAfter(text, []byte("\n"))
	var out [][]byte
	for i := 0; i < len(lines); i++ {
		got, joined, ok := begin(lines[i])
		if !ok || got != owner {
			out = append(out, lines[i])
			continue
		}
		end := endOf(lines, i, owner)
		if end < 0 {
			end = i
		}
		if n := len(out); joined && n > 0 {
			out[n-1] = bytes.TrimSuffix(out[n-1], []byte("\n"))
			// Somebody wrote below the block: the line end is needed now.
			if end+1 < len(lines) && len(lines[end+1]) > 0 {
				out[n-1] = append(bytes.Clone(out[n-1]), '\n')
			}
		}
		i = end
	}
	return bytes.Join(out, nil)
}

// endOf returns the line that ends the block which begins at line from, or -1.
func endOf(lines [][]byte, from int, owner string) int {
	for i := from + 1; i < len(lines); i++ {
		if _, _, ok := begin(lines[i]); ok {
			return -1
		}
		if got, ok := mark(lines[i], endMark); ok && got == owner {
			return i
		}
	}
	return -1
}

func begin(line []byte) (owner string, joined, ok bool) {
	owner, ok = mark(line, beginMark)
	if !ok {
		return "", false, false
	}
	owner, joined = strings.CutSuffix(owner, " +")
	return owner, joined, validOwner(owner)
}

func mark(line []byte, m string) (string, bool) {
	rest, ok := bytes.CutPrefix(line, []byte(m))
	return string(bytes.TrimRight(rest, "\r\n")), ok
}

// Owners lists who has a block in text, each once.
func Owners(text []byte) []string {
	var out []string
	for line := range bytes.SplitAfterSeq(text, []byte("\n")) {
		if owner, _, ok := begin(line); ok && !slices.Contains(out, owner) {
			out = append(out, owner)
		}
	}
	return out
}

// Each calls f with every line of text that names an address, and the owner of
// the block in which it is: "" for those that are in none.
func Each(text []byte, f func(owner string, ip netip.Addr, names []string)) {
	lines := bytes.SplitAfter(text, []byte("\n"))
	owner, last := "", -1
	for i, line := range lines {
		if got, _, ok := begin(line); ok {
			owner, last = got, endOf(lines, i, got)
		}
		if i > last {
			owner = ""
		}
		content, _, _ := bytes.Cut(line, []byte("#"))
		fields := strings.Fields(string(content))
		if len(fields) < 2 {
			continue
		}
		if ip, err := netip.ParseAddr(fields[0]); err == nil {
			f(owner, ip, fields[1:])
		}
	}
}
