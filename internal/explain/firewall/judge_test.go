package firewall

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The tests of this file ask twice: the model, and the kernel by a connection.
// Both must say the same.

const port = 5432

func connection(address string) Connection {
	a := netip.MustParseAddr(address)
	return Connection{Protocol: unix.IPPROTO_TCP, Src: a, Dst: a, DstPort: port, SrcPort: 45678, UID: uint32(os.Getuid()), GID: uint32(os.Getgid()), Local: true, LoIndex: 1}
}

// attempt makes the connection and says how it ended.
func attempt(t *testing.T, address string) Outcome {
	t.Helper()
	c, err := net.DialTimeout("tcp", net.JoinHostPort(address, strconv.Itoa(port)), 500*time.Millisecond)
	var ne net.Error
	switch {
	case err == nil:
		_ = c.Close()
		return ""
	case errors.As(err, &ne) && ne.Timeout():
		return Drop
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		return Reject
	}
	t.Fatal(err)
	return ""
}

func judged(fs []Finding) Outcome {
	if len(fs) > 0 && fs[len(fs)-1].Sure {
		return fs[len(fs)-1].Outcome
	}
	return ""
}

var rulesets = []struct {
	name, rules string
	address     string
	want        Outcome
	rule        string // part of what is said of the rule
}{
	{"nothing", "", "127.0.0.1", "", ""},
	{"an empty chain", "table inet t { chain input { type filter hook input priority 0; } }", "127.0.0.1", "", ""},
	{"drop by port", "table inet t { chain input { type filter hook input priority 0; tcp dport 5432 drop; } }", "127.0.0.1", Drop, "tcp dport 5432 drop"},
	{"drop by port, IPv6", "table inet t { chain input { type filter hook input priority 0; tcp dport 5432 drop; } }", "::1", Drop, "tcp dport 5432 drop"},
	{"another port", "table inet t { chain input { type filter hook input priority 0; tcp dport 5433 drop; } }", "127.0.0.1", "", ""},
	{"another protocol", "table inet t { chain input { type filter hook input priority 0; udp dport 5432 drop; } }", "127.0.0.1", "", ""},
	{"lo", "table inet t { chain input { type filter hook input priority 0; iif lo tcp dport 5432 reject; } }", "127.0.0.1", Reject, `iif "lo" tcp dport 5432 reject`},
	{"lo by name, output", `table inet t { chain o { type filter hook output priority 0; oifname "lo" tcp dport 5432 drop; } }`, "127.0.0.1", Drop, `oifname "lo" tcp dport 5432 drop`},
	{"another interface", `table inet t { chain i { type filter hook input priority 0; iifname "eth0" tcp dport 5432 drop; } }`, "127.0.0.1", "", ""},
	{"not lo", `table inet t { chain i { type filter hook input priority 0; iifname != "lo" drop; } }`, "127.0.0.1", "", ""},
	{"interface by prefix", `table inet t { chain i { type filter hook input priority 0; iifname "l*" tcp dport 5432 drop; } }`, "127.0.0.1", Drop, "drop"},
	{"address", "table ip t { chain i { type filter hook input priority 0; ip daddr 127.0.0.1 tcp dport 5432 drop; } }", "127.0.0.1", Drop, "ip daddr 127.0.0.1 tcp dport 5432 drop"},
	{"another address", "table ip t { chain i { type filter hook input priority 0; ip daddr 127.0.0.2 drop; } }", "127.0.0.1", "", ""},
	{"block of addresses", "table ip t { chain i { type filter hook input priority 0; ip daddr 127.0.0.0/12 drop; } }", "127.0.0.1", Drop, "ip daddr"},
	{"block by bytes", "table ip t { chain i { type filter hook input priority 0; ip saddr 127.0.0.0/8 drop; } }", "127.0.0.1", Drop, "ip saddr 127.0.0.0/8 drop"},
	{"only IPv6", "table ip6 t { chain i { type filter hook input priority 0; tcp dport 5432 drop; } }", "127.0.0.1", "", ""},
	{"only IPv6, asked", "table ip6 t { chain i { type filter hook input priority 0; ip6 daddr ::1 tcp dport 5432 drop; } }", "::1", Drop, "ip6 daddr ::1 tcp dport 5432 drop"},
	{"reset", "table inet t { chain i { type filter hook input priority 0; tcp dport 5432 reject with tcp reset; } }", "127.0.0.1", Reject, "reject"},
	{"set", "table inet t { chain i { type filter hook input priority 0; tcp dport { 22, 5432 } drop; } }", "127.0.0.1", Drop, "tcp dport { 22, 5432 } drop"},
	{"not in the set: the answer", "table inet t { chain i { type filter hook input priority 0; tcp dport != { 22, 5432 } drop; } }", "127.0.0.1", Drop, "tcp dport != { 22, 5432 } drop"},
	{"range", "table inet t { chain i { type filter hook input priority 0; tcp dport 5000-6000 drop; } }", "127.0.0.1", Drop, "drop"},
	{"outside the range", "table inet t { chain i { type filter hook input priority 0; tcp dport 5433-6000 drop; } }", "127.0.0.1", "", ""},
	{"not in the range: the answer", "table inet t { chain i { type filter hook input priority 0; tcp dport != 1-6000 drop; } }", "127.0.0.1", Drop, "tcp dport != 1-6000 drop"},
	{"set of ranges", "table inet t { set s { type inet_service; flags interval; elements = { 1-100, 5000-5500, 9000 }; } chain i { type filter hook input priority 0; tcp dport @s drop; } }", "127.0.0.1", Drop, "tcp dport @s drop"},
	{"between a set's ranges", "table inet t { set s { type inet_service; flags interval; elements = { 1-100, 5000-5431, 5433-9000 }; } chain i { type filter hook input priority 0; tcp dport @s drop; } }", "127.0.0.1", "", ""},
	{"concatenation", "table inet t { chain i { type filter hook input priority 0; ip daddr . tcp dport { 127.0.0.1 . 22, 127.0.0.1 . 5432 } drop; } }", "127.0.0.1", Drop, "drop"},
	{"ranges in two dimensions", "table inet t { set s { type ipv4_addr . inet_service; flags interval; elements = { 127.0.0.0/8 . 5000-6000 }; } chain i { type filter hook input priority 0; ip daddr . tcp dport @s drop; } }", "127.0.0.1", Drop, "drop"},
	{"outside one dimension", "table inet t { set s { type ipv4_addr . inet_service; flags interval; elements = { 127.0.0.0/8 . 6000-7000 }; } chain i { type filter hook input priority 0; ip daddr . tcp dport @s drop; } }", "127.0.0.1", "", ""},
	{"verdict map", "table inet t { chain i { type filter hook input priority 0; tcp dport vmap { 22 : accept, 5432 : drop }; } }", "127.0.0.1", Drop, "tcp dport vmap { 22 : accept, 5432 : drop }"},
	{"verdict map, jump", "table inet t { chain db { reject; } chain i { type filter hook input priority 0; tcp dport vmap { 22 : accept, 5432 : jump db }; } }", "127.0.0.1", Reject, "reject"},
	{"policy", "table inet t { chain i { type filter hook input priority 0; policy drop; ip saddr 10.0.0.0/8 accept; } }", "127.0.0.1", Drop, "policy drop"},
	{"policy with lo let in", "table inet t { chain i { type filter hook input priority 0; policy drop; iif lo accept; } }", "127.0.0.1", "", ""},
	{"policy with states", "table inet t { chain i { type filter hook input priority 0; policy drop; ct state established,related accept; tcp dport 5432 ct state new accept; } }", "127.0.0.1", "", ""},
	{"policy with states, another port", "table inet t { chain i { type filter hook input priority 0; policy drop; ct state established,related accept; tcp dport 22 ct state new accept; } }", "127.0.0.1", Drop, "policy drop"},
	{"state", "table inet t { chain i { type filter hook input priority 0; ct state new tcp dport 5432 drop; } }", "127.0.0.1", Drop, "ct state new tcp dport 5432 drop"},
	{"the answer", "table inet t { chain o { type filter hook output priority 0; tcp sport 5432 drop; } }", "127.0.0.1", Drop, "tcp sport 5432 drop"},
	{"accept ends only its chain", "table inet a { chain i { type filter hook input priority -5; tcp dport 5432 accept; } }\ntable inet b { chain i { type filter hook input priority 5; tcp dport 5432 drop; } }", "127.0.0.1", Drop, "tcp dport 5432 drop"},
	{"accept before drop", "table inet a { chain i { type filter hook input priority 0; tcp dport 5432 accept; tcp sport 5432 accept; drop; } }", "127.0.0.1", "", ""},
	{"return from a chain", "table inet a { chain c { th dport 5432 return; tcp sport 5432 return; drop; } chain i { type filter hook input priority 0; jump c; } }", "127.0.0.1", "", ""},
	{"goto does not come back", "table inet a { chain c { tcp dport 1 drop; } chain i { type filter hook input priority 0; goto c; drop; } }", "127.0.0.1", "", ""},
	{"user", "table inet a { chain o { type filter hook output priority 0; tcp dport 5432 meta skuid 0 drop; } }", "127.0.0.1", Drop, "meta skuid 0 drop"},
	{"another user", "table inet a { chain o { type filter hook output priority 0; tcp dport 5432 meta skuid 4711 drop; } }", "127.0.0.1", "", ""},
	{"a range of users", "table inet a { chain o { type filter hook output priority 0; tcp dport 5432 meta skuid 1000-60000 drop; } }", "127.0.0.1", "", ""},
	{"a mark that nobody sets", "table inet a { chain o { type filter hook output priority 0; meta mark 0x1 drop; meta mark and 0x8000 == 0x8000 drop; } }", "127.0.0.1", "", ""},
	{"fib, local", "table inet a { chain p { type filter hook prerouting priority 0; fib daddr type local tcp dport 5432 drop; } }", "127.0.0.1", Drop, "tcp dport 5432 drop"},
	{"fib, way back", "table inet a { chain p { type filter hook prerouting priority 0; fib saddr . iif oif missing drop; } }", "127.0.0.1", "", ""},
	{"invalid state", "table inet a { chain i { type filter hook input priority 0; ct state invalid drop; } }", "127.0.0.1", "", ""},
	{"not tracked", "table inet a { chain o { type filter hook output priority raw; tcp dport 5432 notrack; } chain i { type filter hook input priority 0; iif lo ct state established accept; } }", "127.0.0.1", "", ""},
	{"flags", "table inet a { chain i { type filter hook input priority 0; tcp flags & (syn|ack) == syn tcp dport 5432 drop; } }", "127.0.0.1", Drop, "drop"},
	{"a table asleep", "table inet a { flags dormant; chain i { type filter hook input priority 0; drop; } }", "127.0.0.1", "", ""},
	{"forwarded only", "table inet a { chain f { type filter hook forward priority 0; drop; } }", "127.0.0.1", "", ""},
	{"counter and log", `table inet a { chain i { type filter hook input priority 0; tcp dport 5432 counter log prefix "x " drop comment "no database"; } }`, "127.0.0.1", Drop, "tcp dport 5432 [log] drop"},
}

