package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"
)

// way is one way in which a proxy is asked.
type way struct {
	tls, h2 bool
}

func (w way) scheme() string {
	if w.tls {
		return "https"
	}
	return "http"
}

// contender is a proxy that runs. direct is the backend itself.
type contender struct {
	name string
	port int
	pid  int // 0: none of its own
	end  func()
}

func (c *contender) addr() string { return "127.0.0.1:" + strconv.Itoa(c.port) }

// The names of the contenders, in the order of the columns.
const (
	direct       = "direct"
	lodgeName    = "lodge"
	nginxName    = "nginx"
	haproxyName  = "haproxy"
	reverseName  = "ReverseProxy"
	caddyName    = "caddy"
	portlessName = "portless"
)

// launch starts a proxy for one name that leads to backend.
func (b *bench) launch(ctx context.Context, name string, w way, backend int) (*contender, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(b.dir, fmt.Sprintf("%s-%d", name, port))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	c := &contender{name: name, port: port, end: func() {}}
	var p *program
	switch name {
	case direct:
		c.port = backend
		return c, nil
	case lodgeName:
		p, err = b.start(dir, nil, b.namedArgs("lodge", w, port, backend)...)
	case reverseName:
		p, err = b.start(dir, nil, b.namedArgs("reverseproxy", w, port, backend)...)
	case nginxName:
		p, err = b.nginx(dir, nginxProxy(b, w, port, backend))
	case haproxyName:
		p, err = b.haproxy(dir, w, port, backend)
	case caddyName:
		p, err = b.caddy(dir, w, port, backend)
	case portlessName:
		p, err = b.portless(ctx, dir, w, port, backend)
	}
	if err != nil {
		return nil, err
	}
	c.pid, c.end = p.cmd.Process.Pid, p.end
	return c, p.ready(ctx, c.addr())
}

func (b *bench) namedArgs(mode string, w way, port, backend int) []string {
	args := []string{b.named, "-mode", mode, "-listen", "127.0.0.1:" + strconv.Itoa(port), "-backend", "127.0.0.1:" + strconv.Itoa(backend), "-host", host}
	if w.tls {
		args = append(args, "-cert", b.cert, "-key", b.key)
	}
	if w.h2 {
		args = append(args, "-h2")
	}
	return args
}

// nginx runs with a configuration whose http block is given.
func (b *bench) nginx(dir, http string) (*program, error) {
	bin, err := b.find("nginx")
	if err != nil {
		return nil, err
	}
	user := ""
	if os.Geteuid() == 0 {
		user = "user root;"
	}
	conf := fmt.Sprintf(`daemon off; pid %[1]s/pid; error_log %[1]s/err; %[2]s
worker_rlimit_nofile 65536;
events { worker_connections 30000; }
http {
 client_body_temp_path %[1]s/a; proxy_temp_path %[1]s/b; fastcgi_temp_path %[1]s/c; uwsgi_temp_path %[1]s/d; scgi_temp_path %[1]s/e;
 access_log off; keepalive_requests 100000000; default_type text/plain;
%[3]s
}
`, dir, user, http)
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		return nil, err
	}
	return b.start(dir, nil, bin, "-p", dir, "-e", filepath.Join(dir, "err"), "-c", file)
}

func nginxProxy(b *bench, w way, port, backend int) string {
	tls := ""
	if w.tls {
		tls = fmt.Sprintf("ssl; ssl_certificate %s; ssl_certificate_key %s", b.cert, b.key)
	}
	if w.h2 {
		tls = "http2 " + tls
	}
	return fmt.Sprintf(` upstream be { server 127.0.0.1:%d; keepalive 128; keepalive_requests 100000000; }
 map $http_upgrade $connection_upgrade { default upgrade; '' ''; }
 server { listen 127.0.0.1:%d %s; server_name %s;
  location / { proxy_pass http://be; proxy_http_version 1.1; proxy_set_header Connection $connection_upgrade; proxy_set_header Upgrade $http_upgrade;
   proxy_set_header Host $host; proxy_set_header X-Forwarded-For $remote_addr; proxy_read_timeout 1h; } }
 server { listen 127.0.0.1:%[2]d default_server %[3]s; return 404; }`, backend, port, tls, host)
}

