package gather

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"lodge/internal/explain/facts"
	"lodge/internal/procfs"
	"lodge/internal/target"
)

// readKernel reads the settings and counters under root, which is /proc. What
// cannot be read is told in the second value.
func readKernel(root string) (facts.Kernel, []string) {
	var k facts.Kernel
	var unknown []string
	read := func(name string, parse func(string) error) {
		b, err := os.ReadFile(root + name)
		if err == nil {
			err = parse(string(b))
		}
		if err != nil {
			unknown = append(unknown, fmt.Sprintf("%s: %v", name, err))
		}
	}
	read("/sys/net/ipv4/ip_local_port_range", func(s string) (err error) {
		k.EphemeralFirst, k.EphemeralLast, err = parsePortRange(s)
		return err
	})
	read("/sys/net/ipv4/ip_local_reserved_ports", func(s string) (err error) {
		k.Reserved, err = parseReserved(s)
		return err
	})
	k.UnprivilegedStart = 1024 // as in kernels before the setting (4.11)
	read("/sys/net/ipv4/ip_unprivileged_port_start", func(s string) error {
		n, err := strconv.ParseUint(strings.TrimSpace(s), 10, 17)
		k.UnprivilegedStart = uint16(min(n, 65535))
		return err
	})
	read("/sys/net/ipv4/tcp_abort_on_overflow", func(s string) error {
		k.AbortOnOverflow = strings.TrimSpace(s) == "1"
		return nil
	})
	read("/net/netstat", func(s string) error {
		v := procfs.ParseTCPExt([]byte(s))
		k.Overflows, k.Drops = v["ListenOverflows"], v["ListenDrops"]
		return nil
	})
	return k, unknown
}

// parsePortRange reads "32768	60999".
func parsePortRange(s string) (first, last uint16, err error) {
	f := strings.Fields(s)
	if len(f) != 2 {
		return 0, 0, fmt.Errorf("range %q", s)
	}
	if first, err = target.Port(f[0]); err != nil {
		return 0, 0, err
	}
	if last, err = target.Port(f[1]); err != nil {
		return 0, 0, err
	}
	if first > last {
		return 0, 0, fmt.Errorf("range %q", s)
	}
	return first, last, nil
}

// parseReserved reads "8080,9000-9100" (ip-sysctl.rst).
func parseReserved(s string) ([]facts.Range, error) {
	var out []facts.Range
	for one := range strings.SplitSeq(strings.TrimSpace(s), ",") {
		if one == "" {
			continue
		}
		from, to, isRange := strings.Cut(one, "-")
		if !isRange {
			to = from
		}
		first, err := target.Port(from)
		if err != nil {
			return nil, err
		}
		last, err := target.Port(to)
		if err != nil {
			return nil, err
		}
		out = append(out, facts.Range{First: first, Last: last})
	}
	return out, nil
}
