package screen

import (
	"slices"
	"testing"
)

func TestBuffer(t *testing.T) {
	b := NewBuffer[int](4)
	for i := range 7 {
		if wake := b.Add(i); wake != (i == 0) {
			t.Errorf("adding %d: wake is %v", i, wake)
		}
	}
	values, skipped := b.Take()
	if want := []int{4, 5, 6}; !slices.Equal(values, want) || skipped != 4 {
		t.Errorf("got %v after %d skipped, want %v after 4", values, skipped, want)
	}
	if !b.Add(7) {
		t.Error("the first value after Take does not wake")
	}
	if values, skipped := b.Take(); !slices.Equal(values, []int{7}) || skipped != 0 {
		t.Errorf("got %v after %d skipped, want [7] after 0", values, skipped)
	}
}