func (b *bench) haproxy(dir string, w way, port, backend int) (*program, error) {
	bin, err := b.find("haproxy")
	if err != nil {
		return nil, err
	}
	tls := ""
	if w.tls {
		tls = " ssl crt " + filepath.Join(b.dir, "both.pem")
	}
	if w.h2 {
		tls += " alpn h2"
	}
	conf := fmt.Sprintf(`global
  maxconn 4096
defaults
  mode http
  option forwardfor
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend f
  bind 127.0.0.1:%d%s
  acl h hdr(host),field(1,:) -i %s
  use_backend b if h
backend b
  http-reuse always
  server s1 127.0.0.1:%d
`, port, tls, host, backend)
	file := filepath.Join(dir, "haproxy.cfg")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		return nil, err
	}
	return b.start(dir, nil, bin, "-db", "-f", file)
}

func (b *bench) caddy(dir string, w way, port, backend int) (*program, error) {
	bin, err := b.find("caddy")
	if err != nil {
		return nil, err
	}
	site, tls, protocols := fmt.Sprintf("%s://%s:%d", w.scheme(), host, port), "", "h1"
	if w.tls {
		tls = fmt.Sprintf("tls %s %s", b.cert, b.key)
	}
	if w.h2 {
		protocols = "h1 h2"
	}
	conf := fmt.Sprintf(`{
	admin off
	auto_https off
	default_sni %s
	storage file_system %s
	servers {
		protocols %s
	}
}
%s {
	bind 127.0.0.1
	%s
	reverse_proxy 127.0.0.1:%d
}
`, host, dir, protocols, site, tls, backend)
	file := filepath.Join(dir, "Caddyfile")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		return nil, err
	}
	return b.start(dir, []string{"HOME=" + dir, "XDG_DATA_HOME=" + dir, "XDG_CONFIG_HOME=" + dir}, bin, "run", "--config", file, "--adapter", "caddyfile")
}

// modules is where bench/names/install put what comes from npm.
func (b *bench) modules() string { return filepath.Join(b.opt.peers, "names/node_modules") }

// portless runs in the Node that it needs, with the state in dir. The name is
// an alias, whose first label is the part before .localhost.
func (b *bench) portless(ctx context.Context, dir string, w way, port, backend int) (*program, error) {
	node, bin := filepath.Join(b.modules(), "node/bin/node"), filepath.Join(b.modules(), "portless/dist/cli.js")
	for _, f := range []string{node, bin} {
		if _, err := os.Stat(f); err != nil {
			return nil, errNotHere
		}
	}
	env := []string{"HOME=" + dir, "PORTLESS_STATE_DIR=" + dir, "PORTLESS_SYNC_HOSTS=0", "PATH=" + filepath.Dir(node) + ":" + os.Getenv("PATH")}
	args := []string{node, bin, "proxy", "start", "--foreground", "--port", strconv.Itoa(port)}
	if w.tls {
		args = append(args, "--cert", b.cert, "--key", b.key)
	} else {
		args = append(args, "--no-tls")
	}
	p, err := b.start(dir, env, args...)
	if err != nil {
		return nil, err
	}
	if err := p.ready(ctx, "127.0.0.1:"+strconv.Itoa(port)); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, node, bin, "alias", "app", strconv.Itoa(backend))
	cmd.Env, cmd.Dir = append(os.Environ(), env...), dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("name a service with portless: %w: %s", err, out)
	}
	return p, nil
}

// launchAll starts those contenders that are here. Those that are not, or do
// not answer, are noted.
func (b *bench) launchAll(ctx context.Context, names []string, w way, backend int, path string) ([]*contender, error) {
	var out []*contender
	for _, n := range names {
		c, err := b.launch(ctx, n, w, backend)
		if err == nil && !(n == direct && w.tls) {
			err = b.untilAnswers(ctx, c, w, path)
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			if !errors.Is(err, errNotHere) && (n == lodgeName || n == direct) {
				return nil, err
			}
			b.out.miss(n, err.Error())
			continue
		}
		out = append(out, c)
	}
	return out, nil
}
