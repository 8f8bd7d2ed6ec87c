package procfs

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
)

// TCPExt reads the kernel's further counters of TCP, such as ListenOverflows,
// for this network namespace since it was made (/proc/net/netstat).
func TCPExt() (map[string]uint64, error) {
	b, err := os.ReadFile("/proc/net/netstat")
	if err != nil {
		return nil, fmt.Errorf("read TCP counters: %w", err)
	}
	return ParseTCPExt(b), nil
}

// ParseTCPExt reads /proc/net/netstat: pairs of lines, "TcpExt: NAME NAME" and
// "TcpExt: 1 2".
func ParseTCPExt(b []byte) map[string]uint64 {
	out := make(map[string]uint64)
	for {
		names, rest, ok := bytes.Cut(b, []byte("\n"))
		values, rest2, _ := bytes.Cut(rest, []byte("\n"))
		if !ok {
			return out
		}
		b = rest2
		n, v := bytes.Fields(names), bytes.Fields(values)
		if len(n) < 1 || len(n) != len(v) || string(n[0]) != "TcpExt:" || string(v[0]) != "TcpExt:" {
			continue
		}
		for i := 1; i < len(n); i++ {
			if x, err := strconv.ParseUint(string(v[i]), 10, 64); err == nil {
				out[string(n[i])] = x
			}
		}
	}
}
