package main

import (
	"bytes"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// chain starts the three services, each in a directory of its own name, and
// gives the page's address.
func chain(t *testing.T, storeDir string) string {
	t.Helper()
	s, err := openStore(storeDir)
	if err != nil {
		t.Fatal(err)
	}
	store := httptest.NewServer(s.handler())
	t.Cleanup(store.Close)
	api := httptest.NewServer(newAPI("/dir/of/api", store.URL, newClient()))
	t.Cleanup(api.Close)
	page := httptest.NewServer(newPage("/dir/of/<page>", api.URL, newClient()))
	t.Cleanup(page.Close)
	return page.URL
}

func TestPageShowsWhoAnswered(t *testing.T) {
	dir := t.TempDir()
	for _, visit := range []string{"Visit 1", "Visit 2"} {
		// A new store reads what the one before wrote.
		var out bytes.Buffer
		if err := get(t.Context(), newClient(), chain(t, dir), &out); err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{visit, "/dir/of/&lt;page&gt;", "/dir/of/api", dir} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("the page lacks %q:\n%s", want, out.String())
			}
		}
	}
}

func TestPageWithoutAPI(t *testing.T) {
	dead := httptest.NewServer(nil)
	dead.Close()
	page := httptest.NewServer(newPage("/", dead.URL, newClient()))
	defer page.Close()
	err := get(t.Context(), newClient(), page.URL, &bytes.Buffer{})
	if err == nil || !strings.Contains(err.Error(), "502 Bad Gateway: ask api:") {
		t.Errorf("error %v", err)
	}
}

func TestStoreRefusesABrokenFile(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "data", "counts.json")
	if err := os.Mkdir(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := openStore(dir); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("error %v", err)
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{nil, {"shop"}, {"page", "3001"}, {"get"}} {
		if err := run(t.Context(), args); err == nil || !strings.HasPrefix(err.Error(), "usage:") {
			t.Errorf("run(%q): %v", args, err)
		}
	}
}
