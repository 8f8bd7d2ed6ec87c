// Command peer is a server and a client of Go's TLS, for captures whose key log the
// server writes: HTTP/1.1 and HTTP/2, TLS 1.2 and 1.3, AES-GCM, ChaCha20 and AES-CBC
// without encrypt-then-MAC.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

func main() {
	dir := flag.String("dir", "", "where cert.pem, key.pem and ca.pem are")
	keys := flag.String("keys", "", "the key log")
	flag.Parse()
	if err := run(*dir, *keys); err != nil {
		log.Fatal(err)
	}
}

func run(dir, keys string) error {
	keyLog, err := os.OpenFile(keys, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	cert, err := tls.LoadX509KeyPair(filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"))
	if err != nil {
		return err
	}
	pem, err := os.ReadFile(filepath.Join(dir, "ca.pem"))
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	l, err := net.Listen("tcp", "127.0.0.1:4500")
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			w.Header().Set("Date", "Thu, 01 Jan 2026 00:00:00 GMT")
			fmt.Fprintf(w, "%s %s with %d bytes\n", r.Method, r.URL, len(body))
			io.WriteString(w, strings.Repeat("line of a long answer\n", len(body)/10))
		}),
		TLSConfig: &tls.Config{
			Certificates: []tls.Certificate{cert}, KeyLogWriter: keyLog,
			CipherSuites: []uint16{
				tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
				tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA, tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256,
			},
		},
	}
	go server.ServeTLS(l, "", "")
	for _, c := range []*tls.Config{
		{},
		{MaxVersion: tls.VersionTLS12},
		{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256}},
		{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA}},
		{MaxVersion: tls.VersionTLS12, CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256}},
	} {
		for _, h2 := range []bool{false, true} {
			c := c.Clone()
			c.RootCAs = roots
			t := &http.Transport{TLSClientConfig: c, ForceAttemptHTTP2: h2}
			client := &http.Client{Transport: t, Timeout: 10 * time.Second}
			for _, body := range []string{"", strings.Repeat("x", 3000)} {
				answer, err := client.Post(fmt.Sprintf("https://localhost:4500/%d", len(body)), "text/plain", strings.NewReader(body))
				if err != nil {
					log.Print(err) // HTTP/2 refuses AES-CBC
					continue
				}
				if _, err := io.Copy(io.Discard, answer.Body); err != nil {
					return err
				}
				if err := answer.Body.Close(); err != nil {
					return err
				}
			}
			t.CloseIdleConnections()
			time.Sleep(50 * time.Millisecond)
		}
	}
	return keyLog.Close()
}
