package bounded

import (
	"errors"
	"strings"
	"testing"
	"testing/iotest"
)

func TestReadAll(t *testing.T) {
	for most, want := range map[int64]string{4: "", 5: "hello", 6: "hello", 1 << 20: "hello"} {
		b, err := ReadAll(strings.NewReader("hello"), most)
		if large := (*TooLarge)(nil); string(b) != want || errors.As(err, &large) != (want == "") {
			t.Errorf("%d: %q, %v", most, b, err)
		}
	}
	bad := errors.New("bad disk")
	if _, err := ReadAll(iotest.ErrReader(bad), 5); !errors.Is(err, bad) {
		t.Errorf("of a reader that fails: %v", err)
	}
	for most, want := range map[int64]string{16 << 10: "16 KiB", 64 << 20: "64 MiB", 1000: "1000 bytes"} {
		if e := (&TooLarge{most}); e.Error() != "it is larger than "+want {
			t.Errorf("%d: %s", most, e.Error())
		}
	}
}
