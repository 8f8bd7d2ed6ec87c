package machine

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestWithoutSockDiag takes the modules of sock_diag away for good, one after
// the other, and works without them: with the seccomp engine as an ordinary
// user, with the ebpf engine as root.
func TestWithoutSockDiag(t *testing.T) {
	dir := programs(t)
	lodge := filepath.Join(dir, "lodge")
	// What the kernel starts to load a module.
	if err := os.WriteFile("/proc/sys/kernel/modprobe", []byte("/bin/false\n"), 0); err != nil {
		t.Fatal(err)
	}
	unload(t, "udp_diag")
	u := newUser(t, 12346)
	if no := missing(u, lodge); !slices.Equal(no, []string{"udp"}) {
		t.Errorf("without udp_diag doctor says no to sock_diag of %q", no)
	}
	t.Run("udp", func(t *testing.T) { shopWithoutDiag(newUser(t, 12346), dir, "seccomp", "UDP") })
	unload(t, "mptcp_diag", "raw_diag", "tcp_diag", "unix_diag", "inet_diag")
	if no := missing(u, lodge); !slices.Equal(no, []string{"tcp", "udp", "unix"}) {
		t.Errorf("without all modules doctor says no to sock_diag of %q", no)
	}
	t.Run("seccomp", func(t *testing.T) { shopWithoutDiag(newUser(t, 12346), dir, "seccomp", "TCP", "UDP") })
	t.Run("ebpf", func(t *testing.T) { shopWithoutDiag(newUser(t, 0), dir, "ebpf", "TCP", "UDP") })
}

// unload removes modules of the kernel, as far as they are loaded.
func unload(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		if err := unix.DeleteModule(name, unix.O_NONBLOCK); err != nil && !errors.Is(err, unix.ENOENT) {
			t.Fatalf("unload %s: %v", name, err)
		}
	}
}

// missing returns the protocols of which doctor says that sock_diag does not
// tell the sockets.
func missing(u *user, lodge string) []string {
	u.t.Helper()
	var doctor struct {
		Capabilities []struct{ Name, Status, Reason, Hint string }
	}
	out := u.do("", lodge, "doctor", "--json")
	if err := json.Unmarshal([]byte(out), &doctor); err != nil {
		u.t.Fatalf("read doctor --json: %v\n%s", err, out)
	}
	var no []string
	for _, c := range doctor.Capabilities {
		protocol, ok := strings.CutPrefix(c.Name, "sock_diag ")
		if !ok || c.Status == "yes" {
			continue
		}
		no = append(no, protocol)
		if c.Status != "no" || !strings.Contains(c.Hint, "modprobe "+protocol+"_diag") || !strings.Contains(c.Reason, "/proc/net/"+protocol) {
			u.t.Errorf("doctor: %+v", c)
		}
	}
	return no
}

// shopWithoutDiag brings up examples/shop and looks at it.
func shopWithoutDiag(u *user, dir, engine string, procs ...string) {
	t := u.t
	t.Helper()
	lodge := filepath.Join(dir, "lodge")
	u.mkdir("shop")
	u.mkdir("shop/bin")
	for from, to := range map[string]string{"../../examples/shop/lodge.toml": "shop/lodge.toml", filepath.Join(dir, "shop"): "shop/bin/shop"} {
		b, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(u.path(to), b, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	u.do("shop", lodge, "up", "-d", "--engine", engine)
	home, page := u.readyShop(lodge, engine)
	if got := u.do("shop", lodge, "exec", "--", "bin/shop", "get", "http://localhost:3000/"); strings.Count(got, "<td>"+u.path("shop")) != 3 {
		t.Errorf("inside: %s", got)
	}
	// By its name the page comes through the proxy, which asks the kernel whose
	// the listener is.
	if got := getByName(t, page); !strings.Contains(got, "<td>"+u.path("shop")) {
		t.Errorf("by its name, %s: %s", page, got)
	}
	var table struct {
		Sockets []struct {
			Source, Project, Service string
			BacklogLimit             *int `json:"backlog_limit"`
			Cookie                   uint64
		}
		Warnings []string
	}
	out := u.do("shop", lodge, "ports", "--json", "--state", "listen", home+":3000")
	if err := json.Unmarshal([]byte(out), &table); err != nil {
		t.Fatalf("read ports --json: %v\n%s", err, out)
	}
	tcp := slices.Contains(procs, "TCP")
	if len(table.Sockets) != 1 || table.Sockets[0].Service != "page" || (table.Sockets[0].Source == "proc") != tcp ||
		(table.Sockets[0].Cookie == 0) != tcp || (table.Sockets[0].BacklogLimit == nil) != tcp {
		t.Errorf("ports: %s", out)
	}
	for _, p := range procs {
		if !slices.ContainsFunc(table.Warnings, func(w string) bool { return strings.HasPrefix(w, p+" sockets are read from /proc/net") }) {
			t.Errorf("ports does not say that %s sockets are read from /proc/net: %q", p, table.Warnings)
		}
	}
	if said := u.do("shop", lodge, "explain", home+":3000"); !strings.Contains(said, "ervice page of project shop") {
		t.Errorf("explain: %s", said)
	}
	u.do("shop", lodge, "down")
}

// getByName fetches a page by the name of a service.
func getByName(t *testing.T, address string) string {
	t.Helper()
	at, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	port := at.Port()
	if port == "" {
		port = "443"
	}
	c := &http.Client{Timeout: limit, Transport: &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{InsecureSkipVerify: true}, // whose certificate it is matters elsewhere
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", "127.0.0.1:"+port)
		},
	}}
	resp, err := c.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("get %s: %s, %v", address, resp.Status, err)
	}
	return string(b)
}

// readyShop checks what ls says of the shop, and returns its home and the
// address of its page.
func (u *user) readyShop(lodge, engine string) (home, page string) {
	u.t.Helper()
	var ls struct {
		Projects []struct {
			Engine, Home string
			Services     []struct {
				Name, State, URL string
				Endpoints        []struct{ Port int }
			}
		}
	}
	out := u.do("shop", lodge, "ls", "--json")
	if err := json.Unmarshal([]byte(out), &ls); err != nil || len(ls.Projects) != 1 {
		u.t.Fatalf("read ls --json: %v\n%s", err, out)
	}
	p := ls.Projects[0]
	if p.Engine != engine || len(p.Services) != 3 {
		u.t.Errorf("ls: %s", out)
	}
	ports := map[string]int{"store": 5000, "api": 4000, "page": 3000}
	for _, s := range p.Services {
		if s.State != "ready" || len(s.Endpoints) != 1 || s.Endpoints[0].Port != ports[s.Name] {
			u.t.Errorf("ls: %+v", s)
		}
		if s.Name == "page" {
			page = s.URL
		}
	}
	return p.Home, page
}
