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
	"lodge/internal/project/syntax"
)

// reader turns the tree of a lodge.toml into a Project.
type reader struct {
	checks
	ports       map[Port]string // the service that has a port
	defaultItem *syntax.Item
}

var (
	topKeys     = []string{"version", "name", "isolation", "default", "keylog", "env", "env_file", "services"}
	serviceKeys = []string{
		"command", "dir", "needs", "env", "env_file", "watch", "http", "names", "port", "listen", "ready", "restart",
		"stop_signal", "stop_grace", "ready_timeout", "start", "idle", "cross_site", "plain_http", "host", "private", "tty", "keylog", "watch_fallback",
	}
	readyKeys = []string{"http", "command", "log", "tcp"}
)

// synonyms returns the words that other tools use for a key of a service.
func synonyms() map[string]string {
	return map[string]string{
		"cmd": "command", "run": "command", "exec": "command", "script": "command", "args": "command", "entrypoint": "command",
		"cwd": "dir", "directory": "dir", "working_dir": "dir", "workdir": "dir", "path": "dir", "root": "dir",
		"depends_on": "needs", "depends": "needs", "after": "needs", "requires": "needs", "dependencies": "needs",
		"environment": "env", "vars": "env", "env_files": "env_file", "envfile": "env_file", "dotenv": "env_file", "reload": "watch", "watches": "watch", "poll": "watch_fallback", "polling": "watch_fallback",
		"health": "ready", "healthcheck": "ready", "health_check": "ready", "wait_for": "ready", "readiness": "ready",
		"ports": "port", "aliases": "names", "hostnames": "names", "socket": "listen", "http_port": "http", "signal": "stop_signal", "host_header": "host", "terminal": "tty", "pty": "tty", "key_log": "keylog", "sslkeylogfile": "keylog", "kill_signal": "stop_signal",
		"cors": "cross_site", "origins": "cross_site", "https": "plain_http", "redirect": "plain_http", "idle_timeout": "idle", "lazy": "start", "on_request": "start",
		"grace": "stop_grace", "stop_timeout": "stop_grace", "stop_grace_period": "stop_grace", "timeout": "ready_timeout", "start_timeout": "ready_timeout",
	}
}

// parseTOML reads the text of a lodge.toml. The path gives the project's
// directory and appears in errors. Name is only set where the file sets it.
func parseTOML(path string, data []byte) (*Project, error) {
	src := syntax.NewSource(path, data)
	if err := src.CheckText(); err != nil {
		return nil, err
	}
	t, err := syntax.ParseTree(src)
	if err != nil {
		return nil, err
	}
	r := &reader{
		checks: checks{
			Tree:    t,
			project: &Project{Dir: filepath.Dir(path), ConfigPath: path, Isolation: loopback.Overlay},
			needs:   map[string][]int{},
		},
		ports: map[Port]string{},
	}
	r.project.vars = newVars(t.Source)
	if err := r.read(); err != nil {
		return nil, err
	}
	return r.project, nil
}