// load exchanges the ruleset. nft(8) wants a line's end between blocks.
func load(t *testing.T, nft, rules string) {
	t.Helper()
	run(t, "flush ruleset\n"+strings.NewReplacer("; } }", ";\n}\n}", "} }", "}\n}", "} chain", "}\nchain").Replace(rules)+"\n", nft, "-f", "-")
}

func TestJudgeAsTheKernel(t *testing.T) {
	nft := program(t, "nft")
	listen(t, "127.0.0.1:5432")
	listen(t, "[::1]:5432")
	for _, c := range rulesets {
		t.Run(c.name, func(t *testing.T) {
			load(t, nft, c.rules)
			rs, err := Read()
			if err != nil {
				t.Fatal(err)
			}
			got := rs.Judge(connection(c.address))
			if judged(got) != c.want {
				t.Errorf("judged %+v, want %q", got, c.want)
			}
			if real := attempt(t, c.address); real != c.want {
				t.Errorf("the kernel says %q, the test expects %q", real, c.want)
			}
			if c.want == "" && len(got) != 0 {
				t.Errorf("found %+v", got)
			}
			if c.want != "" && len(got) > 0 && !strings.Contains(got[len(got)-1].Rule, c.rule) {
				t.Errorf("said %q, want %q", got[len(got)-1].Rule, c.rule)
			}
		})
	}
	load(t, nft, "")
}

