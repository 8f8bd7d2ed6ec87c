package stream

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"
)

// handshake opens a connection.
var handshake = []string{"c S 0 0", "s SA 0 1", "c A 1 1"}

// after returns a script that begins with the handshake.
func after(lines ...string) []string { return append(slices.Clip(handshake), lines...) }

func TestTCP(t *testing.T) {
	for _, tt := range []struct {
		name   string
		o      Options
		script []string
		want   []string
		counts string
		isn    [2]uint32
	}{
		{
			name:   "a request and its response",
			script: after("c A 1 1 ask", "s A 1 4 answer", "c FA 4 7", "s FA 7 5", "c A 5 8"),
			want:   []string{"open by client", "c ask", "s answer", "c closed", "s closed"},
		}, {
			name:   "sequence numbers wrap",
			isn:    [2]uint32{0xfffffffe, 0xffffffff},
			script: after("c A 1 1 ask", "s A 1 4 ans", "s A 6 4 more", "s A 4 4 we", "c FA 4 10", "s FA 10 5"),
			want:   []string{"open by client", "c ask", "s ans", "s we", "s more", "c closed", "s closed"},
			counts: "OutOfOrder:1",
		}, {
			name:   "half-close",
			script: after("c FA 1 1 ask", "s A 1 5 one", "s A 4 5 two", "s FA 7 5"),
			want:   []string{"open by client", "c ask", "c closed", "s one", "s two", "s closed"},
		}, {
			name:   "retransmissions, whole and in part",
			script: after("c A 1 1 abc", "c A 1 1 abc", "c A 2 1 bcd", "c A 5 1 e", "c A 1 1 abcdefg"),
			want:   []string{"open by client", "c abc", "c d", "c e", "c fg"},
			counts: "Retransmitted:10",
		}, {
			name:   "out of order",
			script: after("c A 4 1 def", "c A 10 1 j", "c A 1 1 abc", "c A 7 1 ghi"),
			want:   []string{"open by client", "c abc", "c def", "c ghi", "c j"},
			counts: "OutOfOrder:2",
		}, {
			name: "overlaps: the first copy wins",
			script: after("c A 4 1 DEF", "c A 3 1 cdefg", "c A 9 1 IJ", "c A 6 1 fghijk", "c A 1 1 abcdefghijklm",
				"c A 1 1 xxxxxxxxxxxxxx"),
			want:   []string{"open by client", "c ab", "c c", "c DEF", "c g", "c h", "c IJ", "c k", "c lm", "c x"},
			counts: "Retransmitted:29 OutOfOrder:4",
		}, {
			name:   "keep-alive",
			script: after("c A 1 1 abc", "c A 3 1", "s A 1 4", "c A 3 1 x", "s A 1 4", "c A 4 1 d"),
			want:   []string{"open by client", "c abc", "c d"},
			counts: "Retransmitted:1",
		}, {
			name:   "zero-window probe with the next byte",
			script: after("c A 1 1 abc", "s A 1 4", "c A 4 1 d", "s A 1 4", "c A 4 1 def", "s A 1 7"),
			want:   []string{"open by client", "c abc", "c d", "c ef"},
			counts: "Retransmitted:1",
		}, {
			name:   "SYN with data",
			script: []string{"c S 0 0 ask", "s SA 0 4 answer", "c A 4 7 more", "s A 7 8 end"},
			want:   []string{"open by client", "c ask", "s answer", "c more", "s end"},
		}, {
			name:   "SYN with data that is sent again",
			script: []string{"c S 0 0 ask", "s SA 0 1", "c A 1 1 ask", "s A 1 4 answer"},
			want:   []string{"open by client", "c ask", "s answer"},
			counts: "Retransmitted:3",
		}, {
			name:   "SYN and SYN-ACK sent again",
			script: []string{"c S 0 0", "c S 0 0", "s SA 0 1", "s SA 0 1", "c A 1 1", "c A 1 1 ask", "s SA 0 1", "c A 4 1 b"},
			want:   []string{"open by client", "c ask", "c b"},
		}, {
			name:   "handshake in another order",
			script: []string{"s SA 0 1", "c A 1 1", "c S 0 0", "c A 1 1 ask"},
			want:   []string{"open by client", "c ask"},
		}, {
			name:   "SYN after the data",
			script: []string{"c A 1 1 ask", "c S 0 0", "s SA 0 1", "s A 1 4 ok"},
			want:   []string{"open by client? midstream", "c ask", "s ok"},
		}, {
			name:   "SYN was lost",
			script: []string{"s SA 0 1", "c A 1 1", "c A 1 1 ask"},
			want:   []string{"open by client", "c ask"},
		}, {
			name:   "SYN-ACK was lost",
			script: []string{"c S 0 0", "c A 1 1", "s A 4 1 lo", "s A 1 1 hel"},
			want:   []string{"open by client", "s hel", "s lo"},
			counts: "OutOfOrder:1",
		}, {
			name:   "SYN-ACK was lost, and the first data",
			script: []string{"c S 0 0", "c A 1 1", "s A 4 1 lo", "c A 1 6 ask", "t 100"},
			want:   []string{"open by client", "s gap 3", "s lo", "c ask"},
			counts: "Gaps:1 Missing:3 OutOfOrder:1",
		}, {
			name:   "SYN-ACK to something else",
			script: []string{"c S 0 0", "s SA 7 77", "s SA 0 1", "c A 1 1", "s A 1 1 hi"},
			want:   []string{"open by client", "s hi"},
			counts: "Ignored:1",
		}, {
			name:   "simultaneous open",
			script: []string{"c S 0 0", "s S 0 0", "c SA 0 1", "s SA 0 1", "s A 1 1 hi", "c A 1 3 ho"},
			want:   []string{"open by client", "s hi", "c ho"},
		}, {
			name:   "refused",
			script: []string{"c S 0 0", "s RA 0 1", "c A 1 1"},
			want:   []string{"open by client", "refused", "s reset", "c reset"},
			counts: "Reset:1 Refused:1",
		}, {
			name:   "refused, then not",
			script: []string{"c S 0 0", "s RA 0 1", "isn c 2000", "c S 0 0", "s SA 0 1", "c A 1 1 ask"},
			want:   []string{"open by client", "refused", "s reset", "c reset", "open by client", "c ask"},
			counts: "Reset:1 Refused:1",
		}, {
			name:   "RST to another SYN",
			script: []string{"c S 0 0", "s RA 0 77", "s SA 0 1", "c A 1 1 ask"},
			want:   []string{"open by client", "c ask"},
			counts: "Ignored:1",
		}, {
			name:   "refused, with data in the SYN",
			script: []string{"c S 0 0 ask", "s RA 0 4"},
			want:   []string{"open by client", "c ask", "refused", "s reset", "c reset"},
			counts: "Reset:1 Refused:1",
		}, {
			name:   "given up by the client",
			script: []string{"c S 0 0", "c R 1 0"},
			want:   []string{"open by client", "c reset", "s reset"},
			counts: "Reset:1",
		}, {
			name:   "half open: SYN, SYN-ACK, RST",
			script: []string{"c S 0 0", "s SA 0 1", "c R 1 0"},
			want:   []string{"open by client", "c reset", "s reset"},
			counts: "Reset:1",
		}, {
			name:   "RST",
			script: after("c A 1 1 ask", "s RA 1 4", "s R 1 0", "c A 4 1 more", "s R 1 0"),
			want:   []string{"open by client", "c ask", "s reset", "c reset"},
			counts: "AfterEnd:4 Reset:1",
		}, {
			name:   "RST with bytes held",
			script: after("c A 1 1 ask", "c A 7 1 more", "c R 11 1"),
			want:   []string{"open by client", "c ask", "c gap 3", "c more", "c reset", "s reset"},
			counts: "Gaps:1 Missing:3 OutOfOrder:1 Reset:1",
		}, {
			name:   "RST with a payload, which is a message for people",
			script: after("c RA 1 1 because"),
			want:   []string{"open by client", "c reset", "s reset"},
			counts: "AfterEnd:7 Reset:1",
		}, {
			name:   "RST with an impossible sequence number",
			script: after("c A 1 1 ask", "s RA 400000000 4", "s A 1 4 ok"),
			want:   []string{"open by client", "c ask", "s ok"},
			counts: "Ignored:1",
		}, {
			name:   "RST that was not accepted: its sender goes on",
			script: after("c A 1 1 ask", "s A 1 4 an", "s R 3 0", "s A 3 4 swer", "c A 4 7 more"),
			want:   []string{"open by client", "c ask", "s an", "s reset", "c reset", "open by client midstream", "s swer", "c more"},
			counts: "Reset:1",
		}, {
			name:   "RST after a half-close",
			script: after("c A 1 1 ask", "c FA 4 1", "s R 1 0"),
			want:   []string{"open by client", "c ask", "c closed", "s reset"},
			counts: "Reset:1",
		}, {
			name:   "data after FIN",
			script: after("c A 1 1 ask", "c FA 4 1", "c A 4 1 x", "c A 5 1 yz", "c A 1 1 ask", "s A 1 5 ok"),
			want:   []string{"open by client", "c ask", "c closed", "s ok"},
			counts: "Retransmitted:3 AfterEnd:3",
		}, {
			name:   "FIN out of order, and data beyond it",
			script: after("c A 9 1 xx", "c FA 4 1 de", "c A 5 1 ef", "c A 1 1 abc"),
			want:   []string{"open by client", "c abc", "c de", "c closed"},
			counts: "Retransmitted:1 AfterEnd:3 OutOfOrder:3",
		}, {
			name:   "FIN sent again",
			script: after("c A 1 1 ask", "c FA 4 1", "c FA 4 1", "s FA 1 5", "s FA 1 5", "c A 5 2", "s FA 1 5"),
			want:   []string{"open by client", "c ask", "c closed", "s closed"},
		}, {
			name:   "FIN with the data sent again",
			script: after("c A 1 1 ask", "c FA 1 1 ask"),
			want:   []string{"open by client", "c ask", "c closed"},
			counts: "Retransmitted:3",
		}, {
			name:   "FIN within what was sent",
			script: after("c A 1 1 abcdef", "c FA 1 1 abc", "c A 7 1 g"),
			want:   []string{"open by client", "c abcdef", "c g"},
			counts: "Retransmitted:3",
		}, {
			name:   "FIN was lost",
			script: after("c A 1 1 ask", "s A 1 5 ok", "s FA 3 5", "c A 5 4", "t 100"),
			want:   []string{"open by client", "c ask", "c gap 1", "s ok", "s closed"},
			counts: "Gaps:1 Missing:1",
		}, {
			name:   "both FINs were lost",
			script: after("c A 1 1 ask", "s A 1 5", "c A 5 2", "flush"),
			want:   []string{"open by client", "c ask", "c closed", "s closed"},
			counts: "AssumedFINs:2",
		}, {
			name:   "lost segment: acknowledged by data",
			script: after("c A 1 1 one", "c A 7 1 three", "s A 1 12 ok", "t 100", "c A 4 1 two"),
			want:   []string{"open by client", "c one", "c gap 3", "c three", "s ok"},
			counts: "Late:3 Gaps:1 Missing:3 OutOfOrder:1",
		}, {
			name:   "lost last segment: acknowledged by data",
			script: after("c A 1 1 one", "s A 1 7 ok", "c A 7 3 three", "t 100"),
			want:   []string{"open by client", "c one", "c gap 3", "s ok", "c three"},
			counts: "Gaps:1 Missing:3 OutOfOrder:1",
		}, {
			name:   "only a part of what is missing is acknowledged",
			script: after("c A 1 1 one", "c A 10 1 four", "s A 1 7 ok", "t 100", "c A 7 3 thr"),
			want:   []string{"open by client", "c one", "c gap 3", "s ok", "c thr", "c four"},
			counts: "Gaps:1 Missing:3 OutOfOrder:1",
		}, {
			name:   "a request that the capture has before the response to the one before",
			script: after("c A 1 1 one", "c A 4 3 two", "s A 3 7 TW", "s A 1 4 ON", "s A 5 7 O", "c A 7 6 x"),
			want:   []string{"open by client", "c one", "s ON", "c two", "s TW", "s O", "c x"},
			counts: "OutOfOrder:1",
		}, {
			name:   "the same, and the response was lost",
			script: after("c A 1 1 one", "c A 4 3 two", "s A 3 7 TW", "t 100", "s A 1 4 ON", "s A 5 7 O"),
			want:   []string{"open by client", "c one", "s gap 2", "c two", "s TW", "s O"},
			counts: "Late:2 Gaps:1 Missing:2 OutOfOrder:1",
		}, {
			name:   "the same, and a RST",
			script: after("c A 1 1 one", "c A 4 3 two", "c R 7 3"),
			want:   []string{"open by client", "c one", "s gap 2", "c two", "c reset", "s reset"},
			counts: "Gaps:1 Missing:2 Reset:1",
		}, {
			name:   "each side acknowledges what the other has not sent",
			o:      Options{GapPackets: 4},
			script: after("c A 1 9 one", "s A 1 9 ONE", "t 100", "t 1000", "t 100"),
			want:   []string{"open by client", "c one", "s ONE", "c gap 5", "s gap 5"},
			counts: "Gaps:2 Missing:10",
		}, {
			name:   "an acknowledgement that the capture has too early",
			script: after("s A 1 4", "c A 1 1 ask", "s A 1 4 ok"),
			want:   []string{"open by client", "c ask", "s ok"},
		}, {
			name:   "lost segment: acknowledged, and time passes",
			script: after("c A 1 1 one", "c A 7 1 three", "s A 1 12", "t 99", "t 10"),
			want:   []string{"open by client", "c one", "c gap 3", "c three"},
			counts: "Gaps:1 Missing:3 OutOfOrder:1",
		}, {
			name:   "lost segment: acknowledged, and the client goes on",
			script: after("c A 1 1 one", "c A 7 1 a", "s A 1 8", "c A 8 1 b", "c A 9 1 c", "c A 10 1 d", "c A 11 1 e", "c A 12 1 f", "c A 13 1 g", "c A 14 1 h"),
			want:   []string{"open by client", "c one", "c gap 3", "c a", "c b", "c c", "c d", "c e", "c f", "c g", "c h"},
			counts: "Gaps:1 Missing:3 OutOfOrder:8",
		}, {
			name:   "lost segment: acknowledged by a FIN",
			script: after("c A 1 1 one", "c A 7 1 three", "s FA 1 12", "t 200"),
			want:   []string{"open by client", "c one", "s closed", "c gap 3", "c three"},
			counts: "Gaps:1 Missing:3 OutOfOrder:1",
		}, {
			name:   "FIN that the capture has too early",
			script: after("c A 1 1 one", "s A 1 4 answer", "c FA 4 13", "s A 7 4 tinues", "c A 5 13", "s FA 13 5"),
			want:   []string{"open by client", "c one", "s answer", "c closed", "s tinues", "s closed"},
		}, {
			name:   "lost segment: no acknowledgement, packets pass",
			o:      Options{GapPackets: 3},
			script: after("c A 1 1 one", "c A 7 1 a", "c A 8 1 b", "c A 9 1 c", "c A 10 1 d", "c A 11 1 e"),
			want:   []string{"open by client", "c one", "c gap 3", "c a", "c b", "c c", "c d", "c e"},
			counts: "Gaps:1 Missing:3 OutOfOrder:4",
		}, {
			name:   "lost segment: no acknowledgement, time passes",
			script: after("c A 1 1 one", "c A 7 1 a", "t 990", "t 20"),
			want:   []string{"open by client", "c one", "c gap 3", "c a"},
			counts: "Gaps:1 Missing:3 OutOfOrder:1",
		}, {
			name:   "lost on the way, and sent again after a long time",
			script: after("c A 1 1 one", "c A 7 1 a", "s A 1 4", "t 5000", "c A 8 1 b", "s A 1 4", "t 5000", "c A 4 1 two", "s A 1 9"),
			want:   []string{"open by client", "c one", "c two", "c a", "c b"},
			counts: "OutOfOrder:2",
		}, {
			name:   "lost before a FIN",
			script: after("c A 1 1 one", "c FA 7 1", "s A 1 8 ok", "t 100"),
			want:   []string{"open by client", "c one", "c gap 3", "c closed", "s ok"},
			counts: "Gaps:1 Missing:3",
		}, {
			name:   "lost before a FIN, and the end",
			script: after("c A 1 1 one", "c FA 7 1", "flush"),
			want:   []string{"open by client", "c one", "c gap 3", "c closed", "s stopped"},
			counts: "Gaps:1 Missing:3",
		}, {
			name:   "lost at the end",
			script: after("c A 1 1 one", "c A 7 1 three", "s A 1 20", "flush"),
			want:   []string{"open by client", "c one", "c gap 3", "c three", "c gap 8", "c stopped", "s stopped"},
			counts: "Gaps:2 Missing:11 OutOfOrder:1",
		}, {
			name:   "too many bytes held",
			o:      Options{ConnBytes: 1000},
			script: after("c A 1 1 one", "c A 7 1 a *500", "c A 1007 1 b *500", "c A 507 1 c *500"),
			want:   []string{"open by client", "c one", "c gap 3", "c 500 bytes", "c 500 bytes", "c 500 bytes"},
			counts: "Gaps:1 Missing:3 OutOfOrder:2",
		}, {
			name:   "cut by the capture",
			script: after("c A 1 1 ab +3", "c A 6 1 +4", "c A 13 1 xy +1", "c A 10 1 abc"),
			want:   []string{"open by client", "c ab", "c gap 3", "c gap 4", "c abc", "c xy", "c gap 1"},
			counts: "Cut:8 Gaps:3 Missing:8 OutOfOrder:1",
		}, {
			name:   "cut, and sent again in part",
			script: after("c A 1 1 ab +3", "c A 1 1 ab +3", "c A 2 1 bcdefg"),
			want:   []string{"open by client", "c ab", "c gap 3", "c fg"},
			counts: "Retransmitted:9 Cut:3 Gaps:1 Missing:3",
		}, {
			name:   "GSO frames",
			script: after("c A 1 1 a *65000", "s A 1 65001", "c A 65001 1 b *200000"),
			want:   []string{"open by client", "c 65000 bytes", "c 200000 bytes"},
		}, {
			name:   "midstream",
			script: []string{"c A 101 51 ask", "s A 51 104 ok", "c A 104 53 more"},
			want:   []string{"open by client? midstream", "c ask", "s ok", "c more"},
		}, {
			name:   "midstream, the server first",
			script: []string{"s A 51 104 ok", "c A 104 53 more"},
			want:   []string{"open by client? midstream", "s ok", "c more"},
		}, {
			name:   "midstream, more was on its way",
			script: []string{"c A 101 51 ask", "s A 60 101 tail", "s A 64 104 ok", "s A 51 104 begin"},
			want:   []string{"open by client? midstream", "c ask", "s tail", "s ok"},
			counts: "Late:5",
		}, {
			name:   "midstream, already acknowledged",
			script: []string{"c A 101 51 ask", "s A 48 101 xyz", "s A 51 104 ok"},
			want:   []string{"open by client? midstream", "c ask", "s xyz", "s ok"},
		}, {
			name:   "midstream, a response is lost",
			script: []string{"c A 101 51 ask", "c A 104 61 ask", "t 100", "s A 61 107 ok"},
			want:   []string{"open by client? midstream", "c ask", "s gap 10", "c ask", "s ok"},
			counts: "Gaps:1 Missing:10",
		}, {
			name:   "midstream, only one side is captured",
			script: []string{"c A 101 51 ask", "c A 104 61", "c A 104 61 ask", "t 100", "c FA 107 71", "t 100"},
			want:   []string{"open by client? midstream", "c ask", "s gap 10", "c ask", "c closed", "s gap 10"},
			counts: "Gaps:2 Missing:20",
		}, {
			name:   "only acknowledgements, FIN and RST of an unknown connection",
			script: []string{"c A 101 51", "s FA 51 101", "c R 101 0", "c RA 101 51 text"},
			counts: "AfterEnd:4 Ignored:4",
		}, {
			name:   "midstream, a FIN of the other side alone",
			script: []string{"c A 101 51 ask", "s FA 51 104"},
			want:   []string{"open by client? midstream", "c ask", "s closed"},
		}, {
			name:   "port reuse after the close",
			script: after("c FA 1 1 a", "s FA 1 3", "isn c 9000", "isn s 8000", "c S 0 0", "s SA 0 1", "c A 1 1 b"),
			want:   []string{"open by client", "c a", "c closed", "s closed", "open by client", "c b"},
		}, {
			name:   "port reuse while the old one is open",
			script: after("c A 1 1 a", "c A 9 1 z", "isn c 9000", "c S 0 0", "isn s 8000", "s SA 0 1", "c A 1 1 b"),
			want:   []string{"open by client", "c a", "c gap 7", "c z", "c stopped", "s stopped", "open by client", "c b"},
			counts: "Gaps:1 Missing:7 OutOfOrder:1 Replaced:1",
		}, {
			name: "port reuse while the old one is open, and its server answers",
			script: after("c A 1 1 a", "isn c 9000", "c S 0 0", "isn c 1000", "s A 1 2", "c R 2 0", "isn c 9000", "c S 0 0",
				"isn s 8000", "s SA 0 1", "c A 1 1 b"),
			want:   []string{"open by client", "c a", "c stopped", "s stopped", "open by client", "c b"},
			counts: "Ignored:1 Replaced:1",
		}, {
			name:   "a RST, and the same SYN again",
			script: []string{"c S 0 0", "c R 1 0", "c S 0 0", "s SA 0 1", "c A 1 1 b"},
			want:   []string{"open by client", "c reset", "s reset", "open by client", "c b"},
			counts: "Reset:1",
		}, {
			name:   "port reuse, the other way round",
			script: after("c A 1 1 a", "isn s 8000", "s S 0 0", "isn c 9000", "c SA 0 1", "s A 1 1 b"),
			want:   []string{"open by client", "c a", "c stopped", "s stopped", "open by server", "c b"},
			counts: "Replaced:1",
		}, {
			name:   "port reuse, the SYN was lost",
			script: after("c FA 1 1 a", "s FA 1 3", "isn c 9000", "isn s 8000", "s SA 0 1", "c A 1 1 b"),
			want:   []string{"open by client", "c a", "c closed", "s closed", "open by client", "c b"},
		}, {
			name:   "port reuse after a midstream start",
			script: []string{"c A 101 51 ask", "isn c 9000", "c S 0 0", "s SA 0 1", "c A 1 1 b"},
			want:   []string{"open by client? midstream", "c ask", "c stopped", "s stopped", "open by client", "c b"},
			counts: "Replaced:1",
		}, {
			name:   "after the close: acknowledgements, data again, time",
			script: after("c FA 1 1 a", "s FA 1 3", "c A 3 2", "c FA 1 1 a", "s A 1 3", "t 10001", "c A 3 2", "c A 3 2 late"),
			want:   []string{"open by client", "c a", "c closed", "s closed", "open by client? midstream", "c late"},
			counts: "Retransmitted:1 Ignored:1",
		}, {
			name:   "idle",
			o:      Options{Idle: time.Minute},
			script: after("c A 1 1 a", "t 59000", "s A 1 2 b", "t 59000", "t 1001", "s A 2 2 c"),
			want:   []string{"open by client", "c a", "s b", "c stopped", "s stopped", "open by client? midstream", "s c"},
			counts: "Expired:1",
		}, {
			name:   "stray segments",
			script: after("c A 1 1 abc", "c A 1500000000 1 x", "c A 2500000000 1 y", "c A 4 1 d"),
			want:   []string{"open by client", "c abc", "c d"},
			counts: "Stray:2",
		}, {
			name:   "the stream goes on far away",
			script: after("c A 1 1 abc", "c A 8 1 h", "c A 3000000000 1 xx", "c A 3000000002 1 yy", "c A 3000000004 1 zz", "c A 3000000006 1 !", "s A 1 3000000007 ok", "c FA 3000000007 3"),
			want:   []string{"open by client", "c abc", "c gap 4", "c h", "c gap -1", "c zz", "c !", "s ok", "c closed"},
			counts: "Stray:4 Gaps:2 Missing:4 GapsUnknown:1 OutOfOrder:1",
		}, {
			name:   "an acknowledgement of what cannot be",
			script: after("c A 1 1 abc", "s A 1 900000000 hi", "c A 4 3 d"),
			want:   []string{"open by client", "c abc", "s hi", "c d"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newScript(t, tt.o)
			if tt.isn != [2]uint32{} {
				s.isn = tt.isn
			}
			s.play(tt.script...)
			if !slices.Equal(s.log, tt.want) {
				t.Errorf("got  %s\nwant %s", strings.Join(s.log, " | "), strings.Join(tt.want, " | "))
			}
			if got := nonzero(s.table.Counts()); got != tt.counts {
				t.Errorf("counts %s\nwant   %s", got, tt.counts)
			}
			s.play("flush")
			if c := s.table.Counts(); c.Open != 0 || c.Held != 0 || s.table.cost != 0 || s.table.conns.len() != 0 {
				t.Errorf("after Flush: %+v, cost %d, %d connections", c, s.table.cost, s.table.conns.len())
			}
		})
	}
}

