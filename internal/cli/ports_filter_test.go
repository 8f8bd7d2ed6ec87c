package cli

import (
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
)

// TestPortsExpressions asks for real sockets by expressions, as the kernel, the
// search for processes and the matching of rows together answer them.
func TestPortsExpressions(t *testing.T) {
	sh := newShell(t)
	var ports []int
	for _, at := range []string{"127.0.0.1:0", "127.0.0.2:0"} {
		l, err := net.Listen("tcp4", at)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
	}
	c, err := net.Dial("tcp4", fmt.Sprintf("127.0.0.1:%d", ports[0]))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	a, b := fmt.Sprint(ports[0]), fmt.Sprint(ports[1])
	me := fmt.Sprintf("pid=%d", os.Getpid())
	client := fmt.Sprint(c.LocalAddr().(*net.TCPAddr).Port)
	for _, test := range []struct {
		words string
		want  string // listeners a and b, the ends of the connection c
	}{
		{me + " port=" + a + "," + b, "a b c"},
		{a + " or " + b, "a b c"},
		{me + " and state=listen and (" + a + " or " + b + ")", "a b"},
		{me + " port=" + a + "," + b + " and not state=listen", "c"},
		{me + " port " + a + " state!=listen", "c"},
		{me + " port=" + a + "," + b + " not 127.0.0.1", "b"},
		{me + " local=127.0.0.2 and port=" + b, "b"},
		{a + " and " + client, "c"},
		{a + " and port=" + client + " and rtt>=0us", "c"},
		{a + " and " + b, ""},
		{me + " port>=" + b + " port<=" + b + " state=listen", "b"},
		{"command~cli.test port=" + a + "," + b + " protocol!=udp", "a b c"},
		{"(process~cli.test " + a + ") or (process~nothing-like-it " + b + ")", "a c"},
	} {
		code, out, stderr := sh.run("ports", "--json", test.words)
		if code != 0 {
			t.Errorf("%s: status %d, %s", test.words, code, stderr)
		}
		var got []string
		for name, mark := range map[string]string{"a": `"state":"listen","local":{"ip":"127.0.0.1","port":` + a + `}`, "b": `"state":"listen","local":{"ip":"127.0.0.2","port":` + b + `}`, "c": `"state":"established","local":{"ip":"127.0.0.1","port":` + client + `}`} {
			if strings.Contains(out, mark) {
				got = append(got, name)
			}
		}
		if s := sorted(got); s != test.want {
			t.Errorf("%s: got %q, want %q\n%s", test.words, s, test.want, out)
		}
	}
	for words, want := range map[string]string{
		"prot=80": "did you mean port=80?", "state=lisen": "did you mean listen?", "80 and": "nothing stands behind it", "rtt>5": "rtt>5ms", "(80 or 443": "it is not closed", "user=no-such-user-here": "there is none such",
	} {
		if code, _, stderr := sh.run("ports", words); code != 2 || !strings.Contains(stderr, want) {
			t.Errorf("%s: status %d, %s", words, code, stderr)
		}
	}
}

func sorted(list []string) string {
	out := ""
	for _, name := range []string{"a", "b", "c"} {
		for _, have := range list {
			if have == name {
				out += " " + name
			}
		}
	}
	return strings.TrimSpace(out)
}
