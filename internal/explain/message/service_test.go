package message

import "testing"

// TestServiceNames reads ports that are written as the names of services.
func TestServiceNames(t *testing.T) {
	for text, want := range map[string]string{
		"connect to localhost:http: connection refused":                  "ECONNREFUSED connect localhost :80",
		"dial tcp 127.0.0.1:https: connect: connection refused":          "ECONNREFUSED connect tcp 127.0.0.1 :443",
		"dial tcp [::1]:postgresql: connect: connection refused":         "ECONNREFUSED connect tcp ::1 :5432",
		"connect to localhost: connection refused, http is not answered": "ECONNREFUSED connect localhost",
	} {
		if got := all(text); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}