// A socket can be connected to itself: its port is its destination.
func TestSelfConnection(t *testing.T) {
	s := newScript(t, Options{})
	s.addr[1] = s.addr[0]
	s.isn[1] = s.isn[0]
	s.play("c S 0 0", "c SA 0 1", "c A 1 1", "c A 1 1 hello", "c A 1 6", "c A 6 6 you", "c A 12 9 !", "c A 9 9 are", "c FA 13 13", "c A 14 14")
	want := []string{"open by client", "c hello", "c you", "c are", "c !", "c closed", "s closed"}
	if !slices.Equal(s.log, want) {
		t.Errorf("got  %q\nwant %q", s.log, want)
	}
	if c := s.table.Counts(); c.Closed != 1 {
		t.Errorf("%+v", c)
	}
}

// Each segment captured twice, as on a loopback device where it leaves and
// arrives, counts as sent again.
func TestEachTwice(t *testing.T) {
	s := newScript(t, Options{})
	for _, l := range after("c A 1 1 ask", "s A 1 4 an", "s A 3 4 swer", "c FA 4 7", "s FA 7 5", "c A 5 8") {
		s.play(l, l)
	}
	want := []string{"open by client", "c ask", "s an", "s swer", "c closed", "s closed"}
	if !slices.Equal(s.log, want) {
		t.Errorf("got  %q\nwant %q", s.log, want)
	}
	if c := s.table.Counts(); c.Retransmitted != 9 || c.Closed != 1 {
		t.Errorf("%+v", c)
	}
}

// Addresses are taken as they are: all of 127/8, IPv6, and v4-mapped ones, which
// are not their IPv4 addresses.
func TestAddresses(t *testing.T) {
	s := newScript(t, Options{})
	for i, a := range []string{"127.0.0.1", "127.255.255.254", "::1", "::ffff:127.0.0.1", "fe80::1"} {
		s.addr = [2]netip.AddrPort{netip.AddrPortFrom(netip.MustParseAddr(a), 40000), netip.AddrPortFrom(netip.MustParseAddr(a), 80)}
		s.play(after("c A 1 1 ask")...)
		if s.conns != i+1 {
			t.Errorf("%s: %d connections, want %d", a, s.conns, i+1)
		}
	}
}

// A connection that its owner does not want is followed all the same.
func TestUnwanted(t *testing.T) {
	s := newScript(t, Options{})
	s.unwant = true
	s.play(after("c A 1 1 ask", "c A 9 1 x", "s FA 1 4", "c R 10 2")...)
	if c := s.table.Counts(); c.Reset != 1 || c.Delivered != 4 || len(s.log) != 1 {
		t.Errorf("%+v, %q", c, s.log)
	}
}
