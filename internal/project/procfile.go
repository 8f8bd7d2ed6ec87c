package project

import (
	"fmt"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"lodge/internal/loopback"
	"lodge/internal/project/dotenv"
	"lodge/internal/project/syntax"
)

// A Procfile (https://ddollar.github.io/foreman/#PROCFILE) has a line
// "name: command" for each service. As foreman does it, every service gets the
// variables of the .env file beside the Procfile, PORT (5000, 5100 and so on,
// counted from the PORT in .env if there is one) and PS, and runs in the
// Procfile's directory.
//
// A Procfile cannot say which services listen and which are workers that never
// do, so Ready is as it is for a lodge.toml that does not set it. Whoever starts
// them must not take a worker that listens nowhere for a failure.

// What foreman gives as PORT to the first service, and the step to the next.
const (
	procfilePort     = 5000
	procfilePortStep = 100
)

var procfileLine = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^([A-Za-z0-9_-]+)[ \t]*:[ \t]*(.*)$`) })

// parseProcfile reads the text of a Procfile. env is that of the .env file
// beside it.
func parseProcfile(path string, data []byte, env []dotenv.Variable) (*Project, error) {
	src := syntax.NewSource(path, data)
	if err := src.CheckText(); err != nil {
		return nil, err
	}
	p := &Project{Dir: filepath.Dir(path), ConfigPath: path, Isolation: loopback.Overlay}
	for _, v := range env {
		p.setEnv(v.Name, v.Value)
	}
	type origin struct {
		written string
		line    int
	}
	origins := map[string]origin{}
	port := procfilePort
	for _, v := range env {
		if n, err := strconv.ParseUint(v.Value, 10, 16); v.Name == "PORT" && err == nil && n > 0 {
			port = int(n)
		}
	}
	for _, l := range src.Lines() {
		if l.Text == "" || l.Text[0] == '#' {
			continue
		}
		m := procfileLine().FindStringSubmatchIndex(l.Text)
		if m == nil {
			return nil, procfileProblem(src, l)
		}
		written, command := l.Text[m[2]:m[3]], strings.TrimRight(l.Text[m[4]:m[5]], " \t")
		name := strings.ReplaceAll(strings.ToLower(written), "_", "-")
		if problem := labelProblem(name); problem != "" {
			return nil, src.Fail(l.Offset, written, "not a service name: "+problem, syntax.DidYouMean(toLabel(name)))
		}
		if first, taken := origins[name]; taken {
			message := fmt.Sprintf("already defined on line %d", first.line)
			if first.written != written {
				message = fmt.Sprintf("%s on line %d has the same name: both become %q", first.written, first.line, name)
			}
			return nil, src.Fail(l.Offset, written, message, "two services need two names")
		}
		origins[name] = origin{written, src.Line(l.Offset)}
		problem := commandProblem(command)
		if strings.ContainsRune(command, 0) {
			problem = "the command has a NUL character in it"
		}
		if problem != "" {
			return nil, src.Fail(l.Offset+m[4], written, problem, "")
		}
		s := newService(name, p.Dir)
		s.Command = command
		for _, v := range env {
			s.setEnv(v.Name, v.Value)
		}
		// Past the last port foreman hands out numbers that are no ports.
		if n := port + procfilePortStep*len(p.Services); n <= 65535 {
			s.setEnv("PORT", strconv.Itoa(n))
		}
		s.setEnv("PS", written+".1")
		p.Services = append(p.Services, s)
	}
	if len(p.Services) == 0 {
		return nil, src.Fail(0, "", "the project has no services", "add one: web: COMMAND")
	}
	return p, nil
}

// procfileProblem reports what is wrong with a line that is not "name: command".
func procfileProblem(s syntax.Source, l syntax.TextLine) error {
	name, _, colon := strings.Cut(l.Text, ":")
	name = strings.TrimSpace(name)
	switch {
	case !colon:
		return s.Fail(l.Offset, "", fmt.Sprintf("found %s, want name: command", syntax.Ellipsis(l.Text)), "")
	case name == "":
		return s.Fail(l.Offset, "", "a service's name is missing before the colon", "")
	}
	hint := ""
	if fixed := toLabel(name); fixed != "" {
		hint = syntax.DidYouMean(fixed)
	}
	return s.Fail(l.Offset, "", fmt.Sprintf("%s is not a service name: it has letters, digits, - and _", syntax.Ellipsis(name)), hint)
}
