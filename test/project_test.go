package test

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// lsProject is a project as `lodge ls --json` prints it. The names of the
// fields are written out here once more: they are a promise.
type lsProject struct {
	ID           string       `json:"id"`
	Name         string       `json:"name"`
	Path         string       `json:"path"`
	Home         netip.Addr   `json:"home"`
	Home6        string       `json:"home6"`
	Engine       string       `json:"engine"`
	EngineReason string       `json:"engine_reason"`
	Isolation    string       `json:"isolation"`
	State        string       `json:"state"`
	KeeperPID    int          `json:"keeper_pid"`
	LogDir       string       `json:"log_dir"`
	LogError     string       `json:"log_error"`
	KeyLog       string       `json:"key_log"`
	Label        string       `json:"label"`
	URL          string       `json:"url"`
	Services     []lsService  `json:"services"`
	Others       []lsEndpoint `json:"other_endpoints"`
}

type lsService struct {
	Name      string       `json:"name"`
	Kind      string       `json:"kind"`
	State     string       `json:"state"`
	PID       int          `json:"pid"`
	Restarts  int          `json:"restarts"`
	Exit      *int         `json:"exit_status"`
	Reason    string       `json:"reason"`
	Port      uint16       `json:"port"`
	URL       string       `json:"url"`
	HostName  string       `json:"host_name"`
	Endpoints []lsEndpoint `json:"endpoints"`
}

type lsEndpoint struct {
	Protocol string     `json:"protocol"`
	IP       netip.Addr `json:"ip"`
	Port     uint16     `json:"port"`
	RealPort uint16     `json:"real_port"`
}

type lsAnswer struct {
	Projects []lsProject `json:"projects"`
	Warnings []string    `json:"warnings"`
}

// ls returns what `lodge ls --json` prints.
func (e *env) ls(args ...string) lsAnswer {
	e.t.Helper()
	out := e.lodge(e.base, append([]string{"ls", "--json"}, args...)...).ok(e.t)
	var a lsAnswer
	if err := json.Unmarshal([]byte(out), &a); err != nil {
		e.t.Fatalf("read ls --json: %v\n%s", err, out)
	}
	return a
}

// project is a directory of this environment.
type project struct {
	*env
	name string
	dir  string
}

// project makes a directory with the files given as name, text, name, text.
// Every @ALONE@ in a text is the project's name.
func (e *env) project(name string, files ...string) *project {
	e.t.Helper()
	p := &project{env: e, name: name, dir: filepath.Join(e.base, "p", name)}
	e.mkdir(filepath.Join(e.base, "p"))
	e.mkdir(p.dir)
	for i := 0; i+1 < len(files); i += 2 {
		p.write(files[i], strings.ReplaceAll(files[i+1], "@ALONE@", name))
	}
	return p
}

// pair makes two projects with the same files, which differ in their name
// only: the test of most programs is that both run at once.
func (e *env) pair(files ...string) [2]*project {
	e.t.Helper()
	return [2]*project{e.project("one", files...), e.project("two", files...)}
}

// write writes a file in one step, as editors do.
func (p *project) write(name, text string) {
	p.t.Helper()
	path := filepath.Join(p.dir, name)
	if dir := filepath.Dir(path); dir != p.dir {
		p.mkdir(dir)
	}
	tmp := path + ".new"
	if err := os.WriteFile(tmp, []byte(text), 0o644); err != nil {
		p.t.Fatal(err)
	}
	p.own(tmp)
	if err := os.Rename(tmp, path); err != nil {
		p.t.Fatal(err)
	}
}

func (p *project) read(name string) string {
	b, err := os.ReadFile(filepath.Join(p.dir, name))
	if err != nil {
		return ""
	}
	return string(b)
}

func (p *project) lodge(args ...string) result {
	p.t.Helper()
	return p.env.lodge(p.dir, args...)
}

func (p *project) start(args ...string) *process {
	p.t.Helper()
	return p.env.start(p.dir, args...)
}

// up starts the project in the background.
func (p *project) up(args ...string) {
	p.t.Helper()
	p.lodge(append([]string{"up", "-d"}, args...)...).ok(p.t)
}

// exec runs a command inside, which must succeed, and gives what it prints.
func (p *project) exec(argv ...string) string {
	p.t.Helper()
	return p.lodge(append([]string{"exec", "--"}, argv...)...).ok(p.t)
}

// info returns the project as ls shows it; ok is false where it does not.
func (p *project) info() (lsProject, bool) {
	p.t.Helper()
	for _, q := range p.ls().Projects {
		if q.Path == p.dir {
			return q, true
		}
	}
	return lsProject{}, false
}

// service returns a service of the project as ls shows it.
func (p *project) service(name string) (lsService, bool) {
	p.t.Helper()
	q, _ := p.info()
	for _, s := range q.Services {
		if s.Name == name {
			return s, true
		}
	}
	return lsService{}, false
}

// home waits until some service of the project is listed with the port, checks
// that it is at the home's address and nowhere else, and gives that address.
func (p *project) home(protocol string, port uint16) netip.AddrPort {
	p.t.Helper()
	var at netip.AddrPort
	eventually(p.t, func() string {
		q, ok := p.info()
		if !ok {
			return "ls does not list " + p.dir
		}
		if q.Engine != p.engine {
			p.t.Fatalf("%s runs with engine %s (%s), want %s", p.name, q.Engine, q.EngineReason, p.engine)
		}
		for _, s := range q.Services {
			for _, e := range s.Endpoints {
				if e.Port == port && e.Protocol == protocol && e.IP == q.Home {
					at = netip.AddrPortFrom(q.Home, port)
					return ""
				}
			}
		}
		return fmt.Sprintf("ls lists no %s port %d of %s at its home %s: %+v", protocol, port, p.name, q.Home, q.Services)
	})
	return at
}

// config makes a lodge.toml with one service.
func config(name, command string, lines ...string) string {
	return "version = 1\n[services." + name + "]\ncommand = " + strconv.Quote(command) + "\n" + strings.Join(lines, "\n") + "\n"
}

// differ checks that two homes are two.
func differ(t *testing.T, a, b netip.AddrPort) {
	t.Helper()
	if a.Addr() == b.Addr() || a.Port() != b.Port() {
		t.Fatalf("endpoints %s and %s: want two homes and one port", a, b)
	}
}