// The command that a finding gives takes the rule away.
func TestDelete(t *testing.T) {
	nft := program(t, "nft")
	listen(t, "127.0.0.1:5432")
	for _, rules := range []string{
		`table inet t { chain i { type filter hook input priority 0; iif lo accept; }
		 chain o { type filter hook output priority 0; tcp dport 5432 drop comment "no database"; } }`,
		`table inet t { chain i { type filter hook input priority 0; policy drop; } }`,
	} {
		load(t, nft, rules)
		rs, err := Read()
		if err != nil {
			t.Fatal(err)
		}
		got := rs.Judge(connection("127.0.0.1"))
		if judged(got) != Drop {
			t.Fatalf("judged %+v", got)
		}
		if strings.Contains(rules, "comment") && got[0].Comment != "no database" {
			t.Errorf("comment %q", got[0].Comment)
		}
		run(t, "", "/bin/sh", "-c", "PATH=$PATH:/usr/sbin:/sbin; "+got[0].Delete)
		if real := attempt(t, "127.0.0.1"); real != "" {
			t.Errorf("after %s: %s", got[0].Delete, real)
		}
	}
	load(t, nft, "")
}

// What cannot be known makes no verdict.
func TestUnsure(t *testing.T) {
	nft := program(t, "nft")
	for _, rules := range []string{
		"table inet a { chain i { type filter hook input priority 0; tcp dport 5432 limit rate over 1/hour burst 1 packets drop; } }",
		"table inet a { chain i { type filter hook input priority 0; tcp dport 5432 numgen random mod 2 0 drop; } }",
		"table inet a { chain o { type filter hook output priority 0; meta mark set 1; meta mark 1 drop; } }",
		"table inet a { chain i { type filter hook input priority 0; socket transparent 1 drop; } }",
		"table inet a { chain i { type filter hook input priority 0; tcp option mss 100-200 drop; } }",
		"table inet a { chain i { type filter hook input priority 0; policy drop; limit rate 10/second accept; } }",
	} {
		load(t, nft, rules)
		rs, err := Read()
		if err != nil {
			t.Fatal(err)
		}
		got := rs.Judge(connection("127.0.0.1"))
		if len(got) == 0 || got[0].Sure {
			t.Errorf("%s: judged %+v", rules, got)
		}
	}
	load(t, nft, "")
}

