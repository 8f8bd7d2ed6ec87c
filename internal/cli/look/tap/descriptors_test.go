package tap

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	pb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"lodge/internal/cli/kit"
	"lodge/internal/decode"
	"lodge/internal/decode/all"
	"lodge/internal/decode/protobuf"
	"lodge/internal/decode/tls"
	"lodge/internal/tap"
	"lodge/internal/tap/tapfile"
)

// descriptorSet returns what protoc --include_imports --descriptor_set_out makes of a file.
func descriptorSet(t *testing.T, of protoreflect.FileDescriptor) []byte {
	t.Helper()
	set := new(descriptorpb.FileDescriptorSet)
	var add func(protoreflect.FileDescriptor)
	add = func(f protoreflect.FileDescriptor) {
		for i := range f.Imports().Len() {
			add(f.Imports().Get(i).FileDescriptor)
		}
		set.File = append(set.File, protodesc.ToFileDescriptorProto(f))
	}
	add(of)
	b, err := proto.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A file of descriptors names the fields of calls whose server told nothing.
func TestDescriptors(t *testing.T) {
	dir := t.TempDir()
	k := &kit.Kit{}
	k.Env.Dir = dir
	for name, b := range map[string][]byte{"shop.pb": descriptorSet(t, pb.File_grpc_testing_test_proto), "text": []byte("syntax = 3"), "empty": nil} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	files, err := readDescriptors(k, []string{"shop.pb"})
	if err != nil {
		t.Fatal(err)
	}
	text := func(files *protobuf.Files) (text string) {
		f, err := os.Open("../../../decode/grpc/testdata/calls.pcap")
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = f.Close() }()
		src, err := tapfile.Open(f)
		if err != nil {
			t.Fatal(err)
		}
		err = src.Run(t.Context(), tap.New(tap.Options{
			Protocols: all.With(tls.Config{}, files), Decode: decode.Options{Limits: decode.DefaultLimits()}, Ends: src,
			Record: func(r *tap.Record) {
				if x := r.Exchange; x != nil {
					text += string(x.Request.Body) + string(x.Response.Body)
				}
			},
		}))
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	if got := text(files); !strings.Contains(got, "response_size: 5\n") || !strings.Contains(got, `username: "ann"`) {
		t.Errorf("fields have no names:\n%s", got)
	}
	if got := text(new(protobuf.Files)); strings.Contains(got, "response_size") {
		t.Error("fields have names without descriptors")
	}
	for _, name := range []string{"text", "empty", "none", "."} {
		if _, err := readDescriptors(k, []string{"shop.pb", name}); err == nil || !strings.Contains(err.Error(), "read descriptors of "+name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
