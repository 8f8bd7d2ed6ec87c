package proxy

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/reflection"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
)

// TestEvents: each server-sent event reaches the client before the service
// makes the next one.
func TestEvents(t *testing.T) {
	eachProto(t, func(t *testing.T, proto, base string) {
		next := make(chan struct{})
		up := backend(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			w.(http.Flusher).Flush()
			for i := 0; ; i++ {
				select {
				case <-next:
				case <-r.Context().Done():
					return
				}
				fmt.Fprintf(w, "data: %d\n\n", i)
				w.(http.Flusher).Flush()
			}
		})
		r := newRig(t, Config{})
		r.serve(at("web", up))
		res, err := r.client(proto).Get(base) // returns with the head, before any event
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		br := bufio.NewReader(res.Body)
		for i := range 20 {
			next <- struct{}{}
			line, err := br.ReadString('\n')
			if err != nil || line != fmt.Sprintf("data: %d\n", i) {
				t.Fatalf("event %d: %q, %v", i, line, err)
			}
			br.ReadString('\n')
		}
	})
}

// TestBothWays: request and answer stream at the same time.
func TestBothWays(t *testing.T) {
	up := backend(t, func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		rc.EnableFullDuplex() // HTTP/2 has no need of it, and says so
		w.WriteHeader(200)
		rc.Flush()
		br := bufio.NewReader(r.Body)
		for {
			line, err := br.ReadString('\n')
			if err != nil {
				fmt.Fprintf(w, "end\n")
				return
			}
			fmt.Fprintf(w, "heard %s", line)
			rc.Flush()
		}
	})
	r := newRig(t, Config{})
	r.serve(at("web", up))
	eachProto(t, func(t *testing.T, proto, base string) {
		pr, pw := io.Pipe()
		req, _ := http.NewRequest("POST", base, pr)
		res, err := r.client(proto).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		br := bufio.NewReader(res.Body)
		for i := range 20 {
			fmt.Fprintf(pw, "%d\n", i)
			if line, err := br.ReadString('\n'); err != nil || line != fmt.Sprintf("heard %d\n", i) {
				t.Fatalf("line %d: %q, %v", i, line, err)
			}
		}
		pw.Close()
		if line, err := br.ReadString('\n'); err != nil || line != "end\n" {
			t.Errorf("at the end: %q, %v", line, err)
		}
	})
}

// TestClientGoes: a service learns that the client does not wait any more.
func TestClientGoes(t *testing.T) {
	came, left := make(chan struct{}), make(chan struct{}, 1)
	up := backend(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/stream" {
			w.(http.Flusher).Flush()
		}
		came <- struct{}{}
		<-r.Context().Done()
		left <- struct{}{}
	})
	r := newRig(t, Config{})
	r.serve(at("web", up))
	eachProto(t, func(t *testing.T, proto, base string) {
		for _, path := range []string{"/wait", "/stream"} {
			ctx, cancel := context.WithCancel(context.Background())
			req, _ := http.NewRequestWithContext(ctx, "GET", base+path, nil)
			done := make(chan struct{})
			go func() {
				defer close(done)
				res, err := r.client(proto).Do(req)
				if err == nil {
					io.Copy(io.Discard, res.Body)
					res.Body.Close()
				}
			}()
			within(t, came, "the request")
			cancel()
			within(t, left, "the end at the service")
			within(t, done, "the end at the client")
		}
	})
}

// TestEarlyAnswer: a service may answer before it has read the body; the
// client gets the answer.
func TestEarlyAnswer(t *testing.T) {
	up := raw(t, func(c net.Conn, br *bufio.Reader) {
		if _, err := readHead(br); err != nil {
			return
		}
		io.WriteString(c, "HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig")
	})
	r := newRig(t, Config{})
	r.serve(at("web", up))
	eachProto(t, func(t *testing.T, proto, base string) {
		pr, pw := io.Pipe()
		defer pw.Close()
		go func() {
			for {
				if _, err := pw.Write(make([]byte, 1<<10)); err != nil {
					return
				}
			}
		}()
		// As much as the engine still reads of such a request: where more is sent,
		// net/http's client may find that it cannot write before it sees the answer.
		res, err := r.client(proto).Post(base, "text/plain", io.LimitReader(pr, lingerBytes/2))
		if err != nil {
			t.Fatal(err)
		}
		if res.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("answered %s", res.Status)
		}
		res.Body.Close()
	})
}

