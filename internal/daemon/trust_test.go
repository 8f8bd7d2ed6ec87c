package daemon

import (
	"os"
	"slices"
	"strings"
	"testing"
)

// A command asks the daemon for what makes programs trust the HTTPS names. Nothing that
// is set is set again, and where there can be no authority it is told why.
func TestTrustEnviron(t *testing.T) {
	r := newRig(t)
	r.start()
	keys := func(set ...string) (out []string) {
		t.Helper()
		got, err := r.api.TrustEnviron(t.Context(), set)
		if err != nil || got.Problem != "" {
			t.Fatalf("%v, %s", err, got.Problem)
		}
		for _, kv := range got.Environ {
			key, file, _ := strings.Cut(kv, "=")
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%s: %v", kv, err)
			}
			out = append(out, key)
		}
		return out
	}
	if got := keys("PATH"); !slices.Contains(got, "NODE_EXTRA_CA_CERTS") || !slices.Contains(got, "DENO_CERT") {
		t.Errorf("got %v", got)
	}
	if got := keys("DENO_CERT"); !slices.Contains(got, "NODE_EXTRA_CA_CERTS") || slices.Contains(got, "DENO_CERT") {
		t.Errorf("got %v", got)
	}
	dir := r.cfg.Dirs.Trust()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := r.api.TrustEnviron(t.Context(), nil)
	if err != nil || got.Problem == "" || len(got.Environ) != 0 {
		t.Errorf("got %+v, %v", got, err)
	}
}
