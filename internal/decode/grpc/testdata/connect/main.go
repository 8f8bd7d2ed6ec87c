// Command connect is a server and a client of Connect, for a capture: with GET, with
// POST, streams, errors, compression, trailers, and gRPC-Web beside it, on HTTP/1 and
// HTTP/2.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strings"

	"connectrpc.com/connect"
	pb "google.golang.org/grpc/interop/grpc_testing"
)

const service = "/grpc.testing.TestService/"

func unary(_ context.Context, r *connect.Request[pb.SimpleRequest]) (*connect.Response[pb.SimpleResponse], error) {
	if s := r.Msg.GetResponseStatus(); s.GetCode() != 0 {
		return nil, connect.NewError(connect.Code(s.GetCode()), errors.New(s.GetMessage()))
	}
	if r.Header().Get("If-None-Match") != "" {
		return nil, connect.NewNotModifiedError(http.Header{"Etag": {"1"}})
	}
	a := connect.NewResponse(&pb.SimpleResponse{Username: "ann", Payload: &pb.Payload{Body: bytes.Repeat([]byte("z"), int(r.Msg.GetResponseSize()))}})
	a.Header().Set("Etag", "1")
	a.Trailer().Set("X-Cost", "3")
	return a, nil
}

func streaming(_ context.Context, r *connect.Request[pb.StreamingOutputCallRequest], s *connect.ServerStream[pb.StreamingOutputCallResponse]) error {
	s.ResponseTrailer().Set("X-Cost", "4")
	for _, p := range r.Msg.GetResponseParameters() {
		if p.GetSize() < 0 {
			return connect.NewError(connect.CodeOutOfRange, errors.New("zu klein: ü"))
		}
		if err := s.Send(&pb.StreamingOutputCallResponse{Payload: &pb.Payload{Body: bytes.Repeat([]byte("y"), int(p.GetSize()))}}); err != nil {
			return err
		}
	}
	return nil
}

func main() {
	mux := http.NewServeMux()
	mux.Handle(service+"UnaryCall", connect.NewUnaryHandler(service+"UnaryCall", unary, connect.WithIdempotency(connect.IdempotencyNoSideEffects)))
	mux.Handle(service+"StreamingOutputCall", connect.NewServerStreamHandler(service+"StreamingOutputCall", streaming))
	l, err := net.Listen("tcp", "127.0.0.1:8080")
	if err != nil {
		log.Fatal(err)
	}
	server := http.Server{Handler: mux, Protocols: new(http.Protocols)}
	server.Protocols.SetHTTP1(true)
	server.Protocols.SetUnencryptedHTTP2(true)
	go func() { log.Fatal(server.Serve(l)) }()
	for _, h2 := range []bool{false, true} {
		t := &http.Transport{Protocols: new(http.Protocols)}
		t.Protocols.SetHTTP1(!h2)
		t.Protocols.SetUnencryptedHTTP2(h2)
		calls(&http.Client{Transport: t})
	}
}

func calls(client *http.Client) {
	ctx, url := context.Background(), "http://127.0.0.1:8080"+service
	get := []connect.ClientOption{connect.WithHTTPGet(), connect.WithIdempotency(connect.IdempotencyNoSideEffects)}
	for _, options := range [][]connect.ClientOption{
		get, append(get, connect.WithProtoJSON()), append(get, connect.WithSendGzip()), {connect.WithSendGzip()}, {connect.WithProtoJSON()}, {connect.WithGRPCWeb()},
	} {
		c := connect.NewClient[pb.SimpleRequest, pb.SimpleResponse](client, url+"UnaryCall", options...)
		for _, r := range []*pb.SimpleRequest{
			{ResponseSize: 3, FillUsername: true}, {ResponseSize: 200, Payload: &pb.Payload{Body: []byte(strings.Repeat("x", 100))}}, {},
			{ResponseStatus: &pb.EchoStatus{Code: 5, Message: "nicht da: ü"}},
		} {
			a, err := c.CallUnary(ctx, connect.NewRequest(r))
			show(a != nil, err)
		}
		again := connect.NewRequest(&pb.SimpleRequest{ResponseSize: 1})
		again.Header().Set("If-None-Match", "1")
		a, err := c.CallUnary(ctx, again)
		show(a != nil, err)
	}
	for _, options := range [][]connect.ClientOption{nil, {connect.WithGRPCWeb()}} {
		c := connect.NewClient[pb.StreamingOutputCallRequest, pb.StreamingOutputCallResponse](client, url+"StreamingOutputCall", options...)
		for _, sizes := range [][]int32{{1, 10, 300}, {1, -1}, {}} {
			var p []*pb.ResponseParameters
			for _, n := range sizes {
				p = append(p, &pb.ResponseParameters{Size: n})
			}
			s, err := c.CallServerStream(ctx, connect.NewRequest(&pb.StreamingOutputCallRequest{ResponseParameters: p}))
			if err != nil {
				log.Fatal(err)
			}
			n := 0
			for s.Receive() {
				n++
			}
			show(n == len(sizes), s.Err())
			_ = s.Close()
		}
	}
	r, err := client.Get(url + "UnaryCall?encoding=none&message=a")
	if err != nil {
		log.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, r.Body)
	_ = r.Body.Close()
}

func show(ok bool, err error) { fmt.Println(ok, err) }
