package pages

import (
	"errors"
	"testing"
	"time"
)

func TestResetStatus(t *testing.T) {
	reset := errors.New("ask 127.0.0.1:1: stream error: stream ID 9; CANCEL; received from peer")
	for _, c := range []struct {
		err     error
		timeout string
		took    time.Duration
		want    int
	}{
		{reset, "1m", 2 * time.Millisecond, grpcDeadlineExceeded},
		{reset, "1000u", time.Millisecond, grpcDeadlineExceeded},
		{reset, "30S", time.Second, grpcCancelled},
		{reset, "", time.Hour, grpcCancelled},
		{reset, "1x", time.Hour, grpcCancelled},
		{reset, "m", time.Hour, grpcCancelled},
		{reset, "123456789m", time.Hour, grpcCancelled},
		{reset, "99999999H", time.Hour, grpcCancelled},
		{errors.New("stream error: stream ID 9; INTERNAL_ERROR; received from peer"), "1m", time.Hour, 0},
		{errors.New("connection refused"), "1m", time.Hour, 0},
	} {
		if got := ResetStatus(c.err, c.timeout, c.took); got != c.want {
			t.Errorf("%v with %q after %v: %d, want %d", c.err, c.timeout, c.took, got, c.want)
		}
	}
}
