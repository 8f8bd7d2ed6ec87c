package show

import (
	"testing"
	"time"
)

// Each unit at the borders where digits, decimals and prefixes change.

func TestBytes(t *testing.T) {
	for n, want := range map[float64][2]string{
		0: {"0", "0 bytes"}, 0.4: {"0", "0 bytes"}, 0.6: {"1B", "1 byte"}, 1: {"1B", "1 byte"}, 7: {"7B", "7 bytes"}, 998.6: {"999B", "999 bytes"},
		999: {"999B", "999 bytes"}, 999.4: {"999B", "999 bytes"}, 999.5: {"1.0k", "1.0 kB"}, 999.95: {"1.0k", "1.0 kB"}, 1000: {"1.0k", "1.0 kB"},
		1023: {"1.0k", "1.0 kB"}, 1024: {"1.0k", "1.0 kB"}, 1049: {"1.0k", "1.0 kB"}, 1051: {"1.1k", "1.1 kB"}, 1234: {"1.2k", "1.2 kB"},
		9949: {"9.9k", "9.9 kB"}, 9951: {"10k", "10 kB"}, 9960: {"10k", "10 kB"}, 99900: {"100k", "100 kB"}, 999400: {"999k", "999 kB"},
		999499: {"999k", "999 kB"}, 999500: {"1.0M", "1.0 MB"}, 1 << 20: {"1.0M", "1.0 MB"}, 1234567: {"1.2M", "1.2 MB"}, 5 << 20: {"5.2M", "5.2 MB"},
		999.5e6: {"1.0G", "1.0 GB"}, 1.5e9: {"1.5G", "1.5 GB"}, 2e12: {"2.0T", "2.0 TB"}, 3e15: {"3.0P", "3.0 PB"}, 18446744073709551615: {"18E", "18 EB"},
	} {
		if got := Bytes(n); got != want[0] || len(got) > 4 {
			t.Errorf("%v: %q, want %q", n, got, want[0])
		}
		if got := ByteCount(n); got != want[1] {
			t.Errorf("%v: %q, want %q", n, got, want[1])
		}
	}
	if got := Bytes(1e30); got != "1000000000000E" {
		t.Errorf("1e30: %q", got)
	}
}

func TestLimit(t *testing.T) {
	for n, want := range map[uint64]string{
		0: "0 bytes", 1000: "1000 bytes", 1023: "1023 bytes", 1024: "1 KiB", 1025: "1.0 KiB", 1536: "1.5 KiB", 1<<20 - 1: "1024.0 KiB", 1 << 20: "1 MiB", 64 << 20: "64 MiB", 4096: "4 KiB",
		1<<30 + 1<<29: "1.5 GiB", 1 << 40: "1024 GiB",
	} {
		if got := Limit(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}

func TestMicros(t *testing.T) {
	for us, want := range map[uint32]string{
		0: "0us", 1: "1us", 999: "999us", 1000: "1.0ms", 1049: "1.0ms", 1051: "1.1ms", 9949: "9.9ms", 9950: "10ms", 15000: "15ms", 999499: "999ms", 999500: "1.0s",
		1500000: "1.5s", 1 << 31: "2147.5s",
	} {
		if got := Micros(us); got != want {
			t.Errorf("%d: %q, want %q", us, got, want)
		}
	}
}

func TestLatency(t *testing.T) {
	for us, want := range map[float64]string{
		0: "0.000 ms", 4: "0.004 ms", 41: "0.041 ms", 99.4: "0.099 ms", 99.6: "0.10 ms", 312: "0.31 ms", 999.95: "1.00 ms", 9990: "9.99 ms", 9995: "10.0 ms", 12345: "12.3 ms",
		99949: "99.9 ms", 99950: "100 ms", 123456: "123 ms", 9999000: "9999 ms", 9999500: "10.0 s", 12345678: "12.3 s",
	} {
		if got := Latency(us); got != want {
			t.Errorf("%v: %q, want %q", us, got, want)
		}
	}
	for us, want := range map[int64]string{999: "1.00 ms", 999499: "999 ms", 999999: "1000 ms", 1000000: "1.00 s", 61234567: "61.23 s"} {
		if got := Elapsed(us); got != want {
			t.Errorf("%v: %q, want %q", us, got, want)
		}
	}
	for n, want := range map[float64]string{0.04: "0.0 a second", 99.94: "99.9 a second", 100: "100 a second", 1234.5: "1234 a second"} {
		if got := PerSecond(n); got != want {
			t.Errorf("%v: %q, want %q", n, got, want)
		}
	}
}

func TestAge(t *testing.T) {
	const day = 24 * time.Hour
	for d, want := range map[time.Duration][2]string{
		-time.Second: {"0s", "just now"}, 0: {"0s", "just now"}, 1999 * time.Millisecond: {"1s", "just now"}, 2 * time.Second: {"2s", "2 seconds ago"},
		59*time.Second + 900*time.Millisecond: {"59s", "59 seconds ago"}, time.Minute: {"1m", "60 seconds ago"}, 2*time.Minute - 1: {"1m", "119 seconds ago"},
		2 * time.Minute: {"2m", "2 minutes ago"}, 59 * time.Minute: {"59m", "59 minutes ago"}, time.Hour: {"1h", "60 minutes ago"}, 2 * time.Hour: {"2h", "2 hours ago"},
		2*day - 1: {"47h", "47 hours ago"}, 2 * day: {"2d", "2 days ago"}, 100 * day: {"100d", "100 days ago"},
	} {
		if got := Age(d); got != want[0] {
			t.Errorf("%v: %q, want %q", d, got, want[0])
		}
		if got := Ago(d); got != want[1] {
			t.Errorf("%v: %q, want %q", d, got, want[1])
		}
	}
}

func TestCount(t *testing.T) {
	for n, want := range map[int]string{0: "0 projects", 1: "1 project", 2: "2 projects"} {
		if got := Count(n, "project", "projects"); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
	if Dash("") != "-" || Dash("x") != "x" {
		t.Error("Dash")
	}
}
