package decode_test

import (
	"testing"

	"lodge/internal/decode"
)

func TestReadable(t *testing.T) {
	for _, c := range []struct {
		in    string
		limit int
		want  string
	}{
		{"", 10, ""},
		{"grüße", 20, "grüße"},
		{"a\r\nb\x00\xff\t", 40, `a\r\nb\x00\xff\t`},
		{"abcdefgh", 3, "abc… 5 bytes"},
		{"\u202e", 10, `\u202e`},
	} {
		if got := decode.Readable([]byte(c.in), c.limit); got != c.want {
			t.Errorf("Readable(%q, %d) = %q, want %q", c.in, c.limit, got, c.want)
		}
	}
}

func TestAppendJSON(t *testing.T) {
	in := "a\"b\\\n\t\r\x00\x7f\xffgrüße€😀\ufffd\xe2\x82"
	const want = `a\"b\\\n\t\r\u0000\u007f\u00ffgrüße€😀` + "\ufffd" + `\u00e2\u0082`
	for size := range len(in) + 1 {
		var got, rest []byte
		for b := []byte(in); len(b) > 0; {
			n := min(size+1, len(b))
			got, rest = decode.AppendJSON(got, append(rest, b[:n]...), len(b) == n)
			b = b[n:]
		}
		if string(got) != want || len(rest) > 0 {
			t.Errorf("pieces of %d: %s, want %s", size+1, got, want)
		}
	}
}

func TestKeyTemplate(t *testing.T) {
	for in, want := range map[string]string{
		"":          "",
		"user:42":   "user:{id}",
		"user42":    "user{id}",
		"cart:1:2":  "cart:{id}:{id}",
		"config":    "config",
		"a.b-c_d/9": "a.b-c_d/{id}",
		"session:550e8400-e29b-41d4-a716-446655440000:x": "session:{id}:x",
		"session:550e8400-e29b-41d4-a716-44665544000g":   "session:{id}e{id}-e{id}b-{id}d{id}-a{id}-{id}g",
		"sha:d41d8cd98f00b204e9800998ecf8427e":           "sha:{id}",
		"deadbeef":                                       "deadbeef",
		"größe:1":                                        "größe:{id}",
		":cache:views.page.GET.d41d8cd98f00b204":         ":cache:views.page.GET.{id}",
	} {
		if got := decode.KeyTemplate(in); got != want {
			t.Errorf("KeyTemplate(%q) = %q, want %q", in, got, want)
		}
	}
}
