package message

import "testing"

// TestNoPort: messages of programs that were given a number that is no port.
func TestNoPort(t *testing.T) {
	for text, want := range map[string]string{
		"RangeError [ERR_SOCKET_BAD_PORT]: options.port should be >= 0 and < 65536. Received type number (70000).": "70000",
		"OverflowError: bind(): port must be 0-65535.":                                                             "",
		"OverflowError: connect_ex(): port must be 0-65535.":                                                       "",
		"dial tcp: address 70000: invalid port":                                                                    "70000",
		"2026/11/29 18:12:04 listen tcp: address 70000: invalid port":                                              "70000",
		"java.lang.IllegalArgumentException: port out of range:70000":                                              "70000",
		"curl: (3) URL rejected: Port number was not a decimal number between 0 and 65535":                         "",
		`psql: error: invalid port number: "70000"`:                                                                "70000",
		"Bad port '70000'":                               "70000",
		"connect ECONNREFUSED 127.0.0.1:70000":           "70000",
		"dial tcp: lookup localhost:99999: no such host": "99999",
		"connection to [::1]:99999 refused":              "99999",
	} {
		if got, ok := NoPort(text); !ok || got != want {
			t.Errorf("%s: %q, %v; want %q", text, got, ok, want)
		}
	}
	for _, text := range []string{
		"connect ECONNREFUSED 127.0.0.1:5432",
		"connection to localhost:65535 refused",
		"took:123456 ms, connection refused",
		"main.go:70000: dial tcp 127.0.0.1: refused",
		"listen tcp :80: bind: permission denied",
	} {
		if got, ok := NoPort(text); ok {
			t.Errorf("%s: %q", text, got)
		}
	}
}