// TestBodyBreaks: a request whose body breaks off never looks whole.
func TestBodyBreaks(t *testing.T) {
	got := make(chan error, 1)
	up := backend(t, func(w http.ResponseWriter, r *http.Request) {
		_, err := io.ReadAll(r.Body)
		got <- err
	})
	r := newRig(t, Config{})
	r.serve(at("web", up))
	for name, send := range map[string]string{
		"length":  "POST / HTTP/1.1\r\nHost: web.shop.localhost\r\nContent-Length: 10\r\n\r\nhalf",
		"chunk":   "POST / HTTP/1.1\r\nHost: web.shop.localhost\r\nTransfer-Encoding: chunked\r\n\r\n8\r\nhalf",
		"chunks":  "POST / HTTP/1.1\r\nHost: web.shop.localhost\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
		"trailer": "POST / HTTP/1.1\r\nHost: web.shop.localhost\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n0\r\nX: y\r\n",
	} {
		c := r.dial()
		io.WriteString(c, send)
		c.Close()
		if err := within(t, got, "the body"); err == nil {
			t.Errorf("%s: the body looked whole", name)
		}
	}
}

// TestGRPC: a Go client of gRPC, to a service with TLS and to one without.
func TestGRPC(t *testing.T) {
	cert, _ := certificate(t)
	for to, creds := range map[string]credentials.TransportCredentials{
		"in the clear": insecure.NewCredentials(),
		"over TLS":     credentials.NewServerTLSFromCert(&cert),
	} {
		t.Run(to, func(t *testing.T) {
			ln := listen(t, "127.0.0.1:0")
			trailer := grpc.UnaryInterceptor(func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, h grpc.UnaryHandler) (any, error) {
				in, _ := metadata.FromIncomingContext(ctx)
				grpc.SetTrailer(ctx, metadata.Pairs("x-heard", strings.Join(in.Get("x-said"), "")))
				return h(ctx, req)
			})
			s := grpc.NewServer(grpc.Creds(creds), trailer)
			state := health.NewServer()
			healthpb.RegisterHealthServer(s, state)
			reflection.Register(s)
			served := make(chan error, 1)
			go func() { served <- s.Serve(ln) }()
			t.Cleanup(func() { s.Stop(); <-served })

			r := newRig(t, Config{})
			service := at("web", ln.Addr().String())
			if to == "over TLS" {
				service.Endpoints[0].Protocol = HTTPS
			}
			r.serve(service)
			for name, creds := range map[string]credentials.TransportCredentials{
				"h2":  credentials.NewTLS(&tls.Config{RootCAs: r.pool}),
				"h2c": insecure.NewCredentials(),
			} {
				t.Run(name, func(t *testing.T) {
					conn, err := grpc.NewClient("passthrough:///web.shop.localhost", grpc.WithTransportCredentials(creds),
						grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
							var d net.Dialer
							return d.DialContext(ctx, "tcp", r.addr)
						}))
					if err != nil {
						t.Fatal(err)
					}
					defer conn.Close()
					ctx, cancel := context.WithTimeout(context.Background(), patience)
					defer cancel()
					client := healthpb.NewHealthClient(conn)

					var trailer metadata.MD
					res, err := client.Check(metadata.AppendToOutgoingContext(ctx, "x-said", "hi"), &healthpb.HealthCheckRequest{}, grpc.Trailer(&trailer))
					if err != nil || res.Status != healthpb.HealthCheckResponse_SERVING || strings.Join(trailer.Get("x-heard"), "") != "hi" {
						t.Errorf("unary: %v, %v, trailer %v", res, err, trailer)
					}
					_, err = client.Check(ctx, &healthpb.HealthCheckRequest{Service: "none"})
					if status.Code(err) != codes.NotFound {
						t.Errorf("an error: %v", err)
					}
					// The service streams: the second message is made after the first
					// was read.
					watch, err := client.Watch(ctx, &healthpb.HealthCheckRequest{})
					if err != nil {
						t.Fatal(err)
					}
					for _, want := range []healthpb.HealthCheckResponse_ServingStatus{healthpb.HealthCheckResponse_SERVING, healthpb.HealthCheckResponse_NOT_SERVING, healthpb.HealthCheckResponse_SERVING} {
						state.SetServingStatus("", want)
						if m, err := watch.Recv(); err != nil || m.Status != want {
							t.Fatalf("stream: %v, %v, want %v", m, err, want)
						}
					}
					// Both stream.
					both, err := reflectionpb.NewServerReflectionClient(conn).ServerReflectionInfo(ctx)
					if err != nil {
						t.Fatal(err)
					}
					for range 10 {
						if err := both.Send(&reflectionpb.ServerReflectionRequest{MessageRequest: &reflectionpb.ServerReflectionRequest_ListServices{}}); err != nil {
							t.Fatal(err)
						}
						if m, err := both.Recv(); err != nil || len(m.GetListServicesResponse().GetService()) < 2 {
							t.Fatalf("both ways: %v, %v", m, err)
						}
					}
					both.CloseSend()
					if _, err := both.Recv(); err != io.EOF {
						t.Errorf("the end: %v", err)
					}
				})
			}
		})
	}
}
