package tls_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"lodge/internal/decode"
	"lodge/internal/decode/all"
	"lodge/internal/decode/captest"
	"lodge/internal/decode/tls"
	"lodge/internal/decode/tlskeys"
)

// keyed returns the captures that have a key log beside them.
func keyed(t testing.TB) []string {
	files, err := filepath.Glob("testdata/keys/*.pcap")
	if err != nil || len(files) < 5 {
		t.Fatalf("%d captures: %v", len(files), err)
	}
	return files
}

func keyText(t testing.TB, capture string) []byte {
	t.Helper()
	b, err := os.ReadFile(keyFile(capture))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func keyFile(capture string) string { return strings.TrimSuffix(capture, ".pcap") + ".keys" }

func logOf(t testing.TB, text []byte) *tlskeys.Log {
	t.Helper()
	l := new(tlskeys.Log)
	_, _ = l.Write(text)
	l.Flush()
	if _, _, bad := l.Counts(); bad > 0 {
		t.Errorf("%d lines cannot be read", bad)
	}
	return l
}

func with(k tls.Keys) []*decode.Protocol { return all.Protocols(tls.Config{Keys: k}) }

func TestKeys(t *testing.T) {
	for _, file := range keyed(t) {
		protocols := with(logOf(t, keyText(t, file)))
		captest.Golden(t, file, protocols...)
		captest.Splits(t, file, protocols...)
	}
}

// growing is a key log to which one line of a connection is added each time that its
// keys are asked for.
type growing struct {
	all   *tlskeys.Log
	now   tlskeys.Log
	asked map[tlskeys.Random]int
	delay int
}

func (g *growing) Secrets(r *tlskeys.Random) *tlskeys.Secrets {
	g.asked[*r]++
	if n := g.asked[*r] - g.delay; n > 0 {
		lines := bytes.SplitAfter(g.all.Lines(r), []byte("\n"))
		for _, l := range lines[:min(n, len(lines))] {
			_, _ = g.now.Write(l)
		}
	}
	return g.now.Secrets(r)
}

// TestLateKeys holds that keys may come after the packets that they are for, one by
// one, and that the exchanges are the same.
func TestLateKeys(t *testing.T) {
	for _, file := range keyed(t) {
		keys := logOf(t, keyText(t, file))
		want := captest.Text(captest.Flows(t, file, with(keys)...))
		for _, delay := range []int{0, 1, 2, 4} {
			late := &growing{all: keys, asked: map[tlskeys.Random]int{}, delay: delay}
			if got := captest.Text(captest.Flows(t, file, with(late)...)); delay < 2 && got != want {
				t.Errorf("%s, %d times late: other exchanges:\n%s\nwant\n%s", file, delay, got, want)
			}
		}
	}
}

// bursting is a key log in which all keys of a connection are there from the nth time on
// that they are asked for: between any two questions, more than one line may come.
type bursting struct {
	all   *tlskeys.Log
	now   tlskeys.Log
	asked map[tlskeys.Random]int
	at    int
}

func (b *bursting) Secrets(r *tlskeys.Random) *tlskeys.Secrets {
	if b.asked[*r]++; b.asked[*r] == 1 && b.at > 1 {
		// One that is not used yet: something is known of the connection.
		lines := bytes.SplitAfter(b.all.Lines(r), []byte("\n"))
		_, _ = b.now.Write(lines[0])
	}
	if b.asked[*r] >= b.at {
		_, _ = b.now.Write(b.all.Lines(r))
	}
	return b.now.Secrets(r)
}

// TestBurstsOfKeys holds that keys may come at any moment, also while others are looked up.
func TestBurstsOfKeys(t *testing.T) {
	for _, file := range keyed(t) {
		keys := logOf(t, keyText(t, file))
		want := captest.Text(captest.Flows(t, file, with(keys)...))
		for at := 1; at <= 6; at++ {
			burst := &bursting{all: keys, asked: map[tlskeys.Random]int{}, at: at}
			if got := captest.Text(captest.Flows(t, file, with(burst)...)); got != want {
				t.Errorf("%s, at the %dth time: other exchanges:\n%s\nwant\n%s", file, at, got, want)
			}
		}
	}
}

// TestWrongKeys holds that keys of other connections, and parts of a key log, decrypt
// nothing, and that this is said.
func TestWrongKeys(t *testing.T) {
	for _, file := range keyed(t) {
		text := keyText(t, file)
		var wrong bytes.Buffer
		for line := range bytes.Lines(text) {
			if n := len(line); n > 2 && line[0] != '#' {
				line[n-2] = "123456789abcdef0"[strings.IndexByte("0123456789abcdef", line[n-2]|0x20&^0x10)&15]
			}
			wrong.Write(line)
		}
		for what, keys := range map[string]*tlskeys.Log{
			"the keys in the key log do not open it":     logOf(t, wrong.Bytes()),
			"no keys for this connection in the key log": new(tlskeys.Log),
		} {
			said := 0
			for _, f := range captest.Flows(t, file, with(keys)...) {
				var encrypted int64
				for _, l := range f.Losses {
					if l.Reason == decode.LostEncrypted {
						encrypted += l.Bytes
					}
				}
				for _, e := range f.Exchanges {
					if e.Secure {
						t.Errorf("%s: decrypted with the wrong keys: %+v", file, e)
					}
					if len(e.Unknown) > 0 && strings.HasSuffix(e.Unknown[0], "; "+what) {
						said++
						if encrypted < e.Request.Bytes+e.Response.Bytes {
							t.Errorf("%s: %d bytes lost, of %d", file, encrypted, e.Request.Bytes+e.Response.Bytes)
						}
					}
				}
			}
			if said == 0 {
				t.Errorf("%s: nothing says %q", file, what)
			}
		}
	}
}

// TestSomeKeys holds that the secrets of the traffic are enough without those of the
// handshake.
func TestSomeKeys(t *testing.T) {
	const file = "testdata/keys/nginx13.pcap"
	var traffic bytes.Buffer
	for line := range bytes.Lines(keyText(t, file)) {
		if bytes.Contains(line, []byte("_TRAFFIC_SECRET_0")) {
			traffic.Write(line)
		}
	}
	want := secure(captest.Flows(t, file, with(logOf(t, keyText(t, file)))...))
	got := secure(captest.Flows(t, file, with(logOf(t, traffic.Bytes()))...))
	// Without the handshake's keys ALPN is not known: the protocol is found by its bytes.
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%q, want %q", got, want)
	}
}

