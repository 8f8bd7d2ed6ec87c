package project

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"

	"lodge/internal/loopback"
	"lodge/internal/refs"
)

// reader turns the tree of a lodge.toml into a Project.
type reader struct {
	*tree
	project *Project
	// at holds where things were written that are checked against each other
	// once everything was read.
	needs       map[string][]int
	refs        []reference
	portNames   []portNameAt
	ports       map[Port]string
	defaultItem *item
}

var (
	topKeys     = []string{"version", "name", "isolation", "default", "services"}
	serviceKeys = []string{
		"command", "dir", "needs", "env", "watch", "http", "names", "port", "listen", "ready", "restart",
		"stop_signal", "stop_grace", "ready_timeout", "start", "idle", "cross_site", "plain_http", "watch_fallback",
	}
	readyKeys = []string{"http", "command", "log"}
)

// synonyms are the words that other tools use for a key of a service.
var synonyms = map[string]string{
	"cmd": "command", "run": "command", "exec": "command", "script": "command", "args": "command", "entrypoint": "command",
	"cwd": "dir", "directory": "dir", "working_dir": "dir", "workdir": "dir", "path": "dir", "root": "dir",
	"depends_on": "needs", "depends": "needs", "after": "needs", "requires": "needs", "dependencies": "needs",
	"environment": "env", "vars": "env", "reload": "watch", "watches": "watch", "poll": "watch_fallback", "polling": "watch_fallback",
	"health": "ready", "healthcheck": "ready", "health_check": "ready", "wait_for": "ready", "readiness": "ready",
	"ports": "port", "aliases": "names", "hostnames": "names", "socket": "listen", "http_port": "http", "signal": "stop_signal", "kill_signal": "stop_signal",
	"cors": "cross_site", "origins": "cross_site", "https": "plain_http", "redirect": "plain_http", "idle_timeout": "idle", "lazy": "start", "on_request": "start",
	"grace": "stop_grace", "stop_timeout": "stop_grace", "stop_grace_period": "stop_grace", "timeout": "ready_timeout", "start_timeout": "ready_timeout",
}

// parseTOML reads the text of a lodge.toml. The path gives the project's
// directory and appears in errors. Name is only set where the file sets it.
func parseTOML(path string, data []byte) (*Project, error) {
	src := source{path: path, data: data}
	if err := src.checkText(); err != nil {
		return nil, err
	}
	t, err := parseTree(src)
	if err != nil {
		return nil, err
	}
	r := &reader{
		tree:    t,
		project: &Project{Dir: filepath.Dir(path), ConfigPath: path, Isolation: loopback.Overlay},
		needs:   map[string][]int{},
		ports:   map[Port]string{},
	}
	if err := r.read(); err != nil {
		return nil, err
	}
	return r.project, nil
}

func (r *reader) read() error {
	// The version comes first: what a newer lodge writes may be unknown here,
	// and that is then the better explanation.
	if it, ok := r.root.items["version"]; ok {
		if err := r.version(it); err != nil {
			return err
		}
	}
	for _, key := range r.root.keys {
		it := r.root.items[key]
		var err error
		switch key {
		case "version":
		case "name":
			r.project.Name, err = r.label(it, key)
		case "isolation":
			var s string
			s, err = r.oneOf(it, key, []string{string(loopback.Overlay), string(loopback.Strict)})
			r.project.Isolation = loopback.Isolation(s)
		case "default":
			r.defaultItem = it
			r.project.Default, err = r.str(it, key)
		case "services":
			err = r.services(it)
		default:
			err = r.unknownTop(it)
		}
		if err != nil {
			return err
		}
	}
	if len(r.project.Services) == 0 {
		offset := 0
		if it, ok := r.root.items["services"]; ok {
			offset = it.offset
		}
		return r.fail(offset, "", "the project has no services", `add one: [services.web] with command = "…"`)
	}
	if it := r.defaultItem; it != nil {
		if _, ok := r.project.Service(r.project.Default); !ok {
			return r.noService(it.value.offset, "default", r.project.Default)
		}
	}
	if err := r.checkPortNames(); err != nil {
		return err
	}
	if err := r.checkNeeds(); err != nil {
		return err
	}
	return r.checkRefs()
}

