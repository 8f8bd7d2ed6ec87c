package serving

import (
	"bufio"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestClients: each process is a client of its own, whatever its connections;
// a connection that is gone has none.
func TestClients(t *testing.T) {
	for _, network := range []string{"127.0.0.1:0", "[::1]:0"} {
		ln, err := net.Listen("tcp", network)
		if err != nil {
			t.Logf("no %s on this machine: %v", network, err)
			continue
		}
		defer ln.Close()
		var c clients
		defer c.close()
		taken := func() net.Conn {
			t.Helper()
			conn, err := ln.Accept()
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { conn.Close() })
			return conn
		}
		of := func(conn net.Conn) (string, bool) {
			return c.of(netip.MustParseAddrPort(conn.RemoteAddr().String()), netip.MustParseAddrPort(conn.LocalAddr().String()))
		}
		var own []net.Conn
		for range 2 {
			mine, err := net.Dial("tcp", ln.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer mine.Close()
			own = append(own, taken())
		}
		// Another process: a shell that holds a connection until its input ends.
		host, port, _ := net.SplitHostPort(ln.Addr().String())
		other := exec.Command("bash", "-c", `exec 3<>/dev/tcp/$0/$1 && echo connected && read x`, host, port)
		in, err := other.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := other.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := other.Start(); err != nil {
			t.Skipf("needs bash: %v", err)
		}
		defer func() {
			in.Close()
			other.Wait() // read ends with status 1
		}()
		if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || strings.TrimSpace(line) != "connected" {
			t.Fatalf("%q, %v", line, err)
		}
		theirs := taken()
		one, ok := of(own[0])
		if want := fmt.Sprintf("process %d, ", os.Getpid()); !ok || !strings.HasPrefix(one, want) {
			t.Errorf("own connection: %q, want %q", one, want)
		}
		if two, _ := of(own[1]); two != one {
			t.Errorf("one process is %q and %q", one, two)
		}
		if three, ok := of(theirs); !ok || !strings.HasPrefix(three, fmt.Sprintf("process %d, ", other.Process.Pid)) {
			t.Errorf("process %d is %q", other.Process.Pid, three)
		}
		if got, ok := c.of(netip.MustParseAddrPort("127.0.0.1:1"), netip.MustParseAddrPort("127.0.0.1:2")); ok {
			t.Errorf("a connection that is not there: %q", got)
		}
	}
}
