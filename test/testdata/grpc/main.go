// Command grpc is both sides of gRPC's own interoperability tests
// (google.golang.org/grpc/interop), for what is between them. It is a module of
// its own, so that lodge's has none of its dependencies.
//
//	grpc serve ADDRESS          the server, without TLS
//	grpc ask HOST:PORT CA TEXT  the client's cases over TLS, at 127.0.0.1; then prints TEXT
//
// A case that fails ends the program with a message.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/interop"
	testgrpc "google.golang.org/grpc/interop/grpc_testing"
)

func main() {
	if err := run(append(os.Args[1:], "", "", "", "")); err != nil {
		fmt.Fprintln(os.Stderr, "grpc:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch args[0] {
	case "serve":
		return serve(args[1])
	case "ask":
		return ask(args[1], args[2], args[3])
	}
	return fmt.Errorf("command %q: unknown", args[0])
}

func serve(address string) error {
	ln, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	s := grpc.NewServer()
	testgrpc.RegisterTestServiceServer(s, interop.NewTestServer())
	return s.Serve(ln)
}

func ask(target, ca, text string) error {
	pem, err := os.ReadFile(ca)
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return errors.New("no certificate in " + ca)
	}
	_, port, err := net.SplitHostPort(target)
	if err != nil {
		return err
	}
	cc, err := grpc.NewClient("passthrough:///"+target,
		grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{RootCAs: pool})),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort("127.0.0.1", port))
		}))
	if err != nil {
		return err
	}
	defer cc.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	defer cancel()
	c := testgrpc.NewTestServiceClient(cc)
	for name, f := range map[string]func(context.Context, testgrpc.TestServiceClient, ...grpc.CallOption){
		"empty unary": interop.DoEmptyUnaryCall, "large unary": interop.DoLargeUnaryCall,
		"client streaming": interop.DoClientStreaming, "server streaming": interop.DoServerStreaming,
		"ping pong": interop.DoPingPong, "empty stream": interop.DoEmptyStream,
		"timeout on sleeping server": interop.DoTimeoutOnSleepingServer,
		"cancel after begin":         interop.DoCancelAfterBegin, "cancel after first response": interop.DoCancelAfterFirstResponse,
		"custom metadata": interop.DoCustomMetadata, "status code and message": interop.DoStatusCodeAndMessage,
		"special status message": interop.DoSpecialStatusMessage,
	} {
		f(ctx, c)
		fmt.Println("passed:", name)
	}
	interop.DoUnimplementedMethod(ctx, cc)
	interop.DoUnimplementedService(ctx, testgrpc.NewUnimplementedServiceClient(cc))
	fmt.Println(text)
	return nil
}
