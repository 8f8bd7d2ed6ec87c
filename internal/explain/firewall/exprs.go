package firewall

import (
	"encoding/binary"
	"slices"

	"golang.org/x/sys/unix"
)

// end is how a rule ends for a packet that it matches: with the verdict code
// (and chain), or by stopping it.
type end struct {
	code    int32
	chain   string
	outcome Outcome
}

// registers are the kernel's 16 registers of 4 bytes.
type registers struct {
	b     [64]byte
	known [64]bool
	end   *end // NFT_REG_VERDICT
	// endUnknown says that the verdict came from a look-up that is not known.
	endUnknown bool
}

// offset returns where a register is: 1 to 4 are of 16 bytes, 8 to 23 of 4.
func offset(reg uint32) (int, bool) {
	switch {
	case reg >= unix.NFT_REG_1 && reg <= unix.NFT_REG_4:
		return int(reg-unix.NFT_REG_1) * 16, true
	case reg >= unix.NFT_REG32_00 && reg <= unix.NFT_REG32_15:
		return int(reg-unix.NFT_REG32_00) * 4, true
	}
	return 0, false
}

func (r *registers) load(reg uint32, n int) value {
	at, ok := offset(reg)
	if !ok || n < 0 || n > 64 || at+n > len(r.b) {
		return unknown(max(min(n, 64), 0))
	}
	return value{r.b[at : at+n], r.known[at : at+n]}
}

func (r *registers) store(reg uint32, v value) {
	at, ok := offset(reg)
	if !ok {
		return
	}
	for i := range v.b {
		if at+i < len(r.b) {
			r.b[at+i], r.known[at+i] = v.b[i], v.known[i]
		}
	}
	// What a shorter load leaves of its word is zero (nft_reg_store8 and the
	// like).
	for i := len(v.b); i%4 != 0 && at+i < len(r.b); i++ {
		r.b[at+i], r.known[at+i] = 0, len(v.known) > 0 && v.known[len(v.known)-1]
	}
}

// forget makes a register unknown: something that is not understood wrote it.
func (r *registers) forget(reg uint32) {
	if _, ok := offset(reg); ok {
		r.store(reg, unknown(16))
	}
}

// rule evaluates a rule. With a match and no end, the packet goes on to the
// next one.
func (e *eval) rule(r *Rule) (match, *end) {
	var reg registers
	m := yes
	for _, x := range r.Exprs {
		n, v := e.expr(x, &reg)
		m = m.and(n)
		if m == no {
			return no, nil
		}
		if v == nil {
			v = reg.end
			if v == nil && reg.endUnknown {
				// One of the map's verdicts, and it is not known which.
				v, m = &end{outcome: Drop}, maybe
			}
		}
		if v != nil && v.code != continueRule {
			return m, v
		}
		reg.end = nil
	}
	return m, nil
}

const continueRule = -1 // NFT_CONTINUE

// expr evaluates one expression.
func (e *eval) expr(x Expr, reg *registers) (match, *end) {
	f := decodeFields(x.Data)
	switch x.Name {
	case "counter", "log", "last", "objref", "fwd", "dup", "tproxy", "flow_offload":
		return yes, nil
	case "meta":
		if _, sets := f.u32(unix.NFTA_META_SREG); sets {
			e.marked = true
			return yes, nil
		}
		key := f.num(unix.NFTA_META_KEY)
		v := e.p.meta(key)
		if key == unix.NFT_META_MARK && !e.marked {
			// Nobody marks what he sends over loopback, unless a rule does.
			v = host32(0)
		}
		reg.store(f.num(unix.NFTA_META_DREG), v)
	case "payload":
		if _, writes := f.u32(unix.NFTA_PAYLOAD_SREG); writes {
			return yes, nil
		}
		reg.store(f.num(unix.NFTA_PAYLOAD_DREG), e.payload(f))
	case "ct":
		if _, sets := f.u32(unix.NFTA_CT_SREG); sets {
			return yes, nil
		}
		reg.store(f.num(unix.NFTA_CT_DREG), e.p.ct(f.num(unix.NFTA_CT_KEY), e.untracked))
	case "notrack":
		e.untracked = true
	case "fib":
		reg.store(f.num(unix.NFTA_FIB_DREG), e.fib(f))
	case "cmp":
		return compare(reg, f), nil
	case "range":
		return inRange(reg, f), nil
	case "bitwise":
		bitwise(reg, f)
	case "byteorder":
		byteorder(reg, f)
	case "immediate":
		return e.immediate(reg, f)
	case "lookup":
		return e.lookup(reg, f), nil
	case "dynset":
		return maybe, nil // it may be full, or ask for a rate
	case "reject":
		return yes, &end{outcome: Reject}
	case "queue":
		return yes, &end{outcome: Queue}
	case "nat":
		if f.num(unix.NFTA_NAT_TYPE) == 1 { // NFT_NAT_DNAT
			return yes, &end{outcome: Redirect}
		}
		return yes, &end{code: nfAccept}
	case "redir":
		return yes, &end{outcome: Redirect}
	case "masq", "synproxy":
		return yes, &end{code: nfAccept}
	case "match":
		return xtMatch(e.p, f.str(unix.NFTA_MATCH_NAME), f.num(unix.NFTA_MATCH_REV), f[unix.NFTA_MATCH_INFO]), nil
	case "target":
		return xtTarget(f.str(unix.NFTA_TARGET_NAME))
	case "exthdr", "hash", "numgen", "rt", "socket", "osf", "xfrm", "tunnel", "inner":
		// Each loads something that is not known here, into a register that
		// each names in its own way.
		reg.known = [64]bool{}
	default: // limit, quota, connlimit, and what is newer than this program
		return maybe, nil
	}
	return yes, nil
}

