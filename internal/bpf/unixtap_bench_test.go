package bpf

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// BenchmarkUnixTapTax says what programs pay while Unix sockets are tapped, as a ratio to
// without: see BenchmarkLiveTax. The tap is one of another network namespace, or of this
// one with a reader.
func BenchmarkUnixTapTax(b *testing.B) {
	if os.Geteuid() != 0 {
		b.Skip("needs root: loads eBPF programs")
	}
	null, err := os.OpenFile("/dev/null", os.O_WRONLY, 0)
	if err != nil {
		b.Fatal(err)
	}
	defer null.Close()
	buf := make([]byte, 100)
	for _, where := range []string{"elsewhere", "tapped"} {
		for _, work := range []string{"getppid", "write_null", "round_trip", "round_trip_64k"} {
			b.Run(where+"/"+work, func(b *testing.B) {
				u := &unixTapped{t: b, ns: newLo(b)}
				other := u
				if where == "elsewhere" {
					other = &unixTapped{t: b, ns: newLo(b)}
				}
				client, server := other.pair("unix", filepath.Join(b.TempDir(), "x"))
				x, y := fdOf(b, client), fdOf(b, server)
				trip := func(size int) func() {
					data, in := make([]byte, size), make([]byte, size)
					return func() {
						for _, d := range [][2]int{{x, y}, {y, x}} {
							if n, err := unix.Write(d[0], data); err != nil || n != size {
								b.Fatal(n, err)
							}
							if n, err := unix.Read(d[1], in); err != nil || n != size {
								b.Fatal(n, err)
							}
						}
					}
				}
				n, f := 20000, func() { unix.Getppid() }
				switch work {
				case "write_null":
					f = func() { _, _ = null.Write(buf) }
				case "round_trip":
					n, f = 5000, trip(100)
				case "round_trip_64k":
					n, f = 500, trip(65536)
				}
				spec := UnixSpec{AllUsers: true, Netns: u.ns, RingBytes: 4 << 20}
				tap := &UnixTap{}
				if err := tap.load(spec); err != nil {
					b.Fatal(err)
				}
				tap.open = true
				defer func() {
					if err := tap.Close(); err != nil {
						b.Error(err)
					}
				}()
				compare(b, n, f, tap.attach, tap.detach)
			})
		}
	}
}
