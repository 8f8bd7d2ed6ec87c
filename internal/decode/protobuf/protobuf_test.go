package protobuf

import (
	"math"
	"strings"
	"testing"

	pb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

func TestRaw(t *testing.T) {
	deep := "x"
	for range 40 {
		deep = "\x0a" + string([]byte{byte(len(deep))}) + deep
	}
	for _, tt := range []struct {
		name, in, want string
		ok             bool
	}{
		{"empty", "", "", true},
		{"numbers", "\x08\x96\x01\x15\x01\x00\x00\x00\x19\x02\x00\x00\x00\x00\x00\x00\x00\x20\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
			"1: 150\n2: 0x00000001\n3: 0x0000000000000002\n4: 18446744073709551615\n", true},
		{"text", "\x12\x07testing\x12\x00\x12\x03a\"\n", "2: \"testing\"\n2: \"\"\n2: \"a\\\"\\n\"\n", true},
		{"text that could be a message", "\x0a\x0a\x0a\x08aaaaaaaa", "1 {\n  1: \"aaaaaaaa\"\n}\n", true},
		{"UTF-8", "\x0a\x05gr\xc3\xbcn", "1: \"grün\"\n", true},
		{"bytes", "\x0a\x03\xff\x00\x01", "1: \"\\377\\000\\001\"\n", true},
		{"nested", "\x1a\x05\x08\x96\x01\x10\x01", "3 {\n  1: 150\n  2: 1\n}\n", true},
		{"group", "\x0b\x10\x01\x13\x18\x02\x14\x0c\x20\x05", "1 {\n  2: 1\n  2 {\n    3: 2\n  }\n}\n4: 5\n", true},
		{"group without end", "\x0b\x10\x01", "1 {\n  2: 1\n", false},
		{"end without group", "\x0c", "", false},
		{"number 0", "\x00\x01", "", false},
		{"cut off", "\x08\x01\x12\x09abc", "1: 1\n", false},
		{"varint too long", "\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", "", false},
	} {
		got, ok := Text{Limit: 1 << 16}.Append(nil, []byte(tt.in), nil)
		if string(got) != tt.want || ok != tt.ok {
			t.Errorf("%s: %q, %v; want %q", tt.name, got, ok, tt.want)
		}
	}
	if got, ok := (Text{Limit: 1 << 16}).Append(nil, []byte(deep), nil); !ok || strings.Count(string(got), "{") != maxDepth {
		t.Errorf("deep: %v %s", ok, got)
	}
	if got, ok := (Text{Limit: 20}).Append(nil, []byte("\x0a\x7f"+strings.Repeat("a", 127)), nil); ok || len(got) != 20 {
		t.Errorf("over the limit: %v %q", ok, got)
	}
}

// files returns the descriptors of the files of messages.
func files(t *testing.T, messages ...proto.Message) *Files {
	t.Helper()
	fs := &Files{}
	var add func(f protoreflect.FileDescriptor)
	add = func(f protoreflect.FileDescriptor) {
		for i := range f.Imports().Len() {
			add(f.Imports().Get(i).FileDescriptor)
		}
		b, err := proto.Marshal(protodesc.ToFileDescriptorProto(f))
		if err != nil {
			t.Fatal(err)
		}
		if err := fs.Add(b); err != nil {
			t.Fatal(err)
		}
	}
	for _, m := range messages {
		add(m.ProtoReflect().Descriptor().ParentFile())
	}
	return fs
}

// TestNames holds that messages are written in the text format, by reading it
// with the library.
func TestNames(t *testing.T) {
	s, err := structpb.NewStruct(map[string]any{"a": 1.5, "b": []any{"x", true, nil}, "c": map[string]any{"d": "\x00\"\n"}})
	if err != nil {
		t.Fatal(err)
	}
	messages := []proto.Message{
		&pb.SimpleRequest{ResponseType: pb.PayloadType_COMPRESSABLE, ResponseSize: -1, Payload: &pb.Payload{Body: []byte("\xff\x00'\\")},
			ResponseCompressed: &pb.BoolValue{Value: true}, ResponseStatus: &pb.EchoStatus{Code: 5, Message: "grün\t"}},
		&pb.LoadBalancerStatsResponse{RpcsByPeer: map[string]int32{"a": 1, "b": -2}},
		s, timestamppb.Now(),
		wrapperspb.Double(math.Inf(-1)), wrapperspb.Double(1e300), wrapperspb.Float(0.1), wrapperspb.UInt64(math.MaxUint64), wrapperspb.Int64(math.MinInt64),
		protodesc.ToFileDescriptorProto(pb.File_grpc_testing_messages_proto),
		&descriptorpb.SourceCodeInfo{Location: []*descriptorpb.SourceCodeInfo_Location{{Path: []int32{1, 2, -3}, Span: []int32{300}}}},
		&descriptorpb.UninterpretedOption{DoubleValue: proto.Float64(math.NaN()), StringValue: []byte{1}},
	}
	fs := files(t, messages...)
	for _, m := range messages {
		b, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		name := string(m.ProtoReflect().Descriptor().FullName())
		d := fs.FindMessage(name)
		if d == nil {
			t.Fatalf("%s is not known", name)
		}
		text, ok := Text{Types: fs, Limit: 1 << 20}.Append(nil, b, d)
		if !ok {
			t.Errorf("%s: not all was written: %s", name, text)
		}
		back := m.ProtoReflect().New().Interface()
		if err := prototext.Unmarshal(text, back); err != nil {
			t.Errorf("%s: %v\n%s", name, err, text)
		} else if !proto.Equal(m, back) {
			t.Errorf("%s: %v, want %v\n%s", name, back, m, text)
		}
	}
	method, ok := fs.FindMethod("grpc.testing.TestService", "StreamingOutputCall")
	if ok {
		t.Errorf("a file that was not added is known: %v", method)
	}
	b, err := proto.Marshal(protodesc.ToFileDescriptorProto(pb.File_grpc_testing_test_proto))
	if err != nil {
		t.Fatal(err)
	}
	set := append([]byte{0x0a, byte(len(b)) | 0x80, byte(len(b) >> 7)}, b...)
	if err := fs.AddSet(set); err != nil {
		t.Fatal(err)
	}
	method, ok = fs.FindMethod("grpc.testing.TestService", "StreamingOutputCall")
	if want := (Method{Input: "grpc.testing.StreamingOutputCallRequest", Output: "grpc.testing.StreamingOutputCallResponse", ServerStreaming: true}); !ok || method != want {
		t.Errorf("method %+v, want %+v", method, want)
	}
}

func TestSecret(t *testing.T) {
	m := &pb.SimpleResponse{Username: "ann", OauthScope: "s"}
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	fs := files(t, m)
	text, _ := Text{Types: fs, Limit: 100, Secret: func(name string) bool { return name == "username" }}.Append(nil, b, fs.FindMessage("grpc.testing.SimpleResponse"))
	if string(text) != "username: \"•••\"\noauth_scope: \"s\"\n" {
		t.Errorf("%s", text)
	}
}

func TestNested(t *testing.T) {
	got := Nested([]byte("\x22\x06\x0a\x01a\x0a\x01b\x12\x01x\x22\x03\x0a\x01c"), 4, 1)
	if len(got) != 3 || string(got[0])+string(got[1])+string(got[2]) != "abc" {
		t.Errorf("%q", got)
	}
}

func FuzzProtobuf(f *testing.F) {
	file, err := proto.Marshal(protodesc.ToFileDescriptorProto(pb.File_grpc_testing_messages_proto))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(file)
	f.Add([]byte("\x0b\x10\x01\x13\x18\x02\x14\x0c\x20\x05"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var fs Files
		_ = fs.Add(file)
		_ = fs.Add(b)
		for _, name := range []string{"", "grpc.testing.SimpleRequest"} {
			text, _ := Text{Types: &fs, Limit: 4096}.Append(nil, b, fs.FindMessage(name))
			if len(text) > 4096 {
				t.Fatalf("%d bytes", len(text))
			}
		}
	})
}
