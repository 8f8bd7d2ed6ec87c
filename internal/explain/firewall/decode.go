package firewall

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"
)

// Numbers of linux/netfilter/nf_tables.h that golang.org/x/sys lacks.
const (
	tableDormant  = 1  // NFT_TABLE_F_DORMANT
	hookDevs      = 4  // NFTA_HOOK_DEVS
	deviceName    = 1  // NFTA_DEVICE_NAME
	setDescConcat = 2  // NFTA_SET_DESC_CONCAT
	setFieldLen   = 1  // NFTA_SET_FIELD_LEN
	elemKeyEnd    = 10 // NFTA_SET_ELEM_KEY_END
	elemCatchAll  = 2  // NFT_SET_ELEM_CATCHALL
	bitwiseOp     = 6  // NFTA_BITWISE_OP
	udataComment  = 0  // NFTNL_UDATA_RULE_COMMENT (libnftnl)
)

// fields are the attributes of one object by number; numbers in them are
// big-endian.
type fields map[uint16][]byte

// decodeFields reads attributes; what is broken is left out, and so not known.
func decodeFields(b []byte) fields {
	f := make(fields)
	_ = attributes(b, func(kind uint16, value []byte) error {
		f[kind] = value
		return nil
	})
	return f
}

func (f fields) u32(kind uint16) (uint32, bool) {
	v := f[kind]
	if len(v) != 4 {
		return 0, false
	}
	return binary.BigEndian.Uint32(v), true
}

// num is u32, with 0 for what is not there.
func (f fields) num(kind uint16) uint32 {
	n, _ := f.u32(kind)
	return n
}

func (f fields) str(kind uint16) string { return text(f[kind]) }

func text(b []byte) string {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		b = b[:i]
	}
	return string(b)
}

func decodeTable(b []byte) (name string, dormant bool, err error) {
	err = attributes(b, func(kind uint16, value []byte) error {
		switch kind {
		case unix.NFTA_TABLE_NAME:
			name = text(value)
		case unix.NFTA_TABLE_FLAGS:
			dormant = len(value) == 4 && binary.BigEndian.Uint32(value)&tableDormant != 0
		}
		return nil
	})
	return name, dormant, err
}

func decodeChain(family byte, b []byte) (*Chain, error) {
	ch := &Chain{Family: family}
	err := attributes(b, func(kind uint16, value []byte) error {
		switch kind {
		case unix.NFTA_CHAIN_TABLE:
			ch.Table = text(value)
		case unix.NFTA_CHAIN_NAME:
			ch.Name = text(value)
		case unix.NFTA_CHAIN_TYPE:
			ch.Type = text(value)
		case unix.NFTA_CHAIN_POLICY:
			ch.PolicyDrop = len(value) == 4 && binary.BigEndian.Uint32(value) == 0 // NF_DROP
		case unix.NFTA_CHAIN_HOOK:
			ch.Base = true
			return decodeHook(ch, value)
		}
		return nil
	})
	return ch, err
}

func decodeHook(ch *Chain, b []byte) error {
	return attributes(b, func(kind uint16, value []byte) error {
		switch kind {
		case unix.NFTA_HOOK_HOOKNUM:
			if len(value) == 4 {
				ch.Hook = binary.BigEndian.Uint32(value)
			}
		case unix.NFTA_HOOK_PRIORITY:
			if len(value) == 4 {
				ch.Priority = int32(binary.BigEndian.Uint32(value))
			}
		case unix.NFTA_HOOK_DEV:
			ch.Devices = append(ch.Devices, text(value))
		case hookDevs:
			return attributes(value, func(kind uint16, value []byte) error {
				if kind == deviceName {
					ch.Devices = append(ch.Devices, text(value))
				}
				return nil
			})
		}
		return nil
	})
}

