package pcapfile

import (
	"math/bits"
	"time"
)

// clock turns the timestamps of an interface into times. Its zero value counts
// microseconds.
type clock struct {
	resolution byte // if_tsresol, minus the default of 6
	offset     int64
}

const defaultResolution = 6

// resolved returns the clock with an if_tsresol: a negative power of 10, or of 2
// if the most significant bit is set.
func (c clock) resolved(r byte) clock {
	c.resolution = r ^ defaultResolution
	return c
}

// time returns the time of a timestamp.
func (c clock) time(ts uint64) time.Time {
	sec, nsec := split(ts, c.resolution^defaultResolution)
	return time.Unix(int64(sec)+c.offset, int64(nsec)).UTC()
}

// split returns a timestamp's seconds and the nanoseconds in the rest, rounded
// down.
func split(ts uint64, resolution byte) (sec, nsec uint64) {
	if n := uint(resolution & 0x7f); resolution&0x80 != 0 {
		if n >= 64 { // less than a second
			hi, _ := bits.Mul64(ts, 1e9)
			return 0, hi >> (n - 64)
		}
		sec = ts >> n
		hi, lo := bits.Mul64(ts-sec<<n, 1e9)
		if n == 0 {
			return sec, 0
		}
		return sec, hi<<(64-n) | lo>>n
	}
	if resolution > 19 { // 10^20 is over 64 bits, so this is less than a second
		for ; resolution > 9 && ts > 0; resolution-- {
			ts /= 10
		}
		return 0, ts
	}
	unit := uint64(1)
	for range resolution {
		unit *= 10
	}
	sec = ts / unit
	hi, lo := bits.Mul64(ts%unit, 1e9)
	nsec, _ = bits.Div64(hi, lo, unit) // less than 1e9, as the remainder is less than unit
	return sec, nsec
}

// nanoseconds returns the timestamp of a time in a file that this package
// writes, and whether there is one: from 1970 to 2554.
func nanoseconds(t time.Time) (uint64, bool) {
	const last = (1<<64-1)/1_000_000_000 - 1
	sec := t.Unix()
	if sec < 0 || sec > last {
		return 0, false
	}
	return uint64(sec)*1e9 + uint64(t.Nanosecond()), true
}