// secure returns what was inside TLS: the client's port, the request, the status.
func secure(flows []captest.Flow) (out []string) {
	for _, f := range flows {
		for _, e := range f.Exchanges {
			if e.Secure && e.Kind == decode.KindRequest {
				out = append(out, fmt.Sprint(f.Client.Port(), " ", e.Method, " ", e.Target, " ", e.Code))
			}
		}
	}
	return out
}

// notOurs reports whether a request is on a connection that tshark decrypts and lodge
// does not: AES-CCM, by the path, TLS 1.1 and renegotiation, by the server's port.
func notOurs(path, server string) bool {
	return strings.HasSuffix(path, "CCM") || server == "4436" || server == "4434"
}

// TestTsharkDecrypts compares what is inside TLS with tshark's.
func TestTsharkDecrypts(t *testing.T) {
	n := 0
	for _, file := range keyed(t) {
		args := []string{"-o", "tls.keylog_file:" + absolute(t, keyFile(file)), "-Y", "http || http2.headers || pgsql.query", "-T", "fields", "-E", "occurrence=f"}
		for _, port := range []int{4431, 4432, 4433, 4434, 4435, 4436, 4443, 4500} {
			args = append(args, "-d", fmt.Sprintf("tcp.port==%d,tls", port))
		}
		args = append(args, "-d", "tcp.port==4460,pgsql")
		for _, f := range []string{"tcp.srcport", "tcp.dstport", "http.request.method", "http.request.uri", "http.response.code", "http2.headers.method", "http2.headers.path", "http2.headers.status", "pgsql.query"} {
			args = append(args, "-e", f)
		}
		var theirs []string
		skipped := map[string]bool{} // clients' ports
		open := map[string]int{}     // the request of a client's port that has no status yet
		for _, l := range captest.Tshark(t, file, args...) {
			for len(l) < 9 {
				l = append(l, "")
			}
			method, path, status := l[2]+l[5], l[3]+l[6], l[4]+l[7]
			switch {
			case notOurs(path, l[1]):
				skipped[l[0]] = true
			case skipped[l[0]]:
			case l[8] != "":
				theirs = append(theirs, l[0]+" SELECT "+l[8]+" 0")
			case method != "":
				open[l[0]] = len(theirs)
				theirs = append(theirs, l[0]+" "+method+" "+path+" 0")
			case status != "":
				if i, ok := open[l[1]]; ok {
					theirs[i] = strings.TrimSuffix(theirs[i], "0") + status
					delete(open, l[1])
				}
			}
		}
		ours := secure(captest.Flows(t, file, with(logOf(t, keyText(t, file)))...))
		if !equal(ours, theirs) {
			t.Errorf("%s: inside TLS\n%s\ntshark has\n%s", file, strings.Join(ours, "\n"), strings.Join(theirs, "\n"))
		}
		n += len(ours)
	}
	if n < 60 {
		t.Errorf("%d requests", n)
	}
}

// equal reports whether two lists have the same requests for each client, in the order
// of that client.
func equal(a, b []string) bool {
	by := func(list []string) map[int]string {
		m := map[int]string{}
		for _, s := range list {
			port, rest, _ := strings.Cut(s, " ")
			n, _ := strconv.Atoi(port)
			m[n] += rest + "\n"
		}
		return m
	}
	x, y := by(a), by(b)
	for n, s := range x {
		if y[n] != s {
			return false
		}
	}
	return len(x) == len(y)
}

func absolute(t *testing.T, path string) string {
	t.Helper()
	out, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// FuzzKeys decrypts with the keys of all captures.
func FuzzKeys(f *testing.F) {
	var text []byte
	for _, file := range keyed(f) {
		text = append(text, keyText(f, file)...)
	}
	protocols := with(logOf(f, text))
	captest.Seeds(f, "testdata/keys/*.pcap")
	f.Fuzz(func(t *testing.T, b []byte) { captest.Play(b, protocols[0]) })
}