func TestRedirect(t *testing.T) {
	nft := program(t, "nft")
	load(t, nft, "table ip n { chain o { type nat hook output priority -100; ip daddr 127.0.0.1 tcp dport 5432 redirect to :9999; } }")
	rs, err := Read()
	if err != nil {
		t.Fatal(err)
	}
	if got := rs.Judge(connection("127.0.0.1")); judged(got) != Redirect {
		t.Errorf("judged %+v", got)
	}
	load(t, nft, "")
}

var iptables = []struct {
	name string
	args []string
	want Outcome
}{
	{"drop", []string{"-A INPUT -p tcp --dport 5432 -j DROP"}, Drop},
	{"reject", []string{`-A INPUT -i lo -p tcp -m tcp --dport 5432 -m comment --comment "no \"database\" here" -j REJECT`}, Reject},
	{"output", []string{"-A OUTPUT -o lo -p tcp --dport 5432 -j DROP"}, Drop},
	{"another port", []string{"-A INPUT -p tcp --dport 5433 -j DROP"}, ""},
	{"negated", []string{"-A INPUT -p tcp ! --dport 5432 -j DROP"}, Drop}, // the answer
	{"negated, here", []string{"-A INPUT ! -i lo -p tcp --dport 5432 -j DROP"}, ""},
	{"address", []string{"-A INPUT -d 127.0.0.0/8 -p tcp --dport 5000:6000 -j DROP"}, Drop},
	{"multiport", []string{"-A INPUT -p tcp -m multiport --dports 22,5432:5440 -j DROP"}, Drop},
	{"multiport, another", []string{"-A INPUT -p tcp -m multiport --dports 22,5433:5440 -j DROP"}, ""},
	{"policy", []string{"-P INPUT DROP", "-A INPUT -p tcp --sport 1:6000 -j ACCEPT"}, Drop},
	{"policy, lo let in", []string{"-P INPUT DROP", "-A INPUT -i lo -j ACCEPT"}, ""},
	{"state", []string{"-P INPUT DROP", "-A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT", "-A INPUT -p tcp --dport 5432 -m state --state NEW -j ACCEPT"}, ""},
	{"chain", []string{"-N db", "-A db -s 10.0.0.0/8 -j RETURN", "-A db -j DROP", "-A INPUT -p tcp --dport 5432 -j db"}, Drop},
	{"chain, return", []string{"-N db", "-A db -s 127.0.0.1 -j RETURN", "-A db -j DROP", "-A INPUT -p tcp --dport 5432 -j db"}, ""},
	{"owner", []string{"-A OUTPUT -p tcp --dport 5432 -m owner --uid-owner 0 -j DROP"}, Drop},
	{"log goes on", []string{"-A INPUT -p tcp --dport 5432 -j LOG", "-A INPUT -p tcp --dport 5432 -j DROP"}, Drop},
}

