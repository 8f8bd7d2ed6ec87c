// Command goserver is a server and its client for make.sh.
package main

import (
	"compress/zlib"
	"flag"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

func main() {
	flag.Parse()
	if err := run(flag.Arg(0)); err != nil {
		panic(err)
	}
}

func run(address string) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "X-Sum")
		_, _ = io.Copy(w, r.Body)
		w.Header().Set("X-Sum", r.Trailer.Get("X-Count"))
	})
	mux.HandleFunc("/deflate", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "deflate")
		w.Header().Set("Content-Type", "text/plain")
		z := zlib.NewWriter(w)
		_, _ = io.WriteString(z, strings.Repeat("deflated ", 50))
		_ = z.Close()
	})
	mux.HandleFunc("/refuse", func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "no", http.StatusForbidden)
	})
	mux.HandleFunc("/fail/7", func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, "broken", http.StatusInternalServerError)
	})
	go func() { _ = http.Serve(l, mux) }()

	client := &http.Client{Transport: &http.Transport{ExpectContinueTimeout: time.Second, DisableCompression: true}}
	base := "http://" + address
	do := func(method, path string, body io.Reader, change func(*http.Request)) error {
		r, err := http.NewRequest(method, base+path, body)
		if err != nil {
			return err
		}
		if change != nil {
			change(r)
		}
		answer, err := client.Do(r)
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		_, err = io.Copy(io.Discard, answer.Body)
		return err
	}
	unsized := func(s string) io.Reader { return io.MultiReader(strings.NewReader(s), strings.NewReader(s)) }
	for _, err := range []error{
		do("POST", "/echo", unsized("chunk "), func(r *http.Request) { r.Trailer = http.Header{"X-Count": {"2"}} }),
		do("PUT", "/echo", strings.NewReader("expected"), func(r *http.Request) { r.Header.Set("Expect", "100-continue") }),
		do("PUT", "/refuse", strings.NewReader(strings.Repeat("x", 1000)), func(r *http.Request) { r.Header.Set("Expect", "100-continue") }),
		do("GET", "/deflate", nil, nil),
		do("HEAD", "/deflate", nil, nil),
		do("GET", "/fail/7", nil, func(r *http.Request) { r.SetBasicAuth("ann", "secret") }),
	} {
		if err != nil {
			return err
		}
	}
	client.CloseIdleConnections()
	return nil
}