func (r *reader) read() error {
	// The version comes first: what a newer lodge writes may be unknown here,
	// and that is then the better explanation.
	if it, ok := r.Root.Items["version"]; ok {
		if err := r.version(it); err != nil {
			return err
		}
	}
	for _, key := range r.Root.Keys {
		it := r.Root.Items[key]
		var err error
		switch key {
		case "version":
		case "name":
			r.project.Name, err = readLabel(r.Tree, it, key)
		case "isolation":
			var s string
			s, err = r.OneOf(it, key, []string{string(loopback.Overlay), string(loopback.Strict)})
			r.project.Isolation = loopback.Isolation(s)
		case "default":
			r.defaultItem = it
			r.project.Default, err = r.Str(it, key)
		case "keylog":
			r.project.KeyLog, err = r.boolean(it, key)
		case "env":
			r.project.vars.env, err = readEnv(r.Tree, it, key)
		case "env_file":
			r.project.vars.files, err = readEnvFiles(r.Tree, r.project.Dir, it, key)
			r.project.vars.given = true
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
		if it, ok := r.Root.Items["services"]; ok {
			offset = it.Offset
		}
		return r.Fail(offset, "", "the project has no services", `add one: [services.web] with command = "…"`)
	}
	if it := r.defaultItem; it != nil {
		if _, ok := r.project.Service(r.project.Default); !ok {
			return r.noService(it.Value.Offset, "default", r.project.Default)
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

func (r *reader) version(it *syntax.Item) error {
	n, err := r.Integer(it, "version", "a number", "")
	switch {
	case err != nil:
		return err
	case n > Version:
		return r.Fail(it.Value.Offset, "", fmt.Sprintf("version %d is newer than this lodge reads", n), fmt.Sprintf("it reads version %d", Version))
	case n < Version:
		return r.Fail(it.Value.Offset, "", fmt.Sprintf("there is no version %d", n), fmt.Sprintf("write version = %d", Version))
	}
	return nil
}

func (r *reader) unknownTop(it *syntax.Item) error {
	message := fmt.Sprintf("unknown key %s", syntax.Ellipsis(it.Key))
	hint := syntax.DidYouMean(syntax.Nearest(it.Key, topKeys))
	switch {
	case hint != "":
	case it.Key == "service":
		hint = syntax.DidYouMean("services")
	case it.Value.Table != nil && it.Value.Table.Items["command"] != nil:
		hint = fmt.Sprintf("did you mean [%s]?", syntax.DotKey("services", it.Key))
	case slices.Contains(serviceKeys, it.Key):
		hint = "it belongs to a service, such as [services.web]"
	default:
		hint = "known here: " + strings.Join(topKeys, ", ")
	}
	return r.Fail(it.Offset, "", message, hint)
}

func (r *reader) services(it *syntax.Item) error {
	if it.Value.Table == nil {
		hint := "write [services.web], one table for each service"
		return r.WrongType(it.Value, "services", "a table", hint)
	}
	for _, name := range it.Value.Table.Keys {
		if err := r.service(it.Value.Table.Items[name]); err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) service(it *syntax.Item) error {
	key := syntax.DotKey("services", it.Key)
	if problem := labelProblem(it.Key); problem != "" {
		return r.Fail(it.Offset, key, "not a service name: "+problem, syntax.DidYouMean(toLabel(it.Key)))
	}
	v := it.Value
	if v.Table == nil {
		hint := ""
		if v.Kind == unstable.String {
			hint = fmt.Sprintf("write %s = { command = %s }", it.Key, syntax.Ellipsis(v.Text))
		}
		return r.WrongType(v, key, "a table", hint)
	}
	s := newService(it.Key, r.project.Dir)
	for _, name := range v.Table.Keys {
		sub := v.Table.Items[name]
		if err := r.serviceKey(&s, sub, key+"."+syntax.DotKey(sub.Key), key); err != nil {
			return err
		}
	}
	if s.Command == "" {
		return r.Fail(it.Offset, key, "command is missing", `add command = "…"`)
	}
	if s.Idle != 0 && !s.OnRequest {
		return r.Fail(v.Table.Items["idle"].Offset, key, "idle is set, and nothing would start the service again", `add start = "on-request"`)
	}
	r.serviceRefs(s.Name)
	r.project.Services = append(r.project.Services, s)
	return nil
}

// serviceKey reads one key of a service. key is its full name and parent that
// of the service.
func (r *reader) serviceKey(s *Service, it *syntax.Item, key, parent string) (err error) {
	switch it.Key {
	case "command":
		err = r.command(s, it, key)
	case "dir":
		var dir string
		if dir, err = r.Str(it, key); err == nil && !filepath.IsAbs(dir) {
			dir = filepath.Join(r.project.Dir, dir)
		}
		s.Dir = filepath.Clean(dir)
	case "needs":
		s.Needs, r.needs[s.Name], err = r.Strings(it, key)
	case "env":
		var env []entry
		env, err = readEnv(r.Tree, it, key)
		r.project.vars.of(s.Name).env = env
		for _, e := range env {
			s.setEnv(e.name, e.text)
		}
	case "env_file":
		v := r.project.vars.of(s.Name)
		v.files, err = readEnvFiles(r.Tree, r.project.Dir, it, key)
		v.given = true
	case "watch":
		var offsets []int
		s.Watch, offsets, err = r.Strings(it, key)
		for i := 0; err == nil && i < len(s.Watch); i++ {
			if problem, hint := watchProblem(s.Watch[i]); problem != "" {
				err = r.Fail(offsets[i], key, problem, hint)
			}
		}
	case "http":
		err = readHTTP(r.Tree, r.project.Dir, s, it, key)
	case "names":
		err = r.portNamesOf(s, it, key)
	case "watch_fallback":
		var v string
		v, err = r.OneOf(it, key, []string{string(WatchPoll), string(WatchNone)})
		s.WatchFallback = WatchFallback(v)
	case "cross_site":
		var v string
		v, err = r.OneOf(it, key, []string{string(CrossSiteRefuse), string(CrossSiteAllow)})
		s.CrossSite = CrossSite(v)
	case "tty":
		s.TTY, err = r.boolean(it, key)
	case "keylog":
		var on bool
		on, err = r.boolean(it, key)
		s.KeyLog = &on
	case "private":
		s.Private, err = readPrivate(r.Tree, it, key)
	case "host":
		s.Host, err = r.OneOf(it, key, []string{HostName, HostLocalhost})
	case "plain_http":
		var v string
		v, err = r.OneOf(it, key, []string{string(PlainServe), string(PlainRedirect)})
		s.PlainHTTP = PlainHTTP(v)
	case "start":
		s.OnRequest, err = readStart(r.Tree, it, key)
	case "idle":
		s.Idle, err = r.Duration(it, key, 1)
	case "port":
		s.Port, err = r.port(s, it, key, s.Listen)
	case "listen":
		s.Listen, err = r.port(s, it, key, s.Port)
	case "ready":
		s.Ready, err = readReady(r.Tree, it, key)
	case "restart":
		s.Restart, err = r.restart(it, key)
	case "stop_signal":
		s.StopSignal, err = readSignal(r.Tree, it, key)
	case "stop_grace":
		s.StopGrace, err = r.Duration(it, key, 0)
	case "ready_timeout":
		s.ReadyTimeout, err = r.Duration(it, key, 1)
	default:
		hint := syntax.DidYouMean(syntax.Nearest(it.Key, serviceKeys))
		if meant, ok := synonyms()[strings.ToLower(strings.ReplaceAll(it.Key, "-", "_"))]; ok {
			hint = syntax.DidYouMean(meant)
		}
		switch {
		case hint != "":
		case slices.Contains(topKeys, it.Key):
			hint = "it belongs at the top, before the first [services.…]"
		default:
			hint = "known here: " + strings.Join(serviceKeys, ", ")
		}
		err = r.Fail(it.Offset, parent, fmt.Sprintf("unknown key %s", syntax.Ellipsis(it.Key)), hint)
	}
	return err
}

// command reads a line for a shell, or an argument list.
func (r *reader) command(s *Service, it *syntax.Item, key string) error {
	v := it.Value
	if v.Kind == unstable.Array {
		args, offsets, err := r.Strings(it, key)
		switch {
		case err != nil:
			return err
		case len(args) == 0:
			return r.Fail(v.Offset, key, "the command is empty", "")
		case strings.TrimSpace(args[0]) == "":
			return r.Fail(offsets[0], key, "the program's name is empty", "")
		}
		s.Args, s.Command = args, quoteWords(args)
		return nil
	}
	line, err := r.Typed(v, key, unstable.String, "a string, or an array of strings", "")
	if err != nil {
		return err
	}
	if problem := commandProblem(line); problem != "" {
		return r.Fail(v.Offset, key, problem, "")
	}
	s.Command = line
	return nil
}

// port reads "auto" or a number. other is what the service has set under the
// key that excludes this one.
func (r *reader) port(s *Service, it *syntax.Item, key string, other Port) (Port, error) {
	if other.IsSet() {
		return "", r.Fail(it.Offset, syntax.DotKey("services", s.Name), "port and listen are both set", "listen holds the port by itself: keep only that, or only port")
	}
	v := it.Value
	if v.Kind == unstable.String {
		if v.Text != string(AutoPort) {
			hint := syntax.DidYouMean(syntax.Nearest(v.Text, []string{string(AutoPort)}))
			if n, err := strconv.ParseUint(v.Text, 10, 16); err == nil && n > 0 {
				hint = fmt.Sprintf("write %s = %d, without quotes", it.Key, n)
			}
			return "", r.Fail(v.Offset, key, fmt.Sprintf("found %s, want \"auto\" or a port from 1 to 65535", syntax.Ellipsis(v.Text)), hint)
		}
		return AutoPort, nil
	}
	if v.Kind == unstable.Bool {
		return "", r.WrongType(v, key, `"auto" or a port from 1 to 65535`, fmt.Sprintf("write %s = \"auto\" for any free port", it.Key))
	}
	n, err := r.PortNumber(it, key, `"auto" or `)
	if err != nil {
		return "", err
	}
	p := Port(strconv.Itoa(int(n)))
	if first, taken := r.ports[p]; taken {
		return "", r.Fail(v.Offset, key, fmt.Sprintf("port %s is taken by %s", p, first), "two services of a project share one localhost")
	}
	r.ports[p] = syntax.DotKey("services", s.Name)
	return p, nil
}

func (r *reader) boolean(it *syntax.Item, key string) (bool, error) {
	text, err := r.Typed(it.Value, key, unstable.Bool, "true or false", "")
	return text == "true", err
}

func (r *reader) restart(it *syntax.Item, key string) (Restart, error) {
	policies := []string{string(RestartOnFailure), string(RestartAlways), string(RestartNever)}
	policy, err := r.OneOf(it, key, policies)
	var e *syntax.Error
	if errors.As(err, &e) && e.Hint == "" {
		// Words of other tools, and what looks like a switch.
		switch it.Value.Text {
		case "false", "no", "off":
			e.Hint = syntax.DidYouMean(string(RestartNever))
		case "true", "yes", "on", "unless-stopped":
			e.Hint = syntax.DidYouMean(string(RestartAlways))
		}
	}
	return Restart(policy), err
}
