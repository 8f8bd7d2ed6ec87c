package tlskeys

// Loose secrets come from a program's key schedule and not from a key log. They are known
// by what they were derived from, the hash of the handshake's messages until then (RFC
// 8446, section 7.1), and not by the random of the ClientHello: the connection on which
// these messages were sent says which one that is ([Log.Bind]). Either may come first.

// maxLoose bounds the loose secrets that no connection has asked for, and the connections
// that wait for one; the oldest are forgotten first.
const maxLoose = 1 << 14

// derived is what a secret was derived from.
type derived struct {
	label      Label
	transcript string
}

// loose has the loose secrets, and who waits for one.
type loose struct {
	secrets recent[string]
	waiting recent[Random]
}

// AddLoose adds a secret of TLS 1.3 that was derived with the hash transcript.
func (l *Log) AddLoose(label Label, transcript []byte, secret string) {
	d := derived{label, string(transcript)}
	if r, ok := l.loose.waiting.get(d); ok {
		l.add(&r, label, secret)
		return
	}
	l.loose.secrets.put(d, secret)
}

// Bind says that the secret with the label and the hash transcript is one of the
// connection with a ClientHello's random.
func (l *Log) Bind(r *Random, label Label, transcript []byte) {
	d := derived{label, string(transcript)}
	if secret, ok := l.loose.secrets.get(d); ok {
		l.add(r, label, secret)
		return
	}
	l.loose.waiting.put(d, *r)
}

// Add adds a secret of the connection with a ClientHello's random, by its label as a
// file has it. It reports whether the label is one that is kept.
func (l *Log) Add(r *Random, label, secret string) bool {
	known, ok := find([]byte(label))
	if ok && len(secret) > 0 && len(secret) <= maxSecret {
		l.add(r, known, secret)
	}
	return ok
}

// recent is a map that forgets its oldest keys.
type recent[V any] struct {
	of    map[derived]V
	order []derived
	first int
}

func (r *recent[V]) get(d derived) (V, bool) {
	v, ok := r.of[d]
	return v, ok
}

func (r *recent[V]) put(d derived, v V) {
	if r.of == nil {
		r.of = map[derived]V{}
	}
	if _, ok := r.of[d]; !ok {
		if len(r.of) >= maxLoose {
			delete(r.of, r.order[r.first])
			if r.first++; r.first >= maxLoose {
				r.order, r.first = append([]derived(nil), r.order[r.first:]...), 0
			}
		}
		r.order = append(r.order, d)
	}
	r.of[d] = v
}
