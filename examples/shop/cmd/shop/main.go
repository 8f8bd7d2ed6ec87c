// Command shop is the example project: a page that calls an API that calls a
// store. Each listens on a port that is written into the code, so that a
// second copy of the project cannot run beside the first on one localhost.
//
// It uses the standard library only and takes no settings.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// Where the services listen: on the loopback address, on every address, and on
// the name.
const (
	pageAddress  = "127.0.0.1:3000"
	apiAddress   = "0.0.0.0:4000"
	storeAddress = "localhost:5000"
)

// Where they look for each other.
const (
	apiURL   = "http://localhost:4000"
	storeURL = "http://localhost:5000"
)

const usage = `usage: shop page | api | store    start a service
       shop get URL             print what a page says`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "shop:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	dir, err := os.Getwd()
	if err != nil {
		return err
	}
	client := newClient()
	switch {
	case len(args) == 1 && args[0] == "page":
		return serve(ctx, "page", pageAddress, newPage(dir, apiURL, client))
	case len(args) == 1 && args[0] == "api":
		return serve(ctx, "api", apiAddress, newAPI(dir, storeURL, client))
	case len(args) == 1 && args[0] == "store":
		store, err := openStore(dir)
		if err != nil {
			return err
		}
		return serve(ctx, "store", storeAddress, store.handler())
	case len(args) == 2 && args[0] == "get":
		return get(ctx, client, args[1], os.Stdout)
	}
	return errors.New(usage)
}

// serve answers requests on address until ctx is done.
func serve(ctx context.Context, name, address string, handler http.Handler) error {
	ln, err := net.Listen("tcp", address)
	if err != nil {
		return fmt.Errorf("start %s: %w", name, err)
	}
	fmt.Printf("%s listens on %s\n", name, address)
	srv := &http.Server{Handler: logged(name, handler), ReadHeaderTimeout: 5 * time.Second}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(ln) }()
	select {
	case err := <-served:
		return fmt.Errorf("serve %s: %w", name, err)
	case <-ctx.Done():
	}
	end, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	if err := srv.Shutdown(end); err != nil {
		return fmt.Errorf("stop %s: %w", name, err)
	}
	fmt.Println(name, "stopped")
	return nil
}

// logged writes a line for each request.
func logged(name string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Printf("%s %s %s\n", name, r.Method, r.URL.Path)
		next.ServeHTTP(w, r)
	})
}

// newClient returns a client that goes straight to the address it is given.
func newClient() *http.Client {
	return &http.Client{
		Timeout:   5 * time.Second,
		Transport: &http.Transport{Proxy: nil, DisableKeepAlives: true},
	}
}

// get writes what an address answers to w.
func get(ctx context.Context, client *http.Client, url string, w io.Writer) error {
	body, err := fetch(ctx, client, http.MethodGet, url)
	if err != nil {
		return err
	}
	_, err = w.Write(body)
	return err
}

// fetch returns the body of an answer with status 200.
func fetch(ctx context.Context, client *http.Client, method, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", url, err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s %s: %s: %s", method, url, resp.Status, body)
	}
	return body, nil
}
