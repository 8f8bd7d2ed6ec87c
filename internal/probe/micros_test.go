package probe

import (
	"fmt"
	"testing"
	"time"
)

func TestMicros(t *testing.T) {
	for in, want := range map[int]int64{0: 0, 1: 1, 999: 1, 1000: 1, 1999: 1, 2000: 2} {
		if got := micros(time.Duration(in)); got != want {
			t.Error(fmt.Sprint(in, ": ", got))
		}
	}
}
