package test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// roundsVariable and seedVariable choose how many rounds TestRounds makes with
// each engine, and their order: LODGE_TEST_ROUNDS=200 for a long run.
const (
	roundsVariable = "LODGE_TEST_ROUNDS"
	seedVariable   = "LODGE_TEST_SEED"
	fewRounds      = 4
)

// Processes are killed and stopped and paths removed, in random order, while
// commands run. After each round the project runs once, whole, where it was,
// and whenever it was ended nothing of it is left.
func TestRounds(t *testing.T) {
	t.Parallel()
	n, seed := roundsWanted(t)
	for i, run := range []struct {
		name, engine string
		asRoot       bool
	}{{"ebpf", ebpf, true}, {"seccomp", seccomp, false}, {"seccomp-root", seccomp, true}} {
		t.Run(run.name, func(t *testing.T) {
			t.Parallel()
			if run.asRoot {
				needRoot(t)
			}
			e := newEnv(t, run.engine, func(e *env) {
				if run.asRoot {
					e.uid = os.Geteuid()
				}
			})
			r := newRounds(e, rand.New(rand.NewPCG(seed, uint64(i))))
			t.Logf("%s=%d %s=%d gives these rounds again", roundsVariable, n, seedVariable, seed)
			for k := range n {
				r.round(k + 1)
			}
			r.end()
		})
	}
}

func roundsWanted(t *testing.T) (int, uint64) {
	t.Helper()
	n, seed := fewRounds, uint64(time.Now().UnixNano())
	if s := os.Getenv(roundsVariable); s != "" {
		n = atoi(t, s)
	}
	if s := os.Getenv(seedVariable); s != "" {
		u, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		seed = u
	}
	return n, seed
}

// rounds is one project that much is done to.
type rounds struct {
	*project
	rand  *rand.Rand
	hosts string // a hosts file, with ebpf
	// services are what must run once each, by a text that is in their
	// arguments.
	services map[string]roundService
	// stopped are processes that were sent SIGSTOP in this round.
	stopped []int
}

type roundService struct {
	port uint16
	text string
}

const machineHosts = "127.0.0.1 localhost\n"

// newRounds makes the project. Its services differ in what can be known of
// their processes: plain has all; bare has no environment and another
// directory; away left its session, its parent and its environment.
func newRounds(e *env, random *rand.Rand) *rounds {
	e.t.Helper()
	r := &rounds{rand: random, services: make(map[string]roundService)}
	var toml strings.Builder
	toml.WriteString("version = 1\n")
	for i, s := range []struct{ name, command string }{
		{"plain", "exec @SERVER@"},
		{"bare", "cd / && exec env -i @SERVER@"},
		{"away", "cd / && setsid -f env -i @SERVER@ </dev/null >/dev/null 2>&1; exec sleep 100000"},
	} {
		port, text := uint16(8790+i), e.base+"/"+s.name
		server := fmt.Sprintf("%s http :%d %s", peerBin, port, text)
		fmt.Fprintf(&toml, "[services.%s]\ncommand = %q\nrestart = \"always\"\n", s.name, "sh -c '"+strings.ReplaceAll(s.command, "@SERVER@", server)+"'")
		r.services[s.name] = roundService{port, text}
	}
	if e.engine == ebpf {
		r.hosts = filepath.Join(e.base, "hosts")
		if err := os.WriteFile(r.hosts, []byte(machineHosts), 0o644); err != nil {
			e.t.Fatal(err)
		}
		e.environ = append(e.environ, "LODGE_HOSTS="+r.hosts)
	}
	r.project = e.project("rounds", "lodge.toml", toml.String())
	// Before the environment's own end: a stopped process would hold it up.
	e.t.Cleanup(r.goOn)
	return r
}

// upArgs are those of `lodge up` in the background.
func (r *rounds) upArgs() []string { return []string{"up", "-d", "--engine", r.engine} }

// round does harm while commands run, lets what was stopped go on, and checks
// what became of the project.
func (r *rounds) round(number int) {
	r.t.Helper()
	if number > 1 && r.rand.IntN(4) == 0 {
		r.say(number, "begins with nothing up")
		r.lodge("down").ok(r.t)
		r.nothingRuns()
	}
	before, after := r.anyCommand(true), r.anyCommand(false)
	harms := []harm{r.anyHarm()}
	if r.rand.IntN(3) == 0 {
		harms = append(harms, r.anyHarm())
	}
	var names []string
	for _, h := range harms {
		names = append(names, h.name)
	}
	r.say(number, "%s, meanwhile %s, then %s", strings.Join(before, " "), strings.Join(names, " and "), strings.Join(after, " "))

	first := r.start(before...)
	r.pause()
	for _, h := range harms {
		h.do(first)
	}
	// It answers, or says what it cannot reach: either is an end.
	second := r.lodge(after...)
	if second.code != 0 && strings.TrimSpace(second.stderr) == "" {
		r.t.Errorf("round %d: not a word why: %v", number, second)
	}
	if lasts(before) {
		_ = first.cmd.Process.Signal([]os.Signal{os.Interrupt, syscall.SIGTERM, os.Kill}[r.rand.IntN(3)]) // it may have ended
	}
	r.goOn()
	first.wait()
	r.runsOnce(number)
}

func (r *rounds) say(number int, format string, args ...any) {
	r.t.Helper()
	r.t.Logf("round %d: "+format, append([]any{number}, args...)...)
}

// visitor is a command inside that does not end by itself.
var visitor = []string{"sleep", "100001"}

// anyCommand is what is done to the project by its user; mayLast allows one that
// does not end by itself.
func (r *rounds) anyCommand(mayLast bool) []string {
	all := [][]string{
		r.upArgs(), r.upArgs(),
		{"run", "--engine", r.engine, "--", "true"},
		{"exec", "--", "true"},
		{"restart"},
		{"restart", "away"},
		{"down"},
		{"down", "bare"},
		{"ls"},
	}
	if mayLast {
		all = append(all,
			[]string{"up", "--engine", r.engine},
			append([]string{"run", "--engine", r.engine, "--"}, visitor...),
			append([]string{"exec", "--"}, visitor...),
			[]string{"logs", "-f"},
		)
	}
	return all[r.rand.IntN(len(all))]
}

// lasts reports whether a command does not end by itself.
func lasts(args []string) bool {
	return len(args) == 3 && args[0] == "up" || args[0] == "logs" || args[len(args)-1] == visitor[1]
}

// pause lets a command come as far as it does in a moment of random length:
// which state it is met in is what differs from round to round.
func (r *rounds) pause() {
	if d := time.Duration(r.rand.IntN(400)) * time.Millisecond; d > 0 {
		<-time.After(d)
	}
}

// end stops the project: nothing is left of it, nor of what was before it.
func (r *rounds) end() {
	r.t.Helper()
	r.lodge("down", "--all").ok(r.t)
	r.nothingRuns()
	r.gone()
	if r.hosts == "" {
		return
	}
	eventually(r.t, func() string {
		if b, err := os.ReadFile(r.hosts); err != nil || string(b) != machineHosts {
			return fmt.Sprintf("the hosts file is not as it was: %q, %v", b, err)
		}
		return ""
	})
}
