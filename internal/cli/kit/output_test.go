package kit

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// failing is a writer whose writes fail with each of its errors in turn.
type failing struct{ errs []error }

func (f *failing) Write(p []byte) (int, error) {
	err := f.errs[0]
	f.errs = f.errs[1:]
	if err != nil {
		return 0, err
	}
	return len(p), nil
}

// A result that could not be printed is no success; that the reader has gone is no error.
func TestResults(t *testing.T) {
	for _, c := range []struct {
		errs []error
		want error
	}{
		{[]error{nil, nil}, nil},
		{[]error{nil, unix.ENOSPC, unix.EIO, nil}, unix.ENOSPC},
		{[]error{unix.EPIPE, unix.EPIPE}, nil},
	} {
		r := &Results{W: &failing{c.errs}}
		for range len(c.errs) {
			_, _ = r.Write([]byte("x"))
		}
		if got := r.Failed(); !errors.Is(got, c.want) || got != nil && got.Error() != "print: "+c.want.Error() {
			t.Errorf("%v: %v, want %v", c.errs, got, c.want)
		}
	}
}

// The context ends with the reader, and else only when it is stopped.
func TestUntilReaderGone(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	reading, stop := UntilReaderGone(t.Context(), w)
	if reading.Err() != nil {
		t.Error("it has ended while there is a reader")
	}
	_ = r.Close()
	select {
	case <-reading.Done():
	case <-time.After(time.Minute):
		t.Error("it goes on without a reader")
	}
	stop()
	if err := UntilRead(reading, errors.New("write: no reader")); err != nil {
		t.Errorf("the outcome is %v", err)
	}
	if err := UntilRead(context.Background(), unix.EIO); !errors.Is(err, unix.EIO) {
		t.Errorf("the outcome is %v", err)
	}
}
