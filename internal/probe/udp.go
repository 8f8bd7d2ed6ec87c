package probe

import (
	"context"
	"net/netip"
	"time"

	"lodge/internal/probe/answer"
)

// askDatagrams asks each address by UDP: a DNS question, which an echo server
// gives back as it is. Where no socket has the port the kernel says so by ICMP
// (RFC 1122, section 4.1.3.1), which a connected socket gets as ECONNREFUSED.
func (r *Report) askDatagrams(ctx context.Context, t Target, ips []netip.Addr, opts Options) error {
	for _, ip := range ips {
		at := Attempt{IP: ip, Family: family(ip)}
		got, x, err := askDatagram(ctx, netip.AddrPortFrom(ip, t.Port), opts)
		switch {
		case err != nil && failureOf(err) != answer.Timeout:
			at.Result, at.Error = string(failureOf(err)), cause(err)
		case got == nil:
			at.Result = string(NoReply)
		default:
			at.Result = string(Answered)
		}
		x.Result = at.Result
		if got == nil && at.Result == string(NoReply) {
			x.Result = string(Silent)
		}
		r.Addresses, r.Exchanges = append(r.Addresses, at), append(r.Exchanges, x)
		if got != nil && r.Answer == nil {
			r.IP, r.Answer, r.Result = ip, got, Answered
			r.FirstByteUS = x.FirstByteUS
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	if r.Answer == nil {
		for _, a := range r.Addresses {
			if r.Result == "" || a.Result == string(NoReply) {
				r.Result = Result(a.Result)
			}
		}
	}
	return nil
}

// datagrams is how often a question is sent: a datagram may be lost.
const datagrams = 3

func askDatagram(ctx context.Context, to netip.AddrPort, opts Options) (*answer.Answer, Exchange, error) {
	x := Exchange{Name: "dns"}
	s, end, err := opts.Network.connect(ctx, "udp", to, time.Now().Add(opts.Timeout))
	if err != nil {
		return nil, x, err
	}
	defer end()
	b := make([]byte, 4096)
	for i := range datagrams {
		if err = s.say([]byte(answer.DNSHello)); err != nil {
			return nil, x, err
		}
		_ = s.SetReadDeadline(time.Now().Add(opts.Timeout * time.Duration(i+1) / (2 * datagrams)))
		var n int
		if n, err = s.Read(b); err == nil {
			x.ReceivedBytes, x.FirstByteUS = n, micros(s.firstByte)
			return answer.ReadDatagram(b[:n]), x, nil
		}
		if failureOf(err) != answer.Timeout || ctx.Err() != nil {
			return nil, x, err
		}
	}
	return nil, x, err
}
