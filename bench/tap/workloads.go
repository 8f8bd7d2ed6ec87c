package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"lodge/bench/internal/scratch"
)

// workload is what is captured.
type workload struct {
	name  string
	unix  bool // it is one of Unix sockets
	needs []string
	// serve starts its server.
	serve func(ctx context.Context, b *bench) (stop func(), err error)
	// run runs it once.
	run func(ctx context.Context, b *bench) (load, error)
}

// load is what a workload did.
type load struct {
	rate     float64 // a second
	messages float64 // requests, or what is one
}

func workloads() []workload {
	wrk := func(connections, file string) func(context.Context, *bench) (load, error) {
		return func(ctx context.Context, b *bench) (load, error) {
			return b.command(ctx, `Requests/sec:\s+([\d.]+)`, `(\d+) requests in`,
				"wrk", "-t1", "-c", connections, "-d", fmt.Sprintf("%.0fs", b.length.Seconds()), "http://127.0.0.1:8080/"+file)
		}
	}
	pgbench := func(host string) func(context.Context, *bench) (load, error) {
		return func(ctx context.Context, b *bench) (load, error) {
			if host == "" {
				host = b.w.Path("postgres")
			}
			return b.command(ctx, `tps = ([\d.]+)`, `number of transactions actually processed: (\d+)`,
				"pgbench", "-n", "-S", "-c", "8", "-T", fmt.Sprintf("%.0f", b.length.Seconds()), "-h", host, "-p", "5455", "-U", "postgres", "postgres")
		}
	}
	redis := func(perSecond float64, args ...string) func(context.Context, *bench) (load, error) {
		return func(ctx context.Context, b *bench) (load, error) {
			n := int(b.length.Seconds() * perSecond)
			argv := append([]string{"redis-benchmark", "--csv", "-t", "get", "-c", "16", "-n", strconv.Itoa(n)}, args...)
			if args == nil {
				argv = append(argv, "-s", b.w.Path(redisSocket))
			}
			l, err := b.command(ctx, `requests per second|"GET","([\d.]+)"`, ``, argv...)
			l.messages = float64(n)
			return l, err
		}
	}
	return []workload{
		{"http-1", false, []string{"nginx", "wrk"}, serveNginx, wrk("1", "small")},
		{"http-64", false, []string{"nginx", "wrk"}, serveNginx, wrk("64", "small")},
		{"http-64k", false, []string{"nginx", "wrk"}, serveNginx, wrk("16", "large")},
		{"pingpong-32", false, nil, serveNothing, func(ctx context.Context, b *bench) (load, error) {
			exe, err := os.Executable()
			if err != nil {
				return load{}, err
			}
			return b.command(ctx, `rate ([\d.]+)`, `messages (\d+)`, exe, "-load", b.length.String())
		}},
		{"postgres", false, []string{"pgbench"}, servePostgres, pgbench("127.0.0.1")},
		{"redis-pipelined", false, []string{"redis-server", "redis-benchmark"}, serveRedis, redis(100_000, "-p", "6380", "-P", "16")},
		{"unix-postgres", true, []string{"pgbench"}, servePostgres, pgbench("")},
		{"unix-redis", true, []string{"redis-server", "redis-benchmark"}, serveRedisUnix, redis(20_000)},
	}
}

func serveNothing(context.Context, *bench) (func(), error) { return func() {}, nil }

// command runs a load generator, and reads its rate and its number of messages.
func (b *bench) command(ctx context.Context, rate, messages string, argv ...string) (l load, err error) {
	out, err := exec.CommandContext(ctx, argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		return l, fmt.Errorf("%s: %w: %s", argv[0], err, strings.TrimSpace(string(out)))
	}
	number := func(pattern string) float64 {
		for _, m := range regexp.MustCompile(pattern).FindAllStringSubmatch(string(out), -1) {
			if n, err := strconv.ParseFloat(m[len(m)-1], 64); err == nil {
				return n
			}
		}
		return 0
	}
	if l.rate = number(rate); l.rate == 0 {
		return l, fmt.Errorf("%s: it says no rate: %s", argv[0], strings.TrimSpace(string(out)))
	}
	if messages != "" {
		l.messages = number(messages)
	}
	return l, nil
}

// server starts a server and waits until it accepts connections, at an address of TCP or a
// Unix socket's path.
func (b *bench) server(ctx context.Context, address string, user bool, argv ...string) (stop func(), err error) {
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true, Pdeathsig: unix.SIGTERM}
	if user {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
	}
	cmd.Dir = b.w.Dir
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	stop = func() {
		_ = cmd.Process.Signal(unix.SIGTERM) // it may have ended
		kill := time.AfterFunc(10*time.Second, func() { _ = unix.Kill(-cmd.Process.Pid, unix.SIGKILL) })
		_ = cmd.Wait() // its status is of no interest
		kill.Stop()
	}
	err = scratch.Eventually(ctx, 20*time.Millisecond, 20*time.Second, func() error {
		network := "tcp"
		if filepath.IsAbs(address) {
			network = "unix"
		}
		c, err := net.Dial(network, address)
		if err == nil {
			err = c.Close()
		}
		return err
	})
	if err != nil {
		stop()
		return nil, fmt.Errorf("%s: %w", argv[0], err)
	}
	b.pid = cmd.Process.Pid
	return stop, nil
}

