package firewall

import (
	"encoding/binary"
	"encoding/hex"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// nest writes an attribute.
func nest(kind uint16, parts ...[]byte) []byte {
	var v []byte
	for _, p := range parts {
		v = append(v, p...)
	}
	b := binary.NativeEndian.AppendUint16(nil, uint16(attrLen+len(v)))
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = append(b, v...)
	return append(b, make([]byte, (4-len(v)%4)%4)...)
}

// ruleBytes is what Linux 6.18 answers for
// `nft add rule inet t input iif lo tcp dport 5432 drop`, in its own bytes.
const ruleBytes = "06000100740000000a000200696e7075740000000c000300000000000000000230010480" +
	"240001800900" + "01006d657461000000001400028008000200000000040800010000000001" +
	"2c0001800800" + "0100636d7000200002800800010000000001080002000000000" + "00c000380" + "0800010001000000"

func TestDecodeRule(t *testing.T) {
	be := func(n uint32) []byte { return binary.BigEndian.AppendUint32(nil, n) }
	meta := nest(unix.NFTA_LIST_ELEM, nest(unix.NFTA_EXPR_NAME, []byte("meta\x00")), nest(unix.NFTA_EXPR_DATA|unix.NLA_F_NESTED, nest(unix.NFTA_META_KEY, be(unix.NFT_META_IIF)), nest(unix.NFTA_META_DREG, be(1))))
	drop := nest(unix.NFTA_LIST_ELEM, nest(unix.NFTA_EXPR_NAME, []byte("immediate\x00")), nest(unix.NFTA_EXPR_DATA, nest(unix.NFTA_IMMEDIATE_DREG, be(0)), nest(unix.NFTA_IMMEDIATE_DATA, nest(unix.NFTA_DATA_VERDICT, nest(unix.NFTA_VERDICT_CODE, be(0))))))
	b := append(nest(unix.NFTA_RULE_TABLE, []byte("t\x00")), nest(unix.NFTA_RULE_CHAIN, []byte("input\x00"))...)
	b = append(b, nest(unix.NFTA_RULE_HANDLE, []byte{0, 0, 0, 0, 0, 0, 0, 2})...)
	b = append(b, nest(unix.NFTA_RULE_EXPRESSIONS|unix.NLA_F_NESTED, meta, drop)...)
	b = append(b, nest(unix.NFTA_RULE_USERDATA, []byte("\x00\x07no web\x00"))...)
	table, chain, r, err := decodeRule(b)
	if err != nil || table != "t" || chain != "input" || r.Handle != 2 || r.Comment != "no web" || len(r.Exprs) != 2 {
		t.Fatalf("%q %q %+v %v", table, chain, r, err)
	}
	rs := &Ruleset{}
	if got := rs.describe(&Chain{}, r); got != "drop" {
		t.Errorf("described as %q", got)
	}
	for n := range len(b) {
		_, _, _, _ = decodeRule(b[:n]) // cut anywhere: an error or less, no panic
	}
}

func TestComment(t *testing.T) {
	for in, want := range map[string]string{
		"":                              "",
		"\x00\x03hi\x00":                "hi",
		"\x05\x01x\x00\x03hi\x00":       "hi",
		"\x00\x09hi":                    "",
		"\x00":                          "",
		"\x00\x06" + "a\"b\\c" + "\x00": "a\"b\\c",
	} {
		if got := comment([]byte(in)); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestMessages(t *testing.T) {
	msg := func(kind uint16, seq uint32, body []byte) []byte {
		b := binary.NativeEndian.AppendUint32(nil, uint32(headerLen+len(body)))
		b = binary.NativeEndian.AppendUint16(b, kind)
		b = binary.NativeEndian.AppendUint16(b, 0)
		b = binary.NativeEndian.AppendUint32(b, seq)
		b = binary.NativeEndian.AppendUint32(b, 0)
		return append(b, body...)
	}
	eperm := unix.EPERM
	negative := binary.NativeEndian.AppendUint32(nil, uint32(-int32(eperm)))
	n := 0
	count := func(byte, []byte) error { n++; return nil }
	for _, c := range []struct {
		name  string
		b     []byte
		done  bool
		err   error
		count int
	}{
		{"one", msg(unix.NFNL_SUBSYS_NFTABLES<<8, 7, []byte{2, 0, 0, 0}), false, nil, 1},
		{"of an earlier question", msg(unix.NFNL_SUBSYS_NFTABLES<<8, 6, []byte{2, 0, 0, 0}), false, nil, 0},
		{"done", msg(unix.NLMSG_DONE, 7, []byte{0, 0, 0, 0}), true, nil, 0},
		{"refused", msg(unix.NLMSG_ERROR, 7, negative), true, unix.EPERM, 0},
		{"cut", msg(unix.NLMSG_DONE, 7, []byte{0, 0, 0, 0})[:18], false, errShort, 0},
		{"no nfgenmsg", msg(unix.NFNL_SUBSYS_NFTABLES<<8, 7, []byte{2}), false, errShort, 0},
		{"no header", []byte{1, 2, 3}, false, errShort, 0},
		{"length zero", make([]byte, 16), false, errShort, 0},
	} {
		n = 0
		done, _, err := messages(c.b, 7, count)
		if done != c.done || err != c.err || n != c.count {
			t.Errorf("%s: %v, %v, %d", c.name, done, err, n)
		}
	}
}

func FuzzMessages(f *testing.F) {
	b, _ := hex.DecodeString(strings.ReplaceAll(ruleBytes, " ", ""))
	f.Add(b)
	f.Add(nest(1, []byte("t\x00")))
	f.Fuzz(func(t *testing.T, b []byte) {
		_, _, _ = messages(b, 0, func(family byte, b []byte) error { _, err := decodeChain(family, b); return err })
		_, _, _ = decodeTable(b)
		_, _, s, _ := decodeSet(b)
		s.Elements, _ = decodeElements(b)
		_, m := s.find(known(make([]byte, s.KeyLen)...))
		if m == yes && len(s.Elements) == 0 {
			t.Error("found in an empty set")
		}
		_, _, r, _ := decodeRule(b)
		c := connection("127.0.0.1")
		ch := &Chain{Family: familyInet, Base: true, Hook: hookInput, Rules: []*Rule{r, {Exprs: []Expr{{Name: "cmp", Data: b}, {Name: "bitwise", Data: b}, {Name: "payload", Data: b}, {Name: "lookup", Data: b}, {Name: "range", Data: b}, {Name: "byteorder", Data: b}, {Name: "immediate", Data: b}, {Name: "match", Data: b}}}}}
		rs := &Ruleset{Chains: []*Chain{ch}, sets: map[setKey]*Set{{family: familyInet}: s}}
		rs.Judge(c)
		rs.describe(ch, r)
		rs.describe(ch, ch.Rules[1])
		for _, name := range []string{"tcp", "udp", "multiport"} {
			for rev := range uint32(2) {
				xtMatch(packet{c: &c, hook: hookInput}, name, rev, b)
			}
		}
	})
}