func decodeRule(b []byte) (table, chain string, r *Rule, err error) {
	r = &Rule{}
	err = attributes(b, func(kind uint16, value []byte) error {
		switch kind {
		case unix.NFTA_RULE_TABLE:
			table = text(value)
		case unix.NFTA_RULE_CHAIN:
			chain = text(value)
		case unix.NFTA_RULE_HANDLE:
			if len(value) == 8 {
				r.Handle = binary.BigEndian.Uint64(value)
			}
		case unix.NFTA_RULE_USERDATA:
			r.Comment = comment(value)
		case unix.NFTA_RULE_EXPRESSIONS:
			return attributes(value, func(kind uint16, value []byte) error {
				if kind != unix.NFTA_LIST_ELEM {
					return nil
				}
				e := Expr{}
				err := attributes(value, func(kind uint16, value []byte) error {
					switch kind {
					case unix.NFTA_EXPR_NAME:
						e.Name = text(value)
					case unix.NFTA_EXPR_DATA:
						e.Data = bytes.Clone(value)
					}
					return nil
				})
				r.Exprs = append(r.Exprs, e)
				return err
			})
		}
		return nil
	})
	return table, chain, r, err
}

// comment reads libnftnl's type-length-value data, which only nft(8) writes.
func comment(b []byte) string {
	for len(b) >= 2 {
		kind, n := b[0], int(b[1])
		if len(b) < 2+n {
			break
		}
		if kind == udataComment {
			return text(b[2 : 2+n])
		}
		b = b[2+n:]
	}
	return ""
}

func decodeSet(b []byte) (table, name string, s *Set, err error) {
	s = &Set{}
	err = attributes(b, func(kind uint16, value []byte) error {
		switch kind {
		case unix.NFTA_SET_TABLE:
			table = text(value)
		case unix.NFTA_SET_NAME:
			name = text(value)
		case unix.NFTA_SET_FLAGS:
			if len(value) == 4 {
				flags := binary.BigEndian.Uint32(value)
				s.Interval, s.Map = flags&unix.NFT_SET_INTERVAL != 0, flags&unix.NFT_SET_MAP != 0
			}
		case unix.NFTA_SET_KEY_LEN:
			if len(value) == 4 {
				s.KeyLen = int(min(binary.BigEndian.Uint32(value), 64))
			}
		case unix.NFTA_SET_DESC:
			if concat := decodeFields(value)[setDescConcat]; concat != nil {
				return attributes(concat, func(_ uint16, field []byte) error {
					n, ok := decodeFields(field).u32(setFieldLen)
					if !ok || n > 16 {
						return fmt.Errorf("set %s: a field of %d bytes", name, n)
					}
					s.Fields = append(s.Fields, int(n))
					return nil
				})
			}
		}
		return nil
	})
	return table, name, s, err
}

func decodeElements(b []byte) ([]Element, error) {
	var out []Element
	err := attributes(decodeFields(b)[unix.NFTA_SET_ELEM_LIST_ELEMENTS], func(kind uint16, value []byte) error {
		if kind != unix.NFTA_LIST_ELEM {
			return nil
		}
		f := decodeFields(value)
		flags := f.num(unix.NFTA_SET_ELEM_FLAGS)
		e := Element{End: flags&unix.NFT_SET_ELEM_INTERVAL_END != 0, CatchAll: flags&elemCatchAll != 0}
		e.Key = bytes.Clone(decodeFields(f[unix.NFTA_SET_ELEM_KEY])[unix.NFTA_DATA_VALUE])
		e.KeyEnd = bytes.Clone(decodeFields(f[elemKeyEnd])[unix.NFTA_DATA_VALUE])
		if d, ok := f[unix.NFTA_SET_ELEM_DATA]; ok {
			data := decodeFields(d)
			e.Data = bytes.Clone(data[unix.NFTA_DATA_VALUE])
			if v, ok := data[unix.NFTA_DATA_VERDICT]; ok {
				e.Verdict = decodeVerdict(v)
			}
		}
		out = append(out, e)
		return nil
	})
	return out, err
}

// verdict is the end of a rule: NF_DROP (0), NF_ACCEPT (1), or one of
// NFT_CONTINUE (-1), NFT_BREAK (-2), NFT_JUMP, NFT_GOTO, NFT_RETURN.
type verdict struct {
	code  int32
	chain string
}

func decodeVerdict(b []byte) *verdict {
	f := decodeFields(b)
	code, ok := f.u32(unix.NFTA_VERDICT_CODE)
	if !ok {
		return nil
	}
	return &verdict{int32(code), f.str(unix.NFTA_VERDICT_CHAIN)}
}
