package firewall

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// Result is what both packet filters say of a connection.
type Result struct {
	Findings []Finding
	// Unknown says, one line each, what could not be read.
	Unknown []string
	// Denied says that reading needs privilege (CAP_NET_ADMIN).
	Denied bool
}

// Ask reads the packet filters of this network namespace and judges the
// connection. It never fails: what cannot be read is told in Unknown.
func Ask(ctx context.Context, c Connection) Result {
	var out Result
	rs, err := Read()
	switch {
	case err == nil:
		out.Findings = rs.Judge(c)
	case errors.Is(err, errNotThere):
	case errors.Is(err, os.ErrPermission):
		out.Denied = true
		out.Unknown = append(out.Unknown, "the firewall's rules: reading them needs root")
	default:
		out.Unknown = append(out.Unknown, err.Error())
	}
	if out.Denied || sure(out.Findings) {
		return out
	}
	t, err := readTables(ctx, c.Dst.Unmap().Is4())
	if err != nil {
		out.Unknown = append(out.Unknown, err.Error())
	}
	if t != nil {
		out.Findings = append(out.Findings, t.Judge(c)...)
	}
	return out
}

func sure(fs []Finding) bool { return len(fs) > 0 && fs[len(fs)-1].Sure }

// sbin is where iptables-save is, for a PATH that lacks it.
var sbin = [...]string{"/usr/sbin/", "/sbin/", "/usr/local/sbin/"}

// readTables reads the older iptables' rules, where the kernel has such tables
// (/proc/net/ip_tables_names); nil where it has none.
func readTables(ctx context.Context, four bool) (*Tables, error) {
	names, family, programs := "/proc/net/ip_tables_names", byte(familyIPv4), []string{"iptables-legacy-save", "iptables-save"}
	if !four {
		names, family, programs = "/proc/net/ip6_tables_names", familyIPv6, []string{"ip6tables-legacy-save", "ip6tables-save"}
	}
	b, err := os.ReadFile(names)
	if errors.Is(err, os.ErrNotExist) || err == nil && len(bytes.TrimSpace(b)) == 0 {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("the older iptables' rules: %w", err)
	}
	for _, name := range programs {
		for _, dir := range sbin {
			if _, err := os.Stat(dir + name); err != nil {
				continue
			}
			cmd := exec.CommandContext(ctx, dir+name)
			cmd.Env = []string{"PATH=/usr/sbin:/sbin:/usr/bin:/bin", "LC_ALL=C"}
			out, err := cmd.Output()
			if err != nil {
				return nil, fmt.Errorf("the older iptables' rules: run %s: %w", name, err)
			}
			// Where iptables is nftables', iptables-save prints nftables' rules.
			if name == programs[1] && strings.Contains(string(out), "nf_tables") {
				continue
			}
			return parseSave(family, string(out))
		}
	}
	return nil, fmt.Errorf("the older iptables' rules (tables %s): the program %s is not there to read them", strings.Join(strings.Fields(string(b)), ", "), programs[0])
}
