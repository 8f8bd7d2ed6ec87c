package grpc

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"lodge/internal/decode"
	"lodge/internal/decode/captest"
)

// TestTshark compares the lengths of all messages in each direction, the paths
// and the statuses with tshark's. No difference is known.
func TestTshark(t *testing.T) {
	for _, file := range captures {
		var messages [2][]string
		var paths, statuses []string
		for _, l := range captest.Tshark(t, file, "-d", "tcp.port==50051,http2", "-Y", "http2", "-T", "fields", "-o", "tcp.reassemble_out_of_order:TRUE",
			"-e", "tcp.dstport", "-e", "grpc.message_length", "-E", "aggregator=|",
			"-e", "http2.header.name", "-e", "http2.header.value") {
			s := decode.Server
			if l[0] == "50051" {
				s = decode.Client
			}
			messages[s] = append(messages[s], split(l[1])...)
			names, values := split(l[2]), split(l[3])
			if len(names) != len(values) {
				t.Fatalf("%s: %d names, %d values: %q", file, len(names), len(values), l)
			}
			for i, name := range names {
				switch name {
				case ":path":
					paths = append(paths, values[i])
				case "grpc-status":
					statuses = append(statuses, values[i])
				}
			}
		}
		var ours [2][]string
		var ourPaths, ourStatuses []string
		for _, e := range captest.Exchanges(captest.Flows(t, file, protocol())) {
			switch {
			case e.Protocol != Name:
				t.Errorf("%s: an exchange of %s", file, e.Protocol)
			case e.Kind == decode.KindMessage:
				ours[e.From] = append(ours[e.From], strconv.FormatInt(e.Request.BodyBytes, 10))
			default:
				ourPaths = append(ourPaths, e.Target)
				if e.Status != "" && !strings.HasPrefix(e.Status, "reset") {
					ourStatuses = append(ourStatuses, strconv.Itoa(e.Code))
				}
				if e.Detail("sent") == "" {
					ours[0] = append(ours[0], strconv.FormatInt(e.Request.BodyBytes, 10))
					ours[1] = append(ours[1], strconv.FormatInt(e.Response.BodyBytes, 10))
				}
			}
		}
		for s := range messages {
			// Calls that were refused have no message in their response, and empty
			// ones have one without bytes.
			equal(t, file+", lengths of messages of the "+decode.Side(s).String(), without0(ours[s]), without0(messages[s]))
		}
		slices.Sort(paths)
		slices.Sort(ourPaths)
		equal(t, file+", paths", ourPaths, paths)
		equal(t, file+", statuses", ourStatuses, statuses)
	}
}

func split(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, "|")
}

// without0 returns the numbers but 0, sorted.
func without0(l []string) []string {
	l = slices.DeleteFunc(slices.Clone(l), func(s string) bool { return s == "0" })
	slices.Sort(l)
	return l
}

func equal(t *testing.T, what string, ours, tsharks []string) {
	t.Helper()
	if len(ours) == 0 || !slices.Equal(ours, tsharks) {
		t.Errorf("%s: %v, tshark has %v", what, ours, tsharks)
	}
}
