// Command peer makes connections of TLS between a server and a client of Go, for
// captures: TLS 1.2 and 1.3, with and without the client's certificate, resumed,
// with alerts.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"os"
)

func main() {
	dir := flag.String("dir", ".", "directory with ca.pem, cert.pem and key.pem")
	flag.Parse()
	cert, err := tls.LoadX509KeyPair(*dir+"/cert.pem", *dir+"/key.pem")
	if err != nil {
		log.Fatal(err)
	}
	pem, err := os.ReadFile(*dir + "/ca.pem")
	if err != nil {
		log.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	server := func() *tls.Config {
		return &tls.Config{Certificates: []tls.Certificate{cert}, ClientCAs: pool, NextProtos: []string{"h2", "http/1.1"}}
	}
	client := func() *tls.Config {
		return &tls.Config{RootCAs: pool, ServerName: "go.localhost", NextProtos: []string{"http/1.1"}, ClientSessionCache: tls.NewLRUClientSessionCache(8)}
	}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		s, c := server(), client()
		s.MaxVersion = version
		run(s, c, 2) // the second one is resumed
		s, c = server(), client()
		s.MaxVersion, s.ClientAuth = version, tls.RequireAndVerifyClientCert
		c.Certificates = []tls.Certificate{cert}
		run(s, c, 1)
		run(s, client(), 1) // the server refuses
		s, c = server(), client()
		s.MaxVersion, c.RootCAs = version, x509.NewCertPool()
		run(s, c, 1) // the client refuses
		s, c = server(), client()
		s.MaxVersion, s.NextProtos = version, []string{"other"}
		run(s, c, 1) // no protocol in common
	}
	s, c := server(), client()
	s.MaxVersion, c.MinVersion = tls.VersionTLS12, tls.VersionTLS13
	run(s, c, 1)
}

// run makes connections, in which a line is sent in each direction.
func run(s, c *tls.Config, times int) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	defer ln.Close()
	for range times {
		done := make(chan struct{})
		go func() {
			defer close(done)
			raw, err := ln.Accept()
			if err != nil {
				return
			}
			conn := tls.Server(raw, s)
			defer conn.Close()
			b := make([]byte, 5)
			if _, err := io.ReadFull(conn, b); err == nil {
				_, _ = conn.Write([]byte("world"))
				_, _ = conn.Read(b) // until the client closes
			}
		}()
		conn, err := tls.Dial("tcp", ln.Addr().String(), c)
		if err == nil {
			b := make([]byte, 5)
			_, _ = conn.Write([]byte("hello"))
			_, err = io.ReadFull(conn, b)
			conn.Close()
		}
		fmt.Println(err)
		<-done
	}
}
