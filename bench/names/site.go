package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"lodge/bench/internal/rounds"
)

// site is what is served, and by whom it is asked.
type site struct {
	b               *bench
	www             string // files: 100 and 65536 bytes, and the modules of a page
	cert, key, both string // for hostName; both are in one file for haproxy

	nginx, haproxy, wrkPath, h2loadPath, caddy, node, portless, vite string // "" where it is not here

	script string
}

// The ports in the bench's own namespace.
const (
	backendPort    = 9000 // files over HTTP/1
	backendTLSPort = 9001 // files over HTTPS, with HTTP/2
	homePort       = 9100 // in the home of `lodge up`
	answerPort     = 9200 // bench/answer
	vitePort       = 9400
	firstPort      = 8001 // of contenders
)

const modules = 1500

// newSite looks for the peers, and writes what is served.
func (b *bench) newSite(_ context.Context) (*site, error) {
	peer := func(rel string) string {
		p := filepath.Join(b.opt.peers, rel)
		if _, err := os.Stat(p); err != nil {
			return ""
		}
		return p
	}
	installed := func(name string) string {
		for _, dir := range append(filepath.SplitList(os.Getenv("PATH")), "/usr/sbin") { // a user's PATH may lack it
			if p, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
				return p
			}
		}
		return ""
	}
	s := &site{
		b: b, nginx: installed("nginx"), haproxy: installed("haproxy"), wrkPath: installed("wrk"), h2loadPath: installed("h2load"),
		caddy: peer("bin/caddy"), node: peer("names/node_modules/node/bin/node"),
		portless: peer("names/node_modules/portless/dist/cli.js"), vite: peer("names/node_modules/vite/bin/vite.js"),
		script: b.w.Path("wrk.lua"), cert: b.w.Path("cert.pem"), key: b.w.Path("key.pem"), both: b.w.Path("both.pem"),
	}
	if s.caddy == "" {
		s.caddy = installed("caddy")
	}
	var err error
	if s.www, err = b.w.Mkdir("www/src"); err != nil {
		return nil, err
	}
	s.www = filepath.Dir(s.www)
	if err := s.certificate(); err != nil {
		return nil, fmt.Errorf("make certificate: %w", err)
	}
	files := map[string]string{
		s.script:              wrkScript,
		s.www + "/index.html": "<!doctype html><title>page</title><script type=module src=/src/main.js></script>\n",
		s.www + "/100":        strings.Repeat("x", 100),
		s.www + "/65536":      strings.Repeat("x", 65536),
	}
	var all strings.Builder
	for i := range modules {
		fmt.Fprintf(&all, "import { m%d } from './m%d.js'\n", i, i)
		files[fmt.Sprintf("%s/src/m%d.js", s.www, i)] = fmt.Sprintf("export const m%d = %q\n", i, strings.Repeat("module ", 40+i%200))
	}
	fmt.Fprintf(&all, "document.title = m%d\n", modules-1)
	files[s.www+"/src/main.js"] = all.String()
	for path, text := range files {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// certificate makes a certificate that signs itself: it is not checked.
func (s *site) certificate() error {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	now := time.Now()
	t := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: hostName}, DNSNames: []string{hostName},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour),
	}
	cert, err := x509.CreateCertificate(rand.Reader, t, t, &k.PublicKey, k)
	if err != nil {
		return err
	}
	key, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		return err
	}
	c := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})
	p := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})
	for path, data := range map[string][]byte{s.cert: c, s.key: p, s.both: append(c, p...)} {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// lacks says by name which programs a part cannot do without are not here.
func (s *site) lacks(need map[string]string) []rounds.Missing {
	var out []rounds.Missing
	for name, path := range need {
		if path == "" {
			out = append(out, rounds.Missing{Name: name, Why: notHere})
		}
	}
	return out
}

// backend starts the server of files: nginx with one worker.
func (s *site) backend(ctx context.Context) (*contender, error) {
	conf, err := s.files("backend", fmt.Sprintf("listen 127.0.0.1:%d backlog=4096; listen 127.0.0.1:%d ssl http2 backlog=4096; ssl_certificate %s; ssl_certificate_key %s;",
		backendPort, backendTLSPort, s.cert, s.key))
	if err != nil {
		return nil, err
	}
	return s.up(ctx, &contender{name: "the server of files", port: backendPort, scheme: "http", probe: "/100"}, nil, s.nginx, "-c", conf)
}

// files writes the configuration of an nginx that serves files.
func (s *site) files(name, listen string) (string, error) {
	dir, err := s.b.w.Mkdir(name)
	if err != nil {
		return "", err
	}
	return s.nginxConf(dir, 1, fmt.Sprintf("sendfile on; open_file_cache max=4000; default_type text/plain; types { text/javascript js; }\n server { %s server_name %s; root %s; }",
		listen, hostName, s.www))
}

// nginxConf writes a configuration of nginx without any file of Debian's.
func (s *site) nginxConf(dir string, workers int, http string) (string, error) {
	n := "auto"
	if workers > 0 {
		n = fmt.Sprint(workers)
	}
	var temps strings.Builder
	for _, what := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		fmt.Fprintf(&temps, "%s_temp_path %s/%s; ", what, dir, what)
	}
	conf := filepath.Join(dir, "nginx.conf")
	text := fmt.Sprintf("worker_processes %s; pid %s/pid; error_log %s/err; daemon off; user root;\nevents { worker_connections 4096; }\nhttp { %saccess_log off; keepalive_requests 100000000;\n%s\n}\n",
		n, dir, dir, temps.String(), http)
	return conf, os.WriteFile(conf, []byte(text), 0o644)
}

func (s *site) address(port int) string {
	return net.JoinHostPort("127.0.0.1", fmt.Sprint(port))
}
