package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"time"
)

// latencies are of one client, in seconds.
type latencies struct{ p50, p99 float64 }

// ask asks again and again for a while, over one connection with HTTP/2.
func ask(ctx context.Context, to, host string, window time.Duration) (latencies, error) {
	tr := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "tcp", to)
		},
		TLSClientConfig: &tls.Config{ServerName: host, InsecureSkipVerify: true}, Protocols: new(http.Protocols),
	}
	tr.Protocols.SetHTTP2(true)
	defer tr.CloseIdleConnections()
	c := &http.Client{Transport: tr, Timeout: time.Minute}
	var took []float64
	for end := time.Now().Add(window); time.Now().Before(end); {
		began := time.Now()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+host+"/", nil)
		if err != nil {
			return latencies{}, err
		}
		res, err := c.Do(req)
		if err != nil {
			return latencies{}, err
		}
		_, err = io.Copy(io.Discard, res.Body)
		res.Body.Close()
		if err != nil || res.StatusCode != http.StatusOK {
			return latencies{}, fmt.Errorf("%s: %w", res.Status, err)
		}
		took = append(took, time.Since(began).Seconds())
	}
	slices.Sort(took)
	return latencies{took[len(took)/2], took[len(took)*99/100]}, nil
}