// Both iptables, the older one and nftables'.
func TestIptables(t *testing.T) {
	if os.Getenv(inside) != asRoot {
		t.Skip("needs root: iptables locks /run/xtables.lock and reads /proc/net/ip_tables_names, which are root's")
	}
	nft := program(t, "nft")
	listen(t, "127.0.0.1:5432")
	for _, kind := range []string{"iptables-legacy", "iptables-nft"} {
		t.Run(kind, func(t *testing.T) {
			bin := program(t, kind)
			clean := func() {
				run(t, "", "/bin/sh", "-c", bin+" -P INPUT ACCEPT; "+bin+" -F; "+bin+" -X")
				load(t, nft, "")
			}
			for _, c := range iptables {
				t.Run(c.name, func(t *testing.T) {
					clean()
					defer clean()
					for _, a := range c.args {
						run(t, "", "/bin/sh", "-c", bin+" "+a)
					}
					got := Ask(t.Context(), connection("127.0.0.1"))
					if len(got.Unknown) != 0 || got.Denied {
						t.Errorf("unknown: %v", got.Unknown)
					}
					if real := attempt(t, "127.0.0.1"); real != c.want {
						t.Errorf("the kernel says %q, the test expects %q", real, c.want)
					}
					if kind == "iptables-nft" && len(got.Findings) > 0 && !got.Findings[len(got.Findings)-1].Sure && c.want != "" {
						return // a match of C structures that is not read
					}
					if judged(got.Findings) != c.want {
						t.Errorf("judged %+v, want %q", got.Findings, c.want)
					}
				})
			}
		})
	}
}