func (r *reader) version(it *item) error {
	n, err := r.integer(it, "version", "a number", "")
	switch {
	case err != nil:
		return err
	case n > Version:
		return r.fail(it.value.offset, "", fmt.Sprintf("version %d is newer than this lodge reads", n), fmt.Sprintf("it reads version %d", Version))
	case n < Version:
		return r.fail(it.value.offset, "", fmt.Sprintf("there is no version %d", n), fmt.Sprintf("write version = %d", Version))
	}
	return nil
}

func (r *reader) unknownTop(it *item) error {
	message := fmt.Sprintf("unknown key %s", ellipsis(it.key))
	hint := didYouMean(Nearest(it.key, topKeys))
	switch {
	case hint != "":
	case it.key == "service":
		hint = didYouMean("services")
	case it.value.table != nil && it.value.table.items["command"] != nil:
		hint = fmt.Sprintf("did you mean [%s]?", dotKey("services", it.key))
	case slices.Contains(serviceKeys, it.key):
		hint = "it belongs to a service, such as [services.web]"
	default:
		hint = "known here: " + strings.Join(topKeys, ", ")
	}
	return r.fail(it.offset, "", message, hint)
}

func (r *reader) services(it *item) error {
	if it.value.table == nil {
		hint := "write [services.web], one table for each service"
		return r.wrongType(it.value, "services", "a table", hint)
	}
	for _, name := range it.value.table.keys {
		if err := r.service(it.value.table.items[name]); err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) service(it *item) error {
	key := dotKey("services", it.key)
	if problem := labelProblem(it.key); problem != "" {
		return r.fail(it.offset, key, "not a service name: "+problem, didYouMean(toLabel(it.key)))
	}
	v := it.value
	if v.table == nil {
		hint := ""
		if v.kind == unstable.String {
			hint = fmt.Sprintf("write %s = { command = %s }", it.key, ellipsis(v.text))
		}
		return r.wrongType(v, key, "a table", hint)
	}
	s := newService(it.key, r.project.Dir)
	for _, name := range v.table.keys {
		sub := v.table.items[name]
		if err := r.serviceKey(&s, sub, key+"."+dotKey(sub.key), key); err != nil {
			return err
		}
	}
	if s.Command == "" {
		return r.fail(it.offset, key, "command is missing", `add command = "…"`)
	}
	if s.Idle != 0 && !s.OnRequest {
		return r.fail(v.table.items["idle"].offset, key, "idle is set, and nothing would start the service again", `add start = "on-request"`)
	}
	r.project.Services = append(r.project.Services, s)
	return nil
}

// serviceKey reads one key of a service. key is its full name and parent that
// of the service.
func (r *reader) serviceKey(s *Service, it *item, key, parent string) (err error) {
	switch it.key {
	case "command":
		err = r.command(s, it, key)
	case "dir":
		var dir string
		if dir, err = r.str(it, key); err == nil && !filepath.IsAbs(dir) {
			dir = filepath.Join(r.project.Dir, dir)
		}
		s.Dir = filepath.Clean(dir)
	case "needs":
		s.Needs, r.needs[s.Name], err = r.strings(it, key)
	case "env":
		err = r.env(s, it, key)
	case "watch":
		var offsets []int
		s.Watch, offsets, err = r.strings(it, key)
		for i := 0; err == nil && i < len(s.Watch); i++ {
			if problem, hint := watchProblem(s.Watch[i]); problem != "" {
				err = r.fail(offsets[i], key, problem, hint)
			}
		}
	case "http":
		err = r.http(s, it, key)
	case "names":
		err = r.portNamesOf(s, it, key)
	case "watch_fallback":
		var v string
		v, err = r.oneOf(it, key, []string{string(WatchPoll), string(WatchNone)})
		s.WatchFallback = WatchFallback(v)
	case "cross_site":
		var v string
		v, err = r.oneOf(it, key, []string{string(CrossSiteRefuse), string(CrossSiteAllow)})
		s.CrossSite = CrossSite(v)
	case "plain_http":
		var v string
		v, err = r.oneOf(it, key, []string{string(PlainServe), string(PlainRedirect)})
		s.PlainHTTP = PlainHTTP(v)
	case "start":
		s.OnRequest, err = r.start(it, key)
	case "idle":
		s.Idle, err = r.duration(it, key, 1)
	case "port":
		s.Port, err = r.port(s, it, key, s.Listen)
	case "listen":
		s.Listen, err = r.port(s, it, key, s.Port)
	case "ready":
		s.Ready, err = r.ready(it, key)
	case "restart":
		s.Restart, err = r.restart(it, key)
	case "stop_signal":
		s.StopSignal, err = r.signal(it, key)
	case "stop_grace":
		s.StopGrace, err = r.duration(it, key, 0)
	case "ready_timeout":
		s.ReadyTimeout, err = r.duration(it, key, 1)
	default:
		hint := didYouMean(Nearest(it.key, serviceKeys))
		if meant, ok := synonyms[strings.ToLower(strings.ReplaceAll(it.key, "-", "_"))]; ok {
			hint = didYouMean(meant)
		}
		switch {
		case hint != "":
		case slices.Contains(topKeys, it.key):
			hint = "it belongs at the top, before the first [services.…]"
		default:
			hint = "known here: " + strings.Join(serviceKeys, ", ")
		}
		err = r.fail(it.offset, parent, fmt.Sprintf("unknown key %s", ellipsis(it.key)), hint)
	}
	return err
}

// command reads a line for a shell, or an argument list.
func (r *reader) command(s *Service, it *item, key string) error {
	v := it.value
	if v.kind == unstable.Array {
		args, offsets, err := r.strings(it, key)
		switch {
		case err != nil:
			return err
		case len(args) == 0:
			return r.fail(v.offset, key, "the command is empty", "")
		case strings.TrimSpace(args[0]) == "":
			return r.fail(offsets[0], key, "the program's name is empty", "")
		}
		s.Args, s.Command = args, quoteWords(args)
		return nil
	}
	line, err := r.typed(v, key, unstable.String, "a string, or an array of strings", "")
	if err != nil {
		return err
	}
	if problem := commandProblem(line); problem != "" {
		return r.fail(v.offset, key, problem, "")
	}
	s.Command = line
	return nil
}

func (r *reader) env(s *Service, it *item, key string) error {
	v := it.value
	if v.table == nil {
		return r.wrongType(v, key, "a table", `write env = { NAME = "value" }`)
	}
	for _, name := range v.table.keys {
		sub := v.table.items[name]
		if problem := envProblem(name); problem != "" {
			return r.fail(sub.offset, key, problem, "")
		}
		hint := ""
		switch sub.value.kind {
		case unstable.Integer, unstable.Bool, unstable.Float:
			hint = fmt.Sprintf("write %s = %q", name, sub.value.text)
		}
		text, err := r.typed(sub.value, key+"."+name, unstable.String, "a string", hint)
		if err != nil {
			return err
		}
		s.setEnv(name, text)
		for _, ref := range refs.Find(text) {
			r.refs = append(r.refs, reference{s.Name, key + "." + name, sub.value.offset, ref})
		}
	}
	return nil
}

// envProblem says why a shell could not use a variable of this name (POSIX.1,
// XBD 3.216 Name), or "".
func envProblem(name string) string {
	if name == "" {
		return "a variable's name cannot be empty"
	}
	for i, r := range name {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r == '_', r >= '0' && r <= '9' && i > 0:
		case i == 0 && r >= '0' && r <= '9':
			return fmt.Sprintf("%s is not a variable's name: it begins with a digit", ellipsis(name))
		default:
			return fmt.Sprintf("%s is not a variable's name: %q is not one of A-Z, a-z, 0-9 and _", ellipsis(name), r)
		}
	}
	return ""
}

