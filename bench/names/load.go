package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"
)

// load is what a client saw of one run.
type load struct {
	PerSecond float64 `json:"per_second"`
	P50       float64 `json:"p50_us"`
	P99       float64 `json:"p99_us"`
	Requests  float64 `json:"requests"`
	Errors    float64 `json:"errors"` // of sockets, and answers that are no success
}

// wrkScript has wrk say what it knows in one line (done is called with its
// summary, and times in microseconds: wrk's SCRIPTING).
const wrkScript = `done = function(s, l)
  io.write(string.format('{"per_second":%.1f,"p50_us":%d,"p99_us":%d,"requests":%d,"errors":%d}\n',
    s.requests / (s.duration / 1e6), l:percentile(50), l:percentile(99), s.requests,
    s.errors.connect + s.errors.read + s.errors.write + s.errors.status + s.errors.timeout))
end
`

// wrk keeps a number of connections busy for whole seconds.
func (s *site) wrk(ctx context.Context, url string, conns, seconds int) (load, error) {
	out, err := output(ctx, s.wrkPath, "-t1", fmt.Sprintf("-c%d", conns), fmt.Sprintf("-d%ds", seconds), "-s", s.script, url)
	if err != nil {
		return load{}, err
	}
	return parseWrk(out)
}

// parseWrk finds the line of wrkScript.
func parseWrk(out []byte) (load, error) {
	for l := range bytes.Lines(out) {
		if !bytes.HasPrefix(l, []byte("{")) {
			continue
		}
		var v load
		if err := json.Unmarshal(l, &v); err != nil {
			return v, fmt.Errorf("read what wrk says: %w", err)
		}
		if v.Requests <= 0 {
			return v, errors.New("read what wrk says: no request was answered")
		}
		return v, nil
	}
	return load{}, fmt.Errorf("read what wrk says: no result in %q", short(out))
}

// h2load does the same over HTTP/2, with a number of streams on each
// connection.
func (s *site) h2load(ctx context.Context, port, path string, conns, streams, seconds int) (load, error) {
	log := s.b.w.Path("h2load.log")
	if err := os.Remove(log); err != nil && !errors.Is(err, os.ErrNotExist) {
		return load{}, err
	}
	out, err := output(ctx, s.h2loadPath, fmt.Sprintf("-c%d", conns), fmt.Sprintf("-m%d", streams), "-t1", fmt.Sprintf("-D%d", seconds),
		"--log-file="+log, "--connect-to=127.0.0.1:"+port, "https://"+hostName+":"+port+path)
	if err != nil {
		return load{}, err
	}
	v, err := parseH2load(out)
	if err != nil {
		return v, err
	}
	times, err := os.ReadFile(log)
	if err != nil {
		return v, err
	}
	v.P50, v.P99, err = parseH2log(times)
	return v, err
}

// parseH2load reads h2load's summary.
//
//	Application protocol: h2
//	finished in 1.00s, 12042.00 req/s, 1.83MB/s
//	requests: 12042 total, 12106 started, 12042 done, 12042 succeeded, 0 failed, 0 errored, 0 timeout
//	status codes: 12043 2xx, 0 3xx, 0 4xx, 0 5xx
func parseH2load(out []byte) (load, error) {
	var v load
	h2 := false
	for l := range bytes.Lines(out) {
		name, rest, ok := strings.Cut(strings.TrimSpace(string(l)), ": ")
		if !ok {
			if f, ok := strings.CutPrefix(name, "finished in "); ok {
				if _, after, ok := strings.Cut(f, ", "); ok {
					rate, _, _ := strings.Cut(after, " ")
					v.PerSecond, _ = strconv.ParseFloat(rate, 64) // 0 is refused below
				}
			}
			continue
		}
		switch name {
		case "Application protocol":
			h2 = rest == "h2"
		case "requests":
			c := counts(rest)
			v.Requests, v.Errors = c["succeeded"], c["failed"] // failed has the errored and the timed out
		}
	}
	switch {
	case !h2:
		return v, errors.New("read what h2load says: it did not speak h2")
	case v.Requests <= 0 || v.PerSecond <= 0:
		return v, fmt.Errorf("read what h2load says: no request was answered: %q", short(out))
	}
	return v, nil
}

// counts reads "12 total, 3 failed".
func counts(s string) map[string]float64 {
	out := map[string]float64{}
	for part := range strings.SplitSeq(s, ", ") {
		n, what, _ := strings.Cut(part, " ")
		if v, err := strconv.ParseFloat(n, 64); err == nil {
			out[what] = v
		}
	}
	return out
}

// parseH2log reads h2load's log of requests: when each began, its status, and
// how long it took, in microseconds, with tabs between.
func parseH2log(log []byte) (p50, p99 float64, err error) {
	var took []float64
	for l := range bytes.Lines(log) {
		f := strings.Split(strings.TrimSpace(string(l)), "\t")
		if len(f) != 3 {
			return 0, 0, fmt.Errorf("read log of h2load: %q", short(l))
		}
		v, err := strconv.ParseFloat(f[2], 64)
		if err != nil {
			return 0, 0, fmt.Errorf("read log of h2load: %w", err)
		}
		took = append(took, v)
	}
	if len(took) == 0 {
		return 0, 0, errors.New("read log of h2load: it is empty")
	}
	slices.Sort(took)
	return took[len(took)/2], took[len(took)*99/100], nil
}

func short(b []byte) string { return string(b[:min(len(b), 300)]) }

// output runs a program to its end. One that hangs is ended.
func output(ctx context.Context, argv ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	var said strings.Builder
	cmd.Stderr = &said
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("run %s: %w: %s", strings.Join(argv, " "), err, strings.TrimSpace(said.String()))
	}
	return out, nil
}
