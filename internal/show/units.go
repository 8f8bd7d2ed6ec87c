package show

import (
	"strconv"
	"time"
)

// Sizes and rates that were measured are written in powers of 1000, with the
// prefixes of the SI (k, M, G, …): what stands in a table then has the digits of
// the number in JSON, and of the counters of the kernel and of other tools. Limits
// are set in powers of 1024 and keep them, with the prefixes of IEC 80000-13
// (KiB, MiB, GiB): see [Limit].
const siPrefixes = "kMGTPE"

// scaled is the mantissa of n in at most three digits, with one decimal below ten,
// and its prefix: 1.2 k, 15 k, 120 k; 0 for no prefix. The rounding is done before
// the prefix is chosen, so that 999.6 is 1.0 k and not 1000.
func scaled(b []byte, n float64) (digits []byte, prefix byte) {
	if n < 999.5 {
		return strconv.AppendFloat(b, n, 'f', 0, 64), 0
	}
	for i := range len(siPrefixes) {
		n /= 1000
		switch {
		case n < 9.95:
			return strconv.AppendFloat(b, n, 'f', 1, 64), siPrefixes[i]
		case n < 999.5, i == len(siPrefixes)-1:
			return strconv.AppendFloat(b, n, 'f', 0, 64), siPrefixes[i]
		}
	}
	return b, 0
}

// AppendBytes appends a number of bytes, or of bytes a second, for a table: 0,
// 812B, 1.2k, 15k, 120k, 1.2M; at most four characters up to 999 E.
func AppendBytes(b []byte, n float64) []byte {
	if n < 0.5 {
		return append(b, '0')
	}
	b, prefix := scaled(b, n)
	if prefix == 0 {
		prefix = 'B'
	}
	return append(b, prefix)
}

// Bytes is [AppendBytes] as a string.
func Bytes(n float64) string { return string(AppendBytes(nil, n)) }

// ByteCount returns a number of bytes for a sentence: 1 byte, 812 bytes, 1.2 kB,
// 15 MB.
func ByteCount(n float64) string {
	b, prefix := scaled(nil, n)
	switch {
	case prefix != 0:
		return string(append(append(b, ' ', prefix), 'B'))
	case string(b) == "1":
		return "1 byte"
	}
	return string(b) + " bytes"
}

// Limit returns a size that was set in powers of 1024: 1000 bytes, 64 MiB,
// 1.5 GiB.
func Limit(n uint64) string {
	for _, u := range []struct {
		shift uint
		name  string
	}{{30, " GiB"}, {20, " MiB"}, {10, " KiB"}} {
		if n < 1<<u.shift {
			continue
		}
		if n%(1<<u.shift) == 0 {
			return strconv.FormatUint(n>>u.shift, 10) + u.name
		}
		return strconv.FormatFloat(float64(n)/float64(uint64(1)<<u.shift), 'f', 1, 64) + u.name
	}
	return strconv.FormatUint(n, 10) + " bytes"
}

// AppendMicros appends a time in microseconds for a table: 35us, 1.2ms, 150ms,
// 2.1s.
func AppendMicros(b []byte, us uint32) []byte {
	switch n := float64(us); {
	case us < 1000:
		return append(strconv.AppendUint(b, uint64(us), 10), "us"...)
	case n < 9950:
		return append(strconv.AppendFloat(b, n/1e3, 'f', 1, 64), "ms"...)
	case n < 999500:
		return append(strconv.AppendFloat(b, n/1e3, 'f', 0, 64), "ms"...)
	default:
		return append(strconv.AppendFloat(b, n/1e6, 'f', 1, 64), 's')
	}
}

// Micros is [AppendMicros] as a string.
func Micros(us uint32) string { return string(AppendMicros(nil, us)) }

// Latency returns a time in microseconds as a measurement, to about three digits:
// 0.041 ms, 1.23 ms, 123 ms; from ten seconds on 12.3 s.
func Latency(us float64) string {
	ms := us / 1000
	switch {
	case ms < 0.0995:
		return strconv.FormatFloat(ms, 'f', 3, 64) + " ms"
	case ms < 9.995:
		return strconv.FormatFloat(ms, 'f', 2, 64) + " ms"
	case ms < 99.95:
		return strconv.FormatFloat(ms, 'f', 1, 64) + " ms"
	case ms < 9999.5:
		return strconv.FormatFloat(ms, 'f', 0, 64) + " ms"
	}
	return strconv.FormatFloat(ms/1000, 'f', 1, 64) + " s"
}

// Elapsed returns how long a measurement took, in microseconds: as [Latency] below
// a second, and in seconds from there on.
func Elapsed(us int64) string {
	if us < 1e6 {
		return Latency(float64(us))
	}
	return strconv.FormatFloat(float64(us)/1e6, 'f', 2, 64) + " s"
}

// PerSecond returns a number of events a second: 99.9 a second, 1234 a second.
func PerSecond(n float64) string {
	digits := 1
	if n >= 100 {
		digits = 0
	}
	return strconv.FormatFloat(n, 'f', digits, 64) + " a second"
}

// Age returns how old something is, rounded down, for a table: 5s, 12m, 47h, 9d.
// A negative age is that of a clock that was set, and is 0s.
func Age(d time.Duration) string {
	switch {
	case d < 0:
		return "0s"
	case d < time.Minute:
		return strconv.Itoa(int(d.Seconds())) + "s"
	case d < time.Hour:
		return strconv.Itoa(int(d.Minutes())) + "m"
	case d < 48*time.Hour:
		return strconv.Itoa(int(d.Hours())) + "h"
	}
	return strconv.Itoa(int(d.Hours()/24)) + "d"
}

// Ago returns when something was for a sentence: just now, 90 seconds ago, 5
// minutes ago, 47 hours ago, 9 days ago.
func Ago(d time.Duration) string {
	switch {
	case d < 2*time.Second:
		return "just now"
	case d < 2*time.Minute:
		return strconv.Itoa(int(d.Seconds())) + " seconds ago"
	case d < 2*time.Hour:
		return strconv.Itoa(int(d.Minutes())) + " minutes ago"
	case d < 48*time.Hour:
		return strconv.Itoa(int(d.Hours())) + " hours ago"
	}
	return strconv.Itoa(int(d.Hours()/24)) + " days ago"
}

// Count returns a number with its noun: 1 project, 2 projects.
func Count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}

// Dash returns s, or - for an empty cell of a table.
func Dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