// port reads "auto" or a number. other is what the service has set under the
// key that excludes this one.
func (r *reader) port(s *Service, it *item, key string, other Port) (Port, error) {
	if other.IsSet() {
		return "", r.fail(it.offset, dotKey("services", s.Name), "port and listen are both set", "listen holds the port by itself: keep only that, or only port")
	}
	v := it.value
	if v.kind == unstable.String {
		if v.text != string(AutoPort) {
			hint := didYouMean(Nearest(v.text, []string{string(AutoPort)}))
			if n, err := strconv.ParseUint(v.text, 10, 16); err == nil && n > 0 {
				hint = fmt.Sprintf("write %s = %d, without quotes", it.key, n)
			}
			return "", r.fail(v.offset, key, fmt.Sprintf("found %s, want \"auto\" or a port from 1 to 65535", ellipsis(v.text)), hint)
		}
		return AutoPort, nil
	}
	if v.kind == unstable.Bool {
		return "", r.wrongType(v, key, `"auto" or a port from 1 to 65535`, fmt.Sprintf("write %s = \"auto\" for any free port", it.key))
	}
	n, err := r.portNumber(it, key, `"auto" or `)
	if err != nil {
		return "", err
	}
	p := Port(strconv.Itoa(int(n)))
	if first, taken := r.ports[p]; taken {
		return "", r.fail(v.offset, key, fmt.Sprintf("port %s is taken by %s", p, first), "two services of a project share one localhost")
	}
	r.ports[p] = dotKey("services", s.Name)
	return p, nil
}

