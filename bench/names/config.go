package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"lodge/bench/internal/scratch"
)

// The peers' configurations: one name that leads to one server, with as many
// connections kept to it as they can.

func (s *site) nginxProxy(dir, listen, to string, secure bool) (string, error) {
	tls := ""
	if secure {
		tls = fmt.Sprintf(" ssl http2; ssl_certificate %s; ssl_certificate_key %s", s.cert, s.key)
	}
	return s.nginxConf(dir, 0, fmt.Sprintf(` upstream be { server %s; keepalive 128; keepalive_requests 100000000; }
 server { listen %s%s; server_name %s; location / { proxy_pass http://be; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host; } }`,
		to, listen, tls, hostName))
}

func (s *site) haproxyConf(dir, listen, to string, secure bool) (string, error) {
	tls := ""
	if secure {
		tls = " ssl crt " + s.both + " alpn h2,http/1.1"
	}
	conf := filepath.Join(dir, "haproxy.cfg")
	return conf, os.WriteFile(conf, []byte(fmt.Sprintf(`global
  maxconn 4096
defaults
  mode http
  timeout connect 5s
  timeout client 60s
  timeout server 60s
frontend f
  bind %s%s
  acl h hdr(host),field(1,:) -i %s
  use_backend b if h
backend b
  http-reuse always
  server s1 %s
`, listen, tls, hostName, to)), 0o644)
}

func (s *site) caddyfile(dir string, c *contender, to string) (string, error) {
	tls := ""
	if c.scheme == "https" {
		tls = fmt.Sprintf("tls %s %s", s.cert, s.key)
	}
	conf := filepath.Join(dir, "Caddyfile")
	return conf, os.WriteFile(conf, []byte(fmt.Sprintf(`{
  admin off
  auto_https off
  storage file_system %s/storage
  servers {
    protocols h1 h2
  }
}
%s://%s:%d {
  bind 127.0.0.1
  %s
  reverse_proxy %s
}
`, dir, c.scheme, hostName, c.port, tls, to)), 0o644)
}

// portlessUp starts portless, and tells it of the server.
func (s *site) portlessUp(ctx context.Context, c *contender, dir, to string) (*contender, error) {
	if s.node == "" || s.portless == "" {
		return nil, &scratch.NeedError{What: notHere}
	}
	env := []string{"HOME=" + dir, "PORTLESS_STATE_DIR=" + dir, "PORTLESS_SYNC_HOSTS=0", "PATH=" + filepath.Dir(s.node) + ":" + os.Getenv("PATH")}
	tls := []string{"--no-tls"}
	if c.scheme == "https" {
		tls = []string{"--cert", s.cert, "--key", s.key}
	}
	argv := append([]string{s.node, s.portless, "proxy", "start", "--foreground", "--port", fmt.Sprint(c.port)}, tls...)
	if err := s.launch(c, env, argv...); err != nil {
		return nil, err
	}
	// It writes a file that the proxy reads, whenever that is there.
	if err := scratch.Eventually(ctx, poll, 20*time.Second, func() error { return dialled(ctx, c.port) }); err != nil {
		return nil, &scratch.NeedError{What: err.Error()}
	}
	alias, err := scratch.Start(append([]string{"HOME=" + dir}, env...), dir, s.node, s.portless, "alias", "app", port(to))
	if err != nil {
		return nil, err
	}
	if err := scratch.WaitForEnd(ctx, alias.PID()); err != nil {
		return nil, err
	}
	if err := alias.Close(); err != nil {
		return nil, err
	}
	return c, s.awaitPeer(ctx, c)
}
