package lan

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/pion/mdns/v2"
	"golang.org/x/net/ipv4"
)

// The machine's network is nobody's to try things in: these tests run in
// network namespaces of their own.
func inNamespace(t *testing.T, script string) bool {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root, for a network namespace")
	}
	if os.Getenv("LAN_TEST") != "" {
		return true
	}
	name := t.Name()
	cmd := exec.Command("unshare", "--net", "sh", "-c", "ip link set lo up; "+script+` exec "$0" "$@"`, os.Args[0], "-test.run=^"+name+"$", "-test.v")
	cmd.Env = append(os.Environ(), "LAN_TEST=1")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: "+name) {
		t.Fatalf("%v\n%s", err, out)
	}
	return false
}

const twoInterfaces = `ip link add d0 type veth peer name pd0; ip link set pd0 up; ip address add 10.9.0.2/24 dev d0; ip link set d0 up;
ip link add docker0 type veth peer name pdocker0; ip link set pdocker0 up; ip address add 172.17.0.1/16 dev docker0; ip link set docker0 up;
ip link add d1 type veth peer name pd1; ip link set pd1 up; ip address add 10.8.0.2/24 dev d1; ip link set d1 up;`

func TestFind(t *testing.T) {
	if !inNamespace(t, twoInterfaces+"ip route add default via 10.8.0.1;") {
		return
	}
	a, err := Find(netip.Addr{})
	if err != nil || a.IP.String() != "10.8.0.2" || a.Interface != "d1" {
		t.Errorf("got %+v, %v: want the address of the default route", a, err)
	}
	if a, err = Find(netip.MustParseAddr("172.17.0.1")); err != nil || a.Interface != "docker0" {
		t.Errorf("got %+v, %v", a, err)
	}
	if _, err = Find(netip.MustParseAddr("192.168.1.1")); err == nil || !strings.Contains(err.Error(), "10.9.0.2 (d0)") {
		t.Errorf("got %v", err)
	}
}

func TestFindWithoutARoute(t *testing.T) {
	if !inNamespace(t, twoInterfaces) {
		return
	}
	if a, err := Find(netip.Addr{}); err != nil || strings.HasPrefix(a.Interface, "docker") {
		t.Errorf("got %+v, %v", a, err)
	}
}

func TestFindNothing(t *testing.T) {
	if !inNamespace(t, "") {
		return
	}
	if a, err := Find(netip.Addr{}); !errors.Is(err, ErrNone) {
		t.Errorf("got %+v, %v", a, err)
	}
}

func TestAnnounce(t *testing.T) {
	if !inNamespace(t, "ip link add d0 type veth peer name pd0; ip link set pd0 up; ip address add 10.9.0.2/24 dev d0; ip link set d0 up multicast on;") {
		return
	}
	at, err := Find(netip.Addr{})
	if err != nil {
		t.Fatal(err)
	}
	n, err := Announce("web-shop.local", at)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	ifi, err := net.InterfaceByName("d0")
	if err != nil {
		t.Fatal(err)
	}
	sock, err := net.ListenUDP("udp4", &mdnsGroup)
	if err != nil {
		t.Fatal(err)
	}
	c, err := mdns.NewServer(ipv4.NewPacketConn(sock), nil, mdns.WithInterfaces(*ifi))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	_, got, err := c.QueryAddr(ctx, "web-shop.local")
	if err != nil || fmt.Sprint(got.WithZone("")) != "10.9.0.2" {
		t.Errorf("got %v, %v", got, err)
	}
}
