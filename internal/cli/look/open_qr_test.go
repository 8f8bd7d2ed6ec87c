package look

import (
	"bytes"
	"strings"
	"testing"

	"rsc.io/qr"

	"lodge/internal/show"
)

// The codes are those of rsc.io/qr, whose modules printQR writes two to a character.
func TestPrintQR(t *testing.T) {
	for _, text := range []string{"http://192.168.1.7:8080", "http://web.shop.local:80/", "http://[fe80::1]:3000/" + strings.Repeat("x", 300)} {
		want, err := qr.Encode(text, qr.M)
		if err != nil {
			t.Fatal(err)
		}
		got, err := encodeQR(text)
		if err != nil || got.Size != want.Size || got.Stride != want.Stride || !bytes.Equal(got.Bitmap, want.Bitmap) {
			t.Errorf("%s: %v: another code", text, err)
		}
		var out strings.Builder
		if err := printQR(&out, text); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
		if n := (want.Size + 9) / 2; len(lines) != n {
			t.Fatalf("%s: %d lines, want %d", text, len(lines), n)
		}
		for y := range want.Size {
			line := []rune(show.Plain(lines[(y+4)/2]))
			upper, lower := "█▀", "█▄"
			half := upper
			if y%2 == 1 {
				half = lower
			}
			for x := range want.Size {
				if dark := strings.ContainsRune(half, line[x+4]); dark != want.Black(x, y) {
					t.Fatalf("%s: module %d, %d: %v", text, x, y, dark)
				}
			}
		}
	}
	if err := printQR(&strings.Builder{}, strings.Repeat("x", 3000)); err == nil {
		t.Error("3000 bytes fit into no code")
	}
}
