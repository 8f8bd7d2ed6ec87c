package tls

import (
	"lodge/internal/decode"
	"lodge/internal/decode/tlscrypt"
	"lodge/internal/decode/tlskeys"
)

// The bounds of what is tried with records that no key opens.
const (
	maxFailures = 32      // records of a side, one after the other
	maxSkipped  = 512     // records that may be missing before one
	maxTries    = 1 << 12 // openings after a gap
	minRecord   = recordHeader + 1 + 16
)

// reading is how far the records of one side are read.
type reading struct {
	epochs []epoch
	now    int // the epoch of the last record
	// skipped is how many records may be missing before the next one, tries how often
	// that was tried since.
	skipped, tries int
	failures       int
	missed         bool // data were not read, which the protocol inside does not know yet
	off            bool
}

// epoch is the time of one key.
type epoch struct {
	label   tlskeys.Label
	secret  string
	records *tlscrypt.Records
	seq     uint64
	bad     bool // the secret cannot be one
}

// lost notes that records are missing in n bytes.
func (p *reading) lost(n int64) {
	skipped := int64(maxSkipped)
	if n >= 0 {
		skipped = min(skipped, n/minRecord+2)
	}
	p.skipped = min(p.skipped+int(skipped), maxSkipped)
	p.missed = true
}

// read decrypts a record and handles what is in it.
func (x *crypt) read(s decode.Side, r *record) outcome {
	if o := x.prepare(); o != done {
		return o
	}
	e, kind, plain, o := x.open(s, r)
	switch o {
	case wait:
		x.tried = x.keys.Len()
	case wrong:
		x.fail(s)
		x.unread(s, r)
		return done
	case done:
		x.opened(s, r, e, kind, plain)
	}
	if cap(x.plain) > 4096 {
		x.plain = nil // most connections are idle at most times
	}
	return o
}

// prepare finds the secrets, and what is done with them.
func (x *crypt) prepare() outcome {
	s := &x.d.s
	x.tried = -1
	switch {
	case !s.hasClient:
		s.why = "the ClientHello, by which its keys are found, was not recorded"
		return never
	case !s.hasServer:
		if x.d.sides[decode.Server].blind {
			return never
		}
		return wait
	}
	if x.suite == nil {
		if v := s.server.version; v != 0x0303 && v != 0x0304 {
			s.why = "TLS " + versionName(v) + " is not decrypted"
			return never
		}
		suite, ok := tlscrypt.Find(suiteName(s.server.suite))
		if !ok {
			s.why = "the cipher suite " + suiteName(s.server.suite) + " is not decrypted"
			return never
		}
		x.suite = suite
		for side, labels := range labelsOf(s) {
			for _, l := range labels {
				x.sides[side].epochs = append(x.sides[side].epochs, epoch{label: l})
			}
		}
	}
	if x.keys == nil && x.secrets() == nil {
		x.tried = 0
		return wait
	}
	return done
}

// labelsOf returns the labels of the secrets of both sides, in the order of their use.
func labelsOf(s *session) [2][]tlskeys.Label {
	if !isTLS13(s.server.version) {
		return [2][]tlskeys.Label{{tlskeys.Master}, {tlskeys.Master}}
	}
	list := [2][]tlskeys.Label{{tlskeys.ClientHandshake, tlskeys.ClientTraffic}, {tlskeys.ServerHandshake, tlskeys.ServerTraffic}}
	if s.client.early && !s.retried {
		list[decode.Client] = append([]tlskeys.Label{tlskeys.ClientEarly}, list[decode.Client]...)
	}
	return list
}

// fill makes the key of an epoch, if its secret is known.
func (x *crypt) fill(s decode.Side, e *epoch) bool {
	if e.records != nil || e.bad {
		return e.records != nil
	}
	// Asked for anew, so that who has the keys knows which ones are used.
	k := x.secrets()
	if k == nil {
		return false
	}
	if e.secret = k.Get(e.label); e.secret == "" {
		return false
	}
	var err error
	if e.label == tlskeys.Master {
		var both [2]*tlscrypt.Records
		hello := &x.d.s.server
		both[0], both[1], err = x.suite.Session(e.secret, x.d.s.client.random[:], hello.random[:], hello.encryptThenMAC)
		e.records = both[s]
	} else {
		e.records, err = x.suite.Traffic(e.secret)
	}
	e.bad = err != nil
	return err == nil
}

// open decrypts a record with the key of its epoch, which is that of the record
// before it or a later one.
func (x *crypt) open(s decode.Side, r *record) (e *epoch, kind byte, plain []byte, o outcome) {
	p := &x.sides[s]
	if p.off {
		return nil, 0, nil, wrong
	}
	if cap(x.plain) < len(r.payload) {
		x.plain = make([]byte, 0, len(r.payload))
	}
	missing := false
	for i := p.now; i < len(p.epochs); i++ {
		e = &p.epochs[i]
		if !x.fill(s, e) {
			missing = !e.bad
			continue
		}
		missing = false // secrets are written in the order of their use
		for skip := range p.skipped + 1 {
			kind, plain, ok := e.records.Open(x.plain[:0], e.seq+uint64(skip), r.header[:], r.payload)
			if ok {
				e.seq += uint64(skip) + 1
				p.now, p.skipped, p.tries, p.failures = i, 0, 0, 0
				x.plain = plain
				return e, kind, plain, done
			}
			p.tries++
		}
	}
	if missing {
		return nil, 0, nil, wait
	}
	return nil, 0, nil, wrong
}

// fail is for a record that no key opens.
func (x *crypt) fail(s decode.Side) {
	p := &x.sides[s]
	p.failures++
	p.missed = p.missed || x.d.s.done
	why := x.config.because("the keys in the key log do not open it", "the keys that are known do not open it")
	if p.skipped > 0 {
		p.skipped = min(p.skipped+1, maxSkipped)
		why = "bytes before it are missing"
	}
	if x.d.s.why == "" && x.d.s.done {
		x.d.s.why = why
	}
	if p.failures > maxFailures || p.tries > maxTries {
		p.off = true
	}
}

// opened handles what is in a record.
func (x *crypt) opened(s decode.Side, r *record, e *epoch, kind byte, plain []byte) {
	inner := *r
	inner.kind, inner.payload = kind, plain
	if s == decode.Client && e.label != tlskeys.ClientEarly && len(x.early) > 0 {
		x.early = nil // the server has not accepted it
	}
	switch kind {
	case recordHandshake:
		x.d.s.count(s, r)
		x.d.handshake(s, &inner)
	case recordAlert:
		if len(plain) == 2 {
			x.d.s.alert(s, &inner)
		}
	case recordData:
		if e.label == tlskeys.ClientEarly {
			x.earlyData(s, &inner, e.records.Prefix)
			return
		}
		if s == decode.Client {
			x.d.s.over()
		}
		x.data(s, &inner, e.records.Prefix)
	default:
		x.d.lose(s, decode.LostMalformed, r.wire)
	}
}

// update is KeyUpdate of the side.
func (p *reading) update(suite *tlscrypt.Suite) {
	if suite == nil || p.now >= len(p.epochs) {
		return
	}
	e := &p.epochs[p.now]
	if e.label != tlskeys.ClientTraffic && e.label != tlskeys.ServerTraffic {
		return
	}
	next, err := suite.Next(e.secret)
	if err != nil {
		p.off = true
		return
	}
	e.secret, e.seq = next, 0
	if e.records, err = suite.Traffic(next); err != nil {
		p.off = true
	}
}
