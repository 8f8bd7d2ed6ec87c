package canary

import (
	"os"
	"runtime"
	"strings"
	"testing"
)

// TestPlace finds the function in the file of the test, where its code is.
func TestPlace(t *testing.T) {
	if address() == 0 {
		t.Skip("no canary for this kind of machine")
	}
	maps, err := os.Open("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	defer maps.Close()
	offset, err := Place(maps)
	if err != nil {
		t.Fatal(err)
	}
	exe, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer exe.Close()
	code := make([]byte, 6)
	if _, err := exe.ReadAt(code, int64(offset)); err != nil {
		t.Fatal(err)
	}
	if want := map[string]string{"amd64": "\xb8\x01\x00\x00\x00\xc3"}[runtime.GOARCH]; want != "" && string(code) != want {
		t.Errorf("at %#x is %x", offset, code)
	}
	Sing()
}

func TestPlaceOfLines(t *testing.T) {
	const maps = "00400000-00452000 r--p 00000000 08:02 17 /bin/a\n00452000-00500000 r-xp 00052000 08:02 17 /bin/a\n"
	if at, err := place(strings.NewReader(maps), 0x452010); err != nil || at != 0x52010 {
		t.Errorf("%#x, %v", at, err)
	}
	if _, err := place(strings.NewReader(maps), 0x600000); err == nil {
		t.Error("an address that is not mapped")
	}
	if _, err := place(strings.NewReader("x-y r-xp z\n"), 1); err == nil {
		t.Error("a line that is none")
	}
}
