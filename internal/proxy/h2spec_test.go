package proxy

import (
	"encoding/xml"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// knownH2spec has the cases of h2spec that net/http's server does not pass, and
// why that is as it should be.
func knownH2spec() map[string]string {
	return map[string]string{
		"Sends invalid connection preface":                                                               "the port speaks HTTP/1 too, and answers in it",
		"Sends a large size HEADERS frame that exceeds the SETTINGS_MAX_FRAME_SIZE":                      "the server announces a larger size, and h2spec sends no more than the usual one",
		"Sends multiple values of SETTINGS_INITIAL_WINDOW_SIZE":                                          "a setting that is sent twice ends the connection",
		"Sends a HEADERS frame that contains the connection-specific header field":                       "answered with 400 (RFC 9113, section 8.1.1)",
		"Sends a HEADERS frame that contains the TE header field with any value other than \"trailers\"": "answered with 400",
	}
}

// TestH2spec runs h2spec, the conformance tests of HTTP/2, against a service
// behind the engine.
func TestH2spec(t *testing.T) {
	h2spec := filepath.Join(t.TempDir(), "h2spec")
	if out, err := exec.Command("go", "build", "-o", h2spec, "github.com/summerwind/h2spec/cmd/h2spec").CombinedOutput(); err != nil {
		t.Fatalf("build h2spec: %v: %s", err, out)
	}
	up := backend(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Write(make([]byte, 4096))
	})
	r := newRig(t, Config{})
	// h2spec asks for 127.0.0.1, which is no name that leads anywhere by itself.
	s := at("web", up)
	s.Names = []Name{{Host: "127.0.0.1"}}
	r.serve(s)
	_, port, err := net.SplitHostPort(r.addr)
	if err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][]string{"h2c": nil, "TLS": {"-t", "-k", "-S"}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// Some cases depend on which of two frames comes first; one that really
			// fails does so each time.
			var failed map[string]string
			for range 3 {
				found := runH2spec(t, h2spec, append(args, "-h", "127.0.0.1", "-p", port, "-o", "2"))
				for name := range failed {
					if found[name] == "" {
						delete(failed, name)
					}
				}
				if failed == nil {
					failed = found
				}
				for name := range failed {
					if knownH2spec()[name] != "" {
						delete(failed, name)
					}
				}
				if len(failed) == 0 {
					return
				}
			}
			for name, section := range failed {
				t.Errorf("section %s: %s", section, name)
			}
		})
	}
}

// runH2spec returns the cases that failed, with their sections.
func runH2spec(t *testing.T, h2spec string, args []string) map[string]string {
	t.Helper()
	report := filepath.Join(t.TempDir(), "report.xml")
	out, err := exec.Command(h2spec, append(args, "-j", report)...).CombinedOutput() // its status counts the known ones too
	b, rerr := os.ReadFile(report)
	if rerr != nil {
		t.Fatalf("%v, %v: %s", err, rerr, out)
	}
	var suites struct {
		Suites []struct {
			ID    string `xml:"id,attr"`
			Cases []struct {
				Name    string    `xml:"classname,attr"`
				Failure *struct{} `xml:"failure"`
				Error   *struct{} `xml:"error"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal(b, &suites); err != nil {
		t.Fatal(err)
	}
	failed, passed := map[string]string{}, 0
	for _, s := range suites.Suites {
		for _, c := range s.Cases {
			if c.Failure == nil && c.Error == nil {
				passed++
			} else {
				failed[c.Name] = s.ID
			}
		}
	}
	if passed < 130 {
		t.Fatalf("%d cases passed, of 145: %s", passed, out)
	}
	return failed
}
