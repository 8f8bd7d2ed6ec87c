package gather

import (
	"bufio"
	"context"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"lodge/internal/explain/facts"
	"lodge/internal/loopback"
)

// resolvePatience is how long DNS may take.
const resolvePatience = 2 * time.Second

// resolve reports what a name means here, in the order in which programs try the
// addresses (RFC 6724): the hosts file, RFC 6761 for localhost, else DNS.
// local reports whether this machine has an address.
func resolve(ctx context.Context, name, hosts string, local func(netip.Addr) bool, lodge *facts.Name) *facts.Resolution {
	res := &facts.Resolution{}
	if f, err := os.Open(hosts); err == nil {
		res.Addresses, res.Lines = parseHosts(f, name)
		_ = f.Close() // only read from
	}
	special, _ := loopback.SpecialNameOf(name)
	switch {
	case len(res.Addresses) > 0:
		res.Source = "hosts file"
	case lodge != nil && lodge.Domain == "test" && lodge.Up && lodge.Missing == "":
		res.Source, res.Addresses = "lodge", []netip.Addr{lodge.Home}
	case special.Domain == "localhost":
		res.Source = "RFC 6761"
		res.Addresses = []netip.Addr{netip.IPv6Loopback(), facts.Loopback4}
	case special.Domain == "test" || special.Domain == "invalid":
		// No resolver has these, and none must be asked.
		res.Source, res.Err = special.RFC, "no resolver knows names in ."+special.Domain
		return res
	default:
		res.Source = "DNS"
		short, cancel := context.WithTimeout(ctx, resolvePatience)
		defer cancel()
		ips, err := (&net.Resolver{PreferGo: true}).LookupNetIP(short, "ip", name)
		if err != nil {
			res.Err = dnsError(err)
			return res
		}
		for _, ip := range ips {
			res.Addresses = append(res.Addresses, ip.Unmap())
		}
		return res // DNS sorts by itself
	}
	// The default policy of RFC 6724 puts ::1 before IPv4, and an address
	// without a source, as ::1 without IPv6, last.
	rank := func(ip netip.Addr) int {
		switch {
		case ip.Is6() && !local(ip) && ip.IsLoopback():
			return 2
		case ip.Is6():
			return 0
		}
		return 1
	}
	slices.SortStableFunc(res.Addresses, func(a, b netip.Addr) int { return rank(a) - rank(b) })
	return res
}

func dnsError(err error) string {
	var d *net.DNSError
	if e, ok := err.(*net.DNSError); ok {
		d = e
	}
	switch {
	case d != nil && d.IsNotFound:
		return "no such name"
	case d != nil && d.IsTimeout:
		return "the name server does not answer"
	case d != nil:
		return d.Err
	}
	return err.Error()
}

// parseHosts returns the addresses of a name in a hosts file (hosts(5)), and the
// lines that have it.
func parseHosts(f interface{ Read([]byte) (int, error) }, name string) (ips []netip.Addr, lines []string) {
	s := bufio.NewScanner(f)
	for s.Scan() {
		line, _, _ := strings.Cut(s.Text(), "#")
		words := strings.Fields(line)
		if len(words) < 2 || !slices.ContainsFunc(words[1:], func(w string) bool { return strings.EqualFold(strings.TrimSuffix(w, "."), name) }) {
			continue
		}
		ip, err := netip.ParseAddr(words[0])
		if err != nil {
			continue
		}
		lines = append(lines, strings.Join(words, " "))
		if ip = ip.Unmap(); !slices.Contains(ips, ip) {
			ips = append(ips, ip)
		}
	}
	return ips, lines
}
