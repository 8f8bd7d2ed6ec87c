package supervisor

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"lodge/internal/home"
	"lodge/internal/service"
)

// readyEvery is how often a service is asked over HTTP, or by its command,
// whether it is ready.
const readyEvery = 50 * time.Millisecond

// readiness is the outcome of a wait for a service to be ready.
type readiness struct {
	// listened reports that it is ready because it listens.
	listened bool
	since    time.Time
	reason   string // why it is ready, where that is worth telling, or ""
	err      error
}

// prober finds out when a service is ready.
type prober struct{ environment }

// awaitReady returns when the service is ready, or when its time is over, which
// is an error. A wait that is made again, for a service that was ready in this
// life, has no end. After ctx is done it returns at once.
func (r *prober) awaitReady(ctx context.Context, sp service.Spec, p *process, again bool) readiness {
	rd := sp.Ready
	if rd.None {
		return readiness{since: time.Now()}
	}
	limit, began := readyLimit(sp), p.started
	switch {
	case again:
		began = time.Now()
	case !rd.Soft:
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, p.watched.Add(limit))
		defer cancel()
	}
	var ok bool
	what := "it runs but listens nowhere inside its home"
	done := readiness{since: time.Now()}
	switch {
	case rd.HTTP != "":
		ok, what = r.readyHTTP(ctx, sp)
		done.listened = true
	case len(rd.Command) > 0:
		ok, what = r.readyCommand(ctx, sp)
	case rd.Log != "":
		ok, what = r.readyLog(ctx, rd.Log), "no line of its output matches "+strconv.Quote(rd.Log)
	case sp.HTTPSocket != "":
		ok, what = r.readySocket(ctx, sp.HTTPSocket), "nothing listens on "+sp.HTTPSocket
	default:
		soft := time.Duration(0)
		if rd.Soft {
			soft = limit
		}
		r.mu.Lock()
		worker := mayBeWorker(sp) && !again && !r.isServer
		r.mu.Unlock()
		s := r.settle(ctx, sp, p, began, soft, worker)
		done.since, done.listened, ok = s.since, s.ok, s.ok
		if ok {
			return done
		}
		// One that was busy all the time is no failure either, unless the file says
		// how long it may take.
		if s.worker || worker && !s.tried && ctx.Err() == context.DeadlineExceeded && limit >= service.DefaultReadyTimeout {
			return readiness{since: time.Now(), reason: workerReason}
		}
		if missing := r.missingPorts(sp); missing != "" {
			what = "it does not listen on port " + missing
		}
	}
	done.since = time.Now()
	switch {
	case ok || rd.Soft:
	case ctx.Err() == nil:
		done.err = fmt.Errorf("not ready: %s", what) // nor will it be
	default:
		done.err = fmt.Errorf("not ready after %s: %s", limit, what)
	}
	return done
}

// readyLimit returns how long a service may take until it is ready.
func readyLimit(sp service.Spec) time.Duration {
	switch {
	case sp.ReadyTimeout > 0:
		return sp.ReadyTimeout
	case sp.Ready.Soft:
		return service.SoftReadyTimeout
	}
	return service.DefaultReadyTimeout
}

// readySocket waits until a process listens on a Unix socket, of which no engine
// tells.
func (r *prober) readySocket(ctx context.Context, path string) bool {
	tick := time.NewTicker(readyEvery)
	defer tick.Stop()
	for {
		if c, err := net.Dial("unix", path); err == nil {
			_ = c.Close()
			return true
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false
		}
	}
}

func (r *prober) readyHTTP(ctx context.Context, sp service.Spec) (bool, string) {
	client := &http.Client{
		Timeout:       5 * time.Second,
		Transport:     &http.Transport{DisableKeepAlives: true, Proxy: nil},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	last := "it listens nowhere inside its home"
	tick := time.NewTicker(readyEvery)
	defer tick.Stop()
	for {
		e, ok := r.listening(ctx, sp)
		if !ok {
			return false, last
		}
		u := "http://" + e.AddrPort().String() + sp.Ready.HTTP
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, u, nil)
		if err != nil {
			return false, err.Error()
		}
		req.Host = net.JoinHostPort("localhost", strconv.Itoa(int(e.Port)))
		resp, err := client.Do(req)
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode >= 200 && resp.StatusCode < 400 {
				return true, ""
			}
			last = fmt.Sprintf("%s answers %s", sp.Ready.HTTP, resp.Status)
		} else if ctx.Err() == nil {
			last = err.Error()
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false, last
		}
	}
}

func (r *prober) readyCommand(ctx context.Context, sp service.Spec) (bool, string) {
	_, base := r.definition()
	env, err := r.environ(sp, base)
	if err != nil {
		return false, "ready: " + err.Error()
	}
	path, err := service.LookPath(sp.Ready.Command[0], sp.Dir, env)
	if err != nil {
		return false, "ready: " + err.Error()
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return false, err.Error()
	}
	defer null.Close()
	name := r.name + ".ready"
	last := "its ready command did not end"
	tick := time.NewTicker(readyEvery)
	defer tick.Stop()
	for {
		pid, exit, err := r.sup.reaper.Start(func() (int, error) {
			return r.sup.inside.Start(home.Command{Service: name, Path: path, Args: sp.Ready.Command, Env: env, Dir: sp.Dir, Files: []*os.File{null, null, null}})
		})
		if err != nil {
			return false, "ready: " + err.Error()
		}
		select {
		case x := <-exit:
			r.sup.reaper.Halt(r.sup.inside, name, pid, exit, true, unix.SIGTERM, time.Second)
			if x.Code == 0 {
				_ = r.sup.inside.Forget(name)
				return true, ""
			}
			last = fmt.Sprintf("its ready command ends with %s", x.String())
			if x.Signal == 0 && x.Code == service.ExecStatus(os.ErrNotExist) {
				last += ": a program in it was not found"
			}
		case <-ctx.Done():
			r.sup.reaper.Halt(r.sup.inside, name, pid, exit, false, unix.SIGTERM, time.Second)
			_ = r.sup.inside.Forget(name)
			return false, last
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			_ = r.sup.inside.Forget(name)
			return false, last
		}
	}
}

func (r *prober) readyLog(ctx context.Context, expr string) bool {
	re, err := regexp.Compile(expr)
	if err != nil {
		return false // checked when the file was read
	}
	r.mu.Lock()
	since := r.st.StartedAt
	r.mu.Unlock()
	f := r.sup.logs.Follow([]string{r.name})
	defer f.Close()
	// Lines from before the follow began.
	for _, l := range r.sup.logs.Tail(r.name, 1000) {
		if since != nil && !l.Time.Before(*since) && !l.Note && re.MatchString(l.Text) {
			return true
		}
	}
	for {
		l, err := f.Next(ctx)
		if err != nil {
			return false
		}
		if !l.Note && re.MatchString(l.Text) {
			return true
		}
	}
}

func (r *prober) pids() []int {
	pids, _ := r.sup.inside.Pids(r.name)
	return pids
}
