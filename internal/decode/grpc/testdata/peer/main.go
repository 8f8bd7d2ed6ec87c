// Command peer is a server and a client of gRPC, for captures: all kinds of calls,
// errors, compression, and server reflection.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"strings"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/encoding/gzip"
	pb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/reflection"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
)

type server struct {
	pb.UnimplementedTestServiceServer
}

func (server) EmptyCall(context.Context, *pb.Empty) (*pb.Empty, error) { return &pb.Empty{}, nil }

func (server) UnaryCall(ctx context.Context, r *pb.SimpleRequest) (*pb.SimpleResponse, error) {
	if s := r.GetResponseStatus(); s.GetCode() != 0 {
		st, err := status.New(codes.Code(s.GetCode()), s.GetMessage()).WithDetails(&errdetails.ErrorInfo{Reason: "BECAUSE", Domain: "lodge"})
		if err != nil {
			return nil, err
		}
		return nil, st.Err()
	}
	if r.GetFillUsername() {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	_ = grpc.SetTrailer(ctx, metadata.Pairs("x-cost", "3"))
	return &pb.SimpleResponse{Payload: &pb.Payload{Body: []byte(strings.Repeat("z", int(r.GetResponseSize())))}, Username: "ann", OauthScope: "grün"}, nil
}

func (server) StreamingOutputCall(r *pb.StreamingOutputCallRequest, s grpc.ServerStreamingServer[pb.StreamingOutputCallResponse]) error {
	for _, p := range r.GetResponseParameters() {
		if err := s.Send(&pb.StreamingOutputCallResponse{Payload: &pb.Payload{Body: []byte(strings.Repeat("s", int(p.GetSize())))}}); err != nil {
			return err
		}
	}
	return nil
}

func (server) StreamingInputCall(s grpc.ClientStreamingServer[pb.StreamingInputCallRequest, pb.StreamingInputCallResponse]) error {
	n := 0
	for {
		r, err := s.Recv()
		if errors.Is(err, io.EOF) {
			return s.SendAndClose(&pb.StreamingInputCallResponse{AggregatedPayloadSize: int32(n)})
		}
		if err != nil {
			return err
		}
		n += len(r.GetPayload().GetBody())
	}
}

func (server) FullDuplexCall(s grpc.BidiStreamingServer[pb.StreamingOutputCallRequest, pb.StreamingOutputCallResponse]) error {
	for {
		r, err := s.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if len(r.GetResponseParameters()) > 2 {
			return status.Error(codes.ResourceExhausted, "100% too much: ü\n")
		}
		if err := s.Send(&pb.StreamingOutputCallResponse{Payload: r.GetPayload()}); err != nil {
			return err
		}
	}
}

func main() {
	listen := flag.String("listen", "127.0.0.1:50051", "address")
	reflect := flag.Bool("reflect", false, "ask for descriptors first")
	flag.Parse()
	ln, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	s := grpc.NewServer()
	pb.RegisterTestServiceServer(s, server{})
	reflection.Register(s)
	go func() { _ = s.Serve(ln) }()
	cc, err := grpc.NewClient("passthrough:///"+*listen, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if *reflect {
		describe(ctx, cc)
	}
	calls(ctx, pb.NewTestServiceClient(cc))
	_ = cc.Close()
	s.GracefulStop()
}

// describe asks for the descriptors of the service, as grpcurl does.
func describe(ctx context.Context, cc *grpc.ClientConn) {
	r, err := reflectionpb.NewServerReflectionClient(cc).ServerReflectionInfo(ctx)
	if err != nil {
		log.Fatal(err)
	}
	for _, q := range []*reflectionpb.ServerReflectionRequest{
		{MessageRequest: &reflectionpb.ServerReflectionRequest_ListServices{ListServices: "*"}},
		{MessageRequest: &reflectionpb.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: "grpc.testing.TestService"}},
		{MessageRequest: &reflectionpb.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: "no.such.Service"}},
	} {
		if err := r.Send(q); err != nil {
			log.Fatal(err)
		}
		if _, err := r.Recv(); err != nil {
			log.Fatal(err)
		}
	}
	_ = r.CloseSend()
	_, _ = r.Recv()
}

func payload(n int) *pb.Payload {
	return &pb.Payload{Type: pb.PayloadType_COMPRESSABLE, Body: []byte(strings.Repeat("p", n))}
}

func calls(ctx context.Context, c pb.TestServiceClient) {
	show := func(v any, err error) { fmt.Println(v != nil, err) }
	v, err := c.EmptyCall(ctx, &pb.Empty{})
	show(v, err)
	secret := metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer abc", "x-id", "7")
	u, err := c.UnaryCall(secret, &pb.SimpleRequest{ResponseSize: 5, Payload: payload(10), FillOauthScope: true})
	show(u, err)
	u, err = c.UnaryCall(ctx, &pb.SimpleRequest{ResponseSize: 2000, Payload: payload(3000)}, grpc.UseCompressor("gzip"))
	show(u, err)
	u, err = c.UnaryCall(ctx, &pb.SimpleRequest{ResponseSize: 20000})
	show(u, err)
	u, err = c.UnaryCall(ctx, &pb.SimpleRequest{ResponseStatus: &pb.EchoStatus{Code: 5, Message: "no such thing: 50 % of \"ü\""}})
	show(u, err)
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	u, err = c.UnaryCall(short, &pb.SimpleRequest{FillUsername: true})
	show(u, err)
	cancel()
	_, err = c.UnimplementedCall(ctx, &pb.Empty{})
	show(nil, err)

	out, err := c.StreamingOutputCall(ctx, &pb.StreamingOutputCallRequest{ResponseParameters: []*pb.ResponseParameters{{Size: 1}, {Size: 20}, {Size: 300}}})
	for err == nil {
		_, err = out.Recv()
	}
	show(out, err)
	in, err := c.StreamingInputCall(ctx)
	if err == nil {
		for i := range 3 {
			err = errors.Join(err, in.Send(&pb.StreamingInputCallRequest{Payload: payload(i * 10)}))
		}
		_, err = in.CloseAndRecv()
	}
	show(in, err)
	duplex, err := c.FullDuplexCall(ctx, grpc.UseCompressor("gzip"))
	for i := range 3 {
		if err == nil {
			err = duplex.Send(&pb.StreamingOutputCallRequest{Payload: payload(50 * (i + 1)), ResponseParameters: make([]*pb.ResponseParameters, i+1)})
		}
		if err == nil {
			_, err = duplex.Recv()
		}
	}
	show(duplex, err)
	stop, cancel := context.WithCancel(ctx)
	duplex, err = c.FullDuplexCall(stop)
	if err == nil {
		err = duplex.Send(&pb.StreamingOutputCallRequest{Payload: payload(3)})
		_, _ = duplex.Recv()
	}
	cancel()
	show(duplex, err)
	time.Sleep(100 * time.Millisecond)
}
