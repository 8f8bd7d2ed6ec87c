package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"lodge/bench/internal/rounds"
	"lodge/bench/internal/scratch"
)

// The contenders, as the tables name them.
const (
	directName   = "direct"
	lodgeName    = "lodge"
	upName       = "lodge up"
	nginxName    = "nginx"
	haproxyName  = "haproxy"
	caddyName    = "caddy"
	portlessName = "portless"
	reverseName  = "ReverseProxy"
)

const notHere = "not here (bench/install puts it here)"

// contender is one road to a server.
type contender struct {
	name   string
	scheme string
	port   int
	probe  string // a path that it answers with 200

	child *scratch.Child
	pids  func() []int // of the proxy; nil: there is none
	stop  func(context.Context) error
}

// behind is the server that a contender leads to.
type behind struct {
	addr  string   // of one that runs on plain loopback
	argv  []string // for `lodge up`, the same that listens at homePort
	probe string
}

// stand starts the contenders on top of a server. Those that cannot be had are
// named with the reason.
func (s *site) stand(ctx context.Context, scheme string, to behind, names ...string) (out []*contender, missing []rounds.Missing, err error) {
	for i, name := range names {
		c := &contender{name: name, scheme: scheme, port: firstPort + i, probe: to.probe}
		c, err := s.start1(ctx, c, to)
		var need *scratch.NeedError
		switch {
		case errors.As(err, &need):
			missing = append(missing, rounds.Missing{Name: name + ", " + scheme, Why: need.What})
		case err != nil:
			return out, missing, errors.Join(err, fell(ctx, out))
		default:
			out = append(out, c)
		}
	}
	return out, missing, nil
}

// fell ends contenders.
func fell(ctx context.Context, cs []*contender) error {
	var errs []error
	ctx = context.WithoutCancel(ctx)
	for _, c := range cs {
		if c.child != nil {
			errs = append(errs, c.child.Terminate())
		}
		if c.stop != nil {
			errs = append(errs, c.stop(ctx))
		}
	}
	return errors.Join(errs...)
}

func (s *site) start1(ctx context.Context, c *contender, to behind) (*contender, error) {
	secure := c.scheme == "https"
	dir, err := s.b.w.Mkdir(fmt.Sprintf("peer-%s-%s-%s", c.name, c.scheme, filepath.Base(to.probe)))
	if err != nil {
		return nil, err
	}
	listen := s.address(c.port)
	switch c.name {
	case directName:
		c.port = backendPort
		if secure {
			c.port = backendTLSPort
		}
		return c, c.await(ctx, 10*time.Second)
	case lodgeName, reverseName:
		argv := []string{s.b.tools.named, "-listen", listen, "-backend", to.addr, "-host", hostName}
		if c.name == reverseName {
			argv = append(argv, "-mode", "reverseproxy")
		}
		if secure {
			argv = append(argv, "-cert", s.cert, "-key", s.key, "-h2")
		}
		return s.up(ctx, c, nil, argv...)
	case upName:
		return s.lodgeUp(ctx, c, to)
	case nginxName:
		conf, err := s.nginxProxy(dir, listen, to.addr, secure)
		if err != nil {
			return nil, err
		}
		return s.up(ctx, c, nil, s.nginx, "-c", conf)
	case haproxyName:
		conf, err := s.haproxyConf(dir, listen, to.addr, secure)
		if err != nil {
			return nil, err
		}
		return s.up(ctx, c, nil, s.haproxy, "-db", "-f", conf)
	case caddyName:
		conf, err := s.caddyfile(dir, c, to.addr)
		if err != nil {
			return nil, err
		}
		return s.up(ctx, c, []string{"HOME=" + dir, "XDG_DATA_HOME=" + dir, "XDG_CONFIG_HOME=" + dir}, s.caddy, "run", "--config", conf, "--adapter", "caddyfile")
	case portlessName:
		return s.portlessUp(ctx, c, dir, to.addr)
	}
	return nil, fmt.Errorf("start %s: it is unknown", c.name)
}

// up starts a program that listens on the contender's port, and waits until it
// answers. A peer that does not is a row that says so.
func (s *site) up(ctx context.Context, c *contender, env []string, argv ...string) (*contender, error) {
	if err := s.launch(c, env, argv...); err != nil {
		return nil, err
	}
	return c, s.awaitPeer(ctx, c)
}

func (s *site) launch(c *contender, env []string, argv ...string) error {
	if argv[0] == "" {
		return &scratch.NeedError{What: notHere}
	}
	env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + s.b.w.Dir}, env...)
	// What it prints is not read, and must not fill a pipe.
	child, err := scratch.Start(env, s.b.w.Dir, append([]string{"/bin/sh", "-c", `exec "$@" >/dev/null 2>&1`, "sh"}, argv...)...)
	if err != nil {
		return err
	}
	c.child = child
	pid := child.PID()
	c.pids = func() []int { return tree(pid) }
	return nil
}

func (s *site) awaitPeer(ctx context.Context, c *contender) error {
	err := c.await(ctx, 20*time.Second)
	if err == nil || ctx.Err() != nil {
		return err
	}
	err = errors.Join(err, fell(ctx, []*contender{c}))
	return &scratch.NeedError{What: err.Error()}
}

// await waits until the name is answered.
func (c *contender) await(ctx context.Context, limit time.Duration) error {
	client := &http.Client{Transport: c.transport(1, false), Timeout: 5 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	defer client.CloseIdleConnections()
	return scratch.Eventually(ctx, poll, limit, func() error {
		_, err := get(ctx, client, c.url(c.probe))
		return err
	})
}

func (c *contender) url(path string) string {
	return fmt.Sprintf("%s://%s:%d%s", c.scheme, hostName, c.port, path)
}

// transport makes a client's connections, which are not shared.
func (c *contender) transport(conns int, h2 bool) *http.Transport {
	t := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "tcp4", fmt.Sprintf("127.0.0.1:%d", c.port))
		},
		TLSClientConfig:    &tls.Config{InsecureSkipVerify: true, ServerName: hostName}, // the certificate is not what is measured
		MaxConnsPerHost:    conns,
		MaxIdleConns:       conns,
		DisableCompression: true,
		Protocols:          new(http.Protocols),
	}
	t.MaxIdleConnsPerHost = conns
	t.Protocols.SetHTTP1(!h2)
	t.Protocols.SetHTTP2(h2)
	return t
}

// get fetches an address, and gives how many bytes it is.
func get(ctx context.Context, client *http.Client, url string) (int64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	res, err := client.Do(req)
	if err != nil {
		return 0, err
	}
	n, err := io.Copy(io.Discard, res.Body)
	err = errors.Join(err, res.Body.Close())
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("get %s: it answers %s", url, res.Status)
	}
	return n, err
}