const nobody = 65534

func serveNginx(ctx context.Context, b *bench) (func(), error) {
	dir, err := b.w.Mkdir("nginx")
	if err != nil {
		return nil, err
	}
	config := fmt.Sprintf(`daemon off; worker_processes 1; pid %[1]s/pid; error_log %[1]s/error.log;
events { worker_connections 1024; }
http { access_log off; root %[1]s; keepalive_requests 1000000000; client_body_temp_path %[1]s/body; proxy_temp_path %[1]s/proxy;
 fastcgi_temp_path %[1]s/fastcgi; uwsgi_temp_path %[1]s/uwsgi; scgi_temp_path %[1]s/scgi; server { listen 127.0.0.1:8080; } }
`, dir)
	for name, text := range map[string]string{"conf": config, "small": strings.Repeat("x", 100), "large": strings.Repeat("x", 64<<10)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return nil, err
		}
	}
	if err := errors.Join(os.Chmod(b.w.Dir, 0o755), os.Chmod(dir, 0o755)); err != nil { // its worker is another user
		return nil, err
	}
	return b.server(ctx, "127.0.0.1:8080", false, "nginx", "-c", filepath.Join(dir, "conf"))
}

func serveRedis(ctx context.Context, b *bench) (func(), error) {
	return b.server(ctx, "127.0.0.1:6380", false, "redis-server", "--port", "6380", "--save", "", "--bind", "127.0.0.1")
}

// redisSocket is where the server of the workload unix-redis listens.
const redisSocket = "redis.sock"

func serveRedisUnix(ctx context.Context, b *bench) (func(), error) {
	path := b.w.Path(redisSocket)
	return b.server(ctx, path, false, "redis-server", "--port", "0", "--unixsocket", path, "--save", "")
}

func servePostgres(ctx context.Context, b *bench) (func(), error) {
	all, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	if len(all) == 0 {
		return nil, errors.New("find postgres: it is not installed")
	}
	bin := filepath.Dir(all[len(all)-1])
	dir, err := b.w.Mkdir("postgres")
	if err != nil {
		return nil, err
	}
	if err := errors.Join(os.Chmod(b.w.Dir, 0o755), os.Chown(dir, nobody, nobody)); err != nil {
		return nil, err
	}
	as := func(argv ...string) error {
		cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
		cmd.Dir, cmd.SysProcAttr = dir, &unix.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", filepath.Base(argv[0]), err, strings.TrimSpace(string(out)))
		}
		return nil
	}
	data := filepath.Join(dir, "data")
	if _, err := os.Stat(data); err != nil {
		if err := as(bin+"/initdb", "-D", data, "-U", "postgres", "-A", "trust"); err != nil {
			return nil, err
		}
	}
	stop, err := b.server(ctx, "127.0.0.1:5455", true, bin+"/postgres", "-D", data, "-p", "5455", "-k", dir)
	if err != nil {
		return nil, err
	}
	err = scratch.Eventually(ctx, 50*time.Millisecond, 20*time.Second, func() error {
		return as("pgbench", "-i", "-q", "-s", "1", "-h", "127.0.0.1", "-p", "5455", "-U", "postgres", "postgres")
	})
	if err != nil {
		stop()
		return nil, err
	}
	return stop, nil
}

// pingPong sends small messages to and fro over 32 connections for a time, and prints how
// many there were.
func pingPong(ctx context.Context, length string, out io.Writer) error {
	d, err := time.ParseDuration(length)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	const connections, size = 32, 64
	var wg sync.WaitGroup
	wg.Go(func() {
		for range connections {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer func() { _ = c.Close() }() // all was read
				b := make([]byte, size)
				for {
					if _, err := io.ReadFull(c, b); err != nil {
						return
					}
					if _, err := c.Write(b); err != nil {
						return
					}
				}
			})
		}
	})
	var mu sync.Mutex // guards total and failed
	var total int
	var failed error
	begun := time.Now()
	for range connections {
		wg.Go(func() {
			n, err := ping(ctx, l.Addr().String(), begun.Add(d), size)
			mu.Lock()
			defer mu.Unlock()
			total += n
			failed = errors.Join(failed, err)
		})
	}
	wg.Wait()
	took := time.Since(begun).Seconds()
	if err := errors.Join(failed, l.Close()); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "messages %d\nrate %.1f\n", total, float64(total)/took)
	return err
}

// ping asks on one connection until a time, and returns how often it was answered.
func ping(ctx context.Context, address string, until time.Time, size int) (n int, err error) {
	c, err := net.Dial("tcp", address)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	b := make([]byte, size)
	for time.Now().Before(until) && ctx.Err() == nil {
		if _, err := c.Write(b); err != nil {
			return n, err
		}
		if _, err := io.ReadFull(c, b); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}
