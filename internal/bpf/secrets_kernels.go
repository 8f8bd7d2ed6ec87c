package bpf

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// kernelRange is a range of kernels on which uprobes stay off.
type kernelRange struct {
	from, to  [2]int // releases, major and minor; to is not in it
	reason    string
	reference string
}

// kernelsWithoutUprobes are kernels that uprobes with eBPF programs are known to bring
// down. Our own programs are made so that they do not meet what is known of it (see
// src/secrets.c); that is not trusted where a machine can be lost.
var kernelsWithoutUprobes = [...]kernelRange{
	{
		from: [2]int{7, 0}, to: [2]int{7, 1},
		reason:    "it panics by uprobes under load of TLS",
		reference: "https://github.com/open-telemetry/opentelemetry-ebpf-instrumentation/issues/3056",
	},
}

// UprobesAllowed returns nil where uprobes may be used on the kernel that runs, else an
// error that is [ErrNoUprobes] and says why not.
func UprobesAllowed() error {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return fmt.Errorf("find kernel release: %w", os.NewSyscallError("uname", err))
	}
	return uprobesAllowedOn(unix.ByteSliceToString(u.Release[:]))
}

// uprobesAllowedOn is UprobesAllowed of a release, such as 6.12.9-amd64.
func uprobesAllowedOn(release string) error {
	v, err := parseRelease(release)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNoUprobes, err)
	}
	for _, r := range kernelsWithoutUprobes {
		if !less(v, r.from) && less(v, r.to) {
			return fmt.Errorf("%w: the kernel is Linux %s, and %s (%s)", ErrNoUprobes, release, r.reason, r.reference)
		}
	}
	if oldest := [2]int{6, 0}; less(v, oldest) {
		return fmt.Errorf("%w: the kernel is Linux %s, and sleepable uprobes came with 6.0", ErrNoUprobes, release)
	}
	return nil
}

func less(a, b [2]int) bool { return a[0] < b[0] || a[0] == b[0] && a[1] < b[1] }

var errRelease = errors.New("the kernel's release cannot be read")

func parseRelease(release string) (v [2]int, err error) {
	major, rest, ok := strings.Cut(release, ".")
	if !ok {
		return v, fmt.Errorf("%w: %q", errRelease, release)
	}
	end := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
	if end < 0 {
		end = len(rest)
	}
	for i, s := range []string{major, rest[:end]} {
		n, err := strconv.ParseUint(s, 10, 16)
		if err != nil {
			return v, fmt.Errorf("%w: %q", errRelease, release)
		}
		v[i] = int(n)
	}
	return v, nil
}