func (e *eval) payload(f fields) value {
	n, at := int(min(f.num(unix.NFTA_PAYLOAD_LEN), 64)), f.num(unix.NFTA_PAYLOAD_OFFSET)
	var h value
	switch f.num(unix.NFTA_PAYLOAD_BASE) {
	case unix.NFT_PAYLOAD_NETWORK_HEADER:
		h = e.p.network()
	case unix.NFT_PAYLOAD_TRANSPORT_HEADER:
		h = e.p.transport()
	}
	if uint64(at)+uint64(n) > uint64(len(h.b)) {
		return unknown(n)
	}
	return value{h.b[at : int(at)+n], h.known[at : int(at)+n]}
}

func (e *eval) fib(f fields) value {
	flags := f.num(unix.NFTA_FIB_FLAGS)
	result := f.num(unix.NFTA_FIB_RESULT)
	switch {
	case !e.p.c.Local:
		if result == unix.NFT_FIB_RESULT_OIFNAME {
			return unknown(16)
		}
		return unknown(4)
	case result == unix.NFT_FIB_RESULT_ADDRTYPE:
		return host32(routeLocal) // both ends are this machine's
	case flags&unix.NFTA_FIB_F_PRESENT != 0:
		return known(1)
	case result == unix.NFT_FIB_RESULT_OIF:
		return e.p.ifindex(true)
	}
	return e.p.ifname(true)
}

func compare(reg *registers, f fields) match {
	data := decodeFields(f[unix.NFTA_CMP_DATA])[unix.NFTA_DATA_VALUE]
	v := reg.load(f.num(unix.NFTA_CMP_SREG), len(data))
	op, ok := f.u32(unix.NFTA_CMP_OP)
	if !ok {
		return maybe
	}
	switch op {
	case unix.NFT_CMP_EQ:
		return v.equal(data)
	case unix.NFT_CMP_NEQ:
		return v.equal(data).not(true)
	}
	n, ok := v.order(data)
	if !ok {
		return maybe
	}
	switch op {
	case unix.NFT_CMP_LT:
		return isIf(n < 0)
	case unix.NFT_CMP_LTE:
		return isIf(n <= 0)
	case unix.NFT_CMP_GT:
		return isIf(n > 0)
	case unix.NFT_CMP_GTE:
		return isIf(n >= 0)
	}
	return maybe
}

func inRange(reg *registers, f fields) match {
	from := decodeFields(f[unix.NFTA_RANGE_FROM_DATA])[unix.NFTA_DATA_VALUE]
	to := decodeFields(f[unix.NFTA_RANGE_TO_DATA])[unix.NFTA_DATA_VALUE]
	v := reg.load(f.num(unix.NFTA_RANGE_SREG), len(from))
	a, ok := v.order(from)
	b, ok2 := v.order(to)
	if !ok || !ok2 || len(from) != len(to) {
		return maybe
	}
	return isIf(a >= 0 && b <= 0).not(f.num(unix.NFTA_RANGE_OP) == unix.NFT_RANGE_NEQ)
}

func bitwise(reg *registers, f fields) {
	n := int(min(f.num(unix.NFTA_BITWISE_LEN), 64))
	v := reg.load(f.num(unix.NFTA_BITWISE_SREG), n)
	mask := decodeFields(f[unix.NFTA_BITWISE_MASK])[unix.NFTA_DATA_VALUE]
	xor := decodeFields(f[unix.NFTA_BITWISE_XOR])[unix.NFTA_DATA_VALUE]
	out := unknown(n)
	if f.num(bitwiseOp) == unix.NFT_BITWISE_BOOL && len(mask) == n && len(xor) == n && len(v.b) == n {
		for i := range n {
			out.b[i] = v.b[i]&mask[i] ^ xor[i]
			out.known[i] = v.known[i] || mask[i] == 0
		}
	}
	reg.store(f.num(unix.NFTA_BITWISE_DREG), out)
}

func byteorder(reg *registers, f fields) {
	n, size := int(min(f.num(unix.NFTA_BYTEORDER_LEN), 64)), int(f.num(unix.NFTA_BYTEORDER_SIZE))
	v := reg.load(f.num(unix.NFTA_BYTEORDER_SREG), n)
	out := value{slices.Clone(v.b), slices.Clone(v.known)}
	little := binary.NativeEndian.Uint16([]byte{1, 0}) == 1
	if size != 2 && size != 4 && size != 8 || n%size != 0 {
		out = unknown(n)
	} else if little {
		for i := 0; i+size <= len(out.b); i += size {
			slices.Reverse(out.b[i : i+size])
			slices.Reverse(out.known[i : i+size])
		}
	}
	reg.store(f.num(unix.NFTA_BYTEORDER_DREG), out)
}

func (e *eval) immediate(reg *registers, f fields) (match, *end) {
	data := decodeFields(f[unix.NFTA_IMMEDIATE_DATA])
	if v, ok := data[unix.NFTA_DATA_VERDICT]; ok {
		d := decodeVerdict(v)
		if d == nil {
			return maybe, &end{outcome: Drop}
		}
		return yes, ending(d)
	}
	if b, ok := data[unix.NFTA_DATA_VALUE]; ok {
		reg.store(f.num(unix.NFTA_IMMEDIATE_DREG), known(b...))
	}
	return yes, nil
}

// ending turns a verdict into an end.
func ending(v *verdict) *end {
	switch {
	case v.code == nfDrop:
		return &end{outcome: Drop}
	case v.code >= 0 && v.code&0xff == nfQueue:
		return &end{outcome: Queue}
	}
	return &end{code: v.code, chain: v.chain}
}
