// Command named serves one name from one backend, so that bench/names can
// measure it beside other proxies: with lodge's engine, or with net/http's
// plain ReverseProxy.
package main

import (
	"context"
	"crypto/tls"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"lodge/internal/pace"
	"lodge/internal/proxy"
)

type options struct {
	mode, listen, backend, host, cert, key string
	h2                                     bool
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGINT, unix.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench/named:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	var o options
	var gogc int
	f := flag.NewFlagSet("named", flag.ContinueOnError)
	f.StringVar(&o.mode, "mode", "lodge", "lodge or reverseproxy")
	f.StringVar(&o.listen, "listen", "127.0.0.1:0", "address to listen on")
	f.StringVar(&o.backend, "backend", "", "address of the backend")
	f.StringVar(&o.host, "host", "app.localhost", "the name")
	f.StringVar(&o.cert, "cert", "", "certificate, for HTTPS")
	f.StringVar(&o.key, "key", "", "its key")
	f.BoolVar(&o.h2, "h2", false, "offer HTTP/2")
	f.IntVar(&gogc, "gogc", 100, "GOGC")
	if err := f.Parse(args); err != nil {
		return err
	}
	debug.SetGCPercent(gogc)
	ln, err := net.Listen("tcp", o.listen)
	if err != nil {
		return err
	}
	var t *tls.Config
	if o.cert != "" {
		c, err := tls.LoadX509KeyPair(o.cert, o.key)
		if err != nil {
			return err
		}
		t = &tls.Config{Certificates: []tls.Certificate{c}}
	}
	if o.mode == "lodge" {
		return lodge(ctx, o, ln, t)
	}
	return reverseProxy(ctx, o, ln, t)
}

func lodge(ctx context.Context, o options, ln net.Listener, t *tls.Config) error {
	to, err := netip.ParseAddrPort(o.backend)
	if err != nil {
		return err
	}
	p := pace.New(os.Getenv("GOMAXPROCS"))
	go p.Run(ctx)
	e, err := proxy.New(proxy.Config{TLS: t, Busy: p.Wake})
	if err != nil {
		return err
	}
	table, err := proxy.NewTable([]proxy.Service{{ID: "bench", Project: "bench", Names: []proxy.Name{{Host: o.host}}, Endpoints: []proxy.Endpoint{{Addr: to}}}})
	if err != nil {
		return err
	}
	e.SetTable(table)
	context.AfterFunc(ctx, func() { e.Shutdown(context.Background()) })
	if err := e.Serve(proxy.Listener{Listener: ln}); err != proxy.ErrClosed {
		return err
	}
	return nil
}

// blocks are buffers of the size that io.Copy uses, kept.
type blocks struct{ p sync.Pool }

func (b *blocks) Get() []byte  { return *b.p.Get().(*[]byte) }
func (b *blocks) Put(x []byte) { b.p.Put(&x) }

func reverseProxy(ctx context.Context, o options, ln net.Listener, t *tls.Config) error {
	p := &httputil.ReverseProxy{
		BufferPool: &blocks{p: sync.Pool{New: func() any { b := make([]byte, 32<<10); return &b }}},
		Transport:  &http.Transport{MaxIdleConnsPerHost: 256, DisableCompression: true},
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: o.backend})
			r.SetXForwarded()
			r.Out.Host = r.In.Host
		},
	}
	p.ErrorLog = log.New(io.Discard, "", 0)
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if host, _, _ := strings.Cut(r.Host, ":"); host != o.host {
			http.NotFound(w, r)
			return
		}
		p.ServeHTTP(w, r)
	}), TLSConfig: t, Protocols: new(http.Protocols)}
	s.Protocols.SetHTTP1(true)
	s.Protocols.SetHTTP2(o.h2)
	context.AfterFunc(ctx, func() { s.Close() })
	var err error
	if t != nil {
		err = s.ServeTLS(ln, "", "")
	} else {
		err = s.Serve(ln)
	}
	if err != http.ErrServerClosed {
		return err
	}
	return nil
}