func (r *reader) restart(it *item, key string) (Restart, error) {
	policies := []string{string(RestartOnFailure), string(RestartAlways), string(RestartNever)}
	policy, err := r.oneOf(it, key, policies)
	var e *Error
	if errors.As(err, &e) && e.Hint == "" {
		// Words of other tools, and what looks like a switch.
		switch it.value.text {
		case "false", "no", "off":
			e.Hint = didYouMean(string(RestartNever))
		case "true", "yes", "on", "unless-stopped":
			e.Hint = didYouMean(string(RestartAlways))
		}
	}
	return Restart(policy), err
}

// ready reads false or one of { http = … }, { command = … }, { log = … }.
func (r *reader) ready(it *item, key string) (ready Ready, err error) {
	v := it.value
	if v.kind == unstable.Bool {
		if v.text == "true" {
			return ready, r.fail(v.offset, key, "found true, want false or a table",
				"leave ready out to wait until the service listens; false means ready once started")
		}
		return Ready{None: true}, nil
	}
	if v.table == nil {
		return ready, r.wrongType(v, key, "false or a table", `write { http = "/healthz" }, { command = "…" } or { log = "regexp" }`)
	}
	if len(v.table.keys) == 0 {
		return ready, r.fail(v.offset, key, "the table is empty", `write { http = "/healthz" }, { command = "…" } or { log = "regexp" }`)
	}
	for i, name := range v.table.keys {
		sub := v.table.items[name]
		if i > 0 && slices.Contains(readyKeys, name) {
			return ready, r.fail(sub.offset, key, fmt.Sprintf("%s and %s are both set", v.table.keys[0], name), "choose one")
		}
		switch name {
		case "http":
			ready.HTTP, err = r.healthPath(sub, key+".http")
		case "command":
			if ready.Command, err = r.str(sub, key+".command"); err == nil {
				if problem := commandProblem(ready.Command); problem != "" {
					err = r.fail(sub.value.offset, key+".command", problem, "")
				}
			}
		case "log":
			ready.Log, err = r.regexp(sub, key+".log")
		default:
			hint := didYouMean(Nearest(name, readyKeys))
			if hint == "" {
				hint = "known here: " + strings.Join(readyKeys, ", ")
			}
			err = r.fail(sub.offset, key, fmt.Sprintf("unknown key %s", ellipsis(name)), hint)
		}
		if err != nil {
			return Ready{}, err
		}
	}
	return ready, nil
}
