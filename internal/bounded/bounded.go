// Package bounded reads what may be larger than a program has room for: a file, which
// another program wrote, to its end or up to a bound. It opens nothing.
package bounded

import (
	"fmt"
	"io"
)

// TooLarge is the error of what has more bytes than are read.
type TooLarge struct{ Most int64 }

func (e *TooLarge) Error() string {
	switch n := e.Most; {
	case n >= 1<<20 && n%(1<<20) == 0:
		return fmt.Sprintf("it is larger than %d MiB", n>>20)
	case n >= 1<<10 && n%(1<<10) == 0:
		return fmt.Sprintf("it is larger than %d KiB", n>>10)
	default:
		return fmt.Sprintf("it is larger than %d bytes", n)
	}
}

// ReadAll is [io.ReadAll] of at most most bytes. Of what has more it returns a [*TooLarge],
// and no bytes.
func ReadAll(r io.Reader, most int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, most+1))
	if err == nil && int64(len(b)) > most {
		return nil, &TooLarge{most}
	}
	return b, err
}
