package explain

import (
	"strings"
	"testing"
	"testing/iotest"
)

func TestReadEnd(t *testing.T) {
	long := strings.Repeat("x", 300<<10) + "the end"
	for text, want := range map[string]string{"": "", "short": "short", long: long[len(long)-1000:]} {
		got, err := readEnd(iotest.HalfReader(strings.NewReader(text)), 1000)
		if err != nil || string(got) != want {
			t.Errorf("%d bytes: %d, %v", len(text), len(got), err)
		}
	}
}
