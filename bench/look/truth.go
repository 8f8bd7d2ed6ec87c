package main

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// ends are the two addresses of a socket as text; remote is "*" for one that
// listens.
type ends struct{ local, remote string }

// readTruth reads what sockload wrote: who has which socket.
func readTruth(path string) (map[ends]int, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	out := make(map[ends]int)
	for l := range strings.Lines(string(b)) {
		f := strings.Fields(l)
		if len(f) != 3 {
			return nil, fmt.Errorf("read truth: line %q", l)
		}
		pid, err := strconv.Atoi(f[0])
		if err != nil {
			return nil, fmt.Errorf("read truth: %w", err)
		}
		out[ends{f[1], f[2]}] = pid
	}
	return out, nil
}

// shares reports which part of the truth was listed, and with the right process.
func shares(truth, found map[ends]int) (listed, right float64) {
	for e, pid := range truth {
		got, ok := found[e]
		if !ok {
			continue
		}
		listed++
		if got == pid {
			right++
		}
	}
	n := float64(max(len(truth), 1))
	return listed / n, right / n
}

// The readers give the sockets that a tool listed, with the process that it
// named, 0 for none.

// readSS reads ss -tan and ss -tanp.
func readSS(out string) map[ends]int {
	found := make(map[ends]int)
	for l := range strings.Lines(out) {
		f := strings.Fields(l)
		if len(f) < 5 || f[0] == "State" {
			continue
		}
		e := ends{f[3], f[4]}
		if f[0] == "LISTEN" {
			e.remote = "*"
		}
		found[e] = number(l, "pid=")
	}
	return found
}

// readNetstat reads netstat -tanp.
func readNetstat(out string) map[ends]int {
	found := make(map[ends]int)
	for l := range strings.Lines(out) {
		f := strings.Fields(l)
		if len(f) < 6 || !strings.HasPrefix(f[0], "tcp") {
			continue
		}
		e := ends{f[3], f[4]}
		if f[5] == "LISTEN" {
			e.remote = "*"
		}
		pid := 0
		if len(f) > 6 {
			pid = number(f[6], "")
		}
		found[e] = pid
	}
	return found
}

// readLsof reads lsof -nP -iTCP.
func readLsof(out string) map[ends]int {
	found := make(map[ends]int)
	for l := range strings.Lines(out) {
		f := strings.Fields(l)
		if len(f) < 9 || f[7] != "TCP" {
			continue
		}
		pid, _ := strconv.Atoi(f[1])
		local, remote, ok := strings.Cut(f[8], "->")
		if !ok {
			remote = "*"
		}
		found[ends{local, remote}] = pid
	}
	return found
}

// number returns the number after a text, 0 if there is none.
func number(s, after string) int {
	i := strings.Index(s, after)
	if i < 0 {
		return 0
	}
	s = s[i+len(after):]
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	v, _ := strconv.Atoi(s[:n])
	return v
}

// readLodgeJSON reads lodge ports --json.
func readLodgeJSON(out string) map[ends]int {
	type address struct {
		IP   string `json:"ip"`
		Port int    `json:"port"`
	}
	var t struct {
		Sockets []struct {
			Local     *address `json:"local"`
			Remote    *address `json:"remote"`
			Processes []struct {
				PID int `json:"pid"`
			} `json:"processes"`
		} `json:"sockets"`
	}
	if json.Unmarshal([]byte(out), &t) != nil {
		return nil
	}
	found := make(map[ends]int)
	text := func(a *address) string {
		if a == nil {
			return "*"
		}
		return a.IP + ":" + strconv.Itoa(a.Port)
	}
	for _, s := range t.Sockets {
		pid := 0
		if len(s.Processes) == 1 {
			pid = s.Processes[0].PID
		}
		found[ends{text(s.Local), text(s.Remote)}] = pid
	}
	return found
}

// readLodgeText reads lodge ports: a listener a line, or both ends of a
// connection a line, which is two sockets.
func readLodgeText(out string) map[ends]int {
	found := make(map[ends]int)
	for l := range strings.Lines(out) {
		f := strings.Fields(l)
		switch {
		case len(f) >= 3 && f[0] == "tcp":
			found[ends{f[1], "*"}] = number(f[2], "[")
		case len(f) >= 5 && f[2] == "→" && f[0] != "CLIENT":
			found[ends{f[1], f[3]}] = number(f[0], "[")
			found[ends{f[3], f[1]}] = number(f[4], "[")
		}
	}
	return found
}
