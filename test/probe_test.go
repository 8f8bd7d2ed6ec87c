package test

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestProbe asks from inside, where localhost is the project's home, and from
// outside, where a home is an address of this machine like any other.
func TestProbe(t *testing.T) {
	eachEngine(t, func(t *testing.T, e *env) {
		var ps [2]*project
		for i, name := range []string{"main", "fix"} {
			ps[i] = e.project(name, "lodge.toml", config("web", peerBin+" http :8000 'page of "+name+"'"))
			ps[i].up()
		}
		type report struct {
			Result string `json:"result"`
			IP     string `json:"ip"`
			Answer struct {
				HTTP struct {
					Status int    `json:"status"`
					Body   string `json:"body"`
				} `json:"http"`
			} `json:"answer"`
		}
		for _, p := range ps {
			home := p.home("tcp", 8000)
			for _, text := range []string{p.exec(lodgeBin, "probe", "--json", "8000"), p.lodge("probe", "--json", home.String()).ok(t)} {
				var r report
				if err := json.Unmarshal([]byte(text), &r); err != nil || r.Result != "answered" || r.Answer.HTTP.Status != 200 || !strings.HasPrefix(r.Answer.HTTP.Body, "page of "+p.name) {
					t.Errorf("%s: %v\n%s", p.name, err, text)
				}
			}
			if got := p.exec(lodgeBin, "probe", "-n", "50", "-c", "5", "http://localhost:8000/"); !strings.Contains(got, "50 × GET / in ") || !strings.Contains(got, "all succeeded") {
				t.Errorf("%s: %s", p.name, got)
			}
		}
	})
}
