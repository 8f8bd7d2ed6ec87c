package main

import (
	"fmt"
	"path"
	"strings"
)

// Where the machine has the work directory, and its own copy of the programs in
// it: a page of a program is read from the other machine at every exec.
const (
	workInside     = "/mnt"
	programsInside = "/srv/lodge"
)

// script returns what the machine runs: each suite in its package's directory,
// its output and exit status in files that are left here. Its standard output
// is the console.
func script(moduleDir string, todo []suite) string {
	var b strings.Builder
	fmt.Fprintf(&b, "out=%s/%s\n", workInside, outputDir)
	fmt.Fprintf(&b, "mkdir -p %[2]s && cp %[1]s/* %[2]s/ 2>/dev/null\n", workInside, programsInside)
	fmt.Fprintf(&b, "export LODGE_MACHINE=%s\n", programsInside)
	fmt.Fprintf(&b, "echo '%sbooted with systemd, '\"$(cut -d. -f1 /proc/uptime) s\"\n", mark)
	for _, s := range todo {
		var args []string
		for _, a := range s.args() {
			args = append(args, quote(a))
		}
		fmt.Fprintf(&b, "begin=$(cut -d. -f1 /proc/uptime)\n")
		fmt.Fprintf(&b, "cd %s && %s %s >$out/%s.out 2>&1 </dev/null\n", quote(path.Join(moduleDir, s.pkg)), path.Join(programsInside, s.binary()), strings.Join(args, " "), s.name)
		fmt.Fprintf(&b, "status=$?; echo $status >$out/%s.status\n", s.name)
		fmt.Fprintf(&b, "echo '%s'%s\": status $status, $(($(cut -d. -f1 /proc/uptime) - begin)) s\"\n", mark, s.name)
	}
	fmt.Fprintf(&b, "echo >$out/done\n")
	return b.String()
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
