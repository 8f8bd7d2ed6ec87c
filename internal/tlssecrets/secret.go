package tlssecrets

import (
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/sha512"
	"encoding"
	"encoding/binary"
	"errors"
	"hash"
	"strings"

	"lodge/internal/decode/tlskeys"
)

// The kinds of records of the ring (enum secret_kind in bpf/src/secrets.h).
const (
	expandLabel = 1 + iota
	expandStates
	masterSecret
	keyLogLine
)

// The parts of a record (struct secret there).
const (
	sizeLabel   = 96
	sizeKey     = 128
	sizeContext = 64
	sizeHead    = 8
	sizeRecord  = sizeHead + sizeLabel + sizeKey + sizeContext
)

// secret is one record: what a secret is made of.
type secret struct {
	kind                byte
	label, key, context string
}

var errRecord = errors.New("it is no secret")

// parse reads a record.
func parse(b []byte) (s secret, err error) {
	if len(b) < sizeRecord {
		return s, errRecord
	}
	label, key, context := int(b[1]), int(b[2]), int(b[3])
	if label > sizeLabel || key > sizeKey || context > sizeContext {
		return s, errRecord
	}
	part := func(at, n int) string { return string(b[sizeHead+at:][:n]) }
	return secret{kind: b[0], label: part(0, label), key: part(sizeLabel, key), context: part(sizeLabel+sizeKey, context)}, nil
}

// prefix is that of all labels of TLS 1.3.
const prefix = "tls13 "

// labels are those of the secrets of TLS 1.3 (RFC 8446, section 7.1).
func labels(name string) (tlskeys.Label, bool) {
	switch name {
	case "c e traffic":
		return tlskeys.ClientEarly, true
	case "c hs traffic":
		return tlskeys.ClientHandshake, true
	case "s hs traffic":
		return tlskeys.ServerHandshake, true
	case "c ap traffic":
		return tlskeys.ClientTraffic, true
	case "s ap traffic":
		return tlskeys.ServerTraffic, true
	}
	return 0, false
}

// addTo adds the secret to what is known of connections.
func (s *secret) addTo(log *tlskeys.Log) error {
	switch s.kind {
	case expandLabel:
		return s.expand(log, s.label, s.context)
	case expandStates:
		return s.expandStates(log)
	case masterSecret:
		return s.add(log, "CLIENT_RANDOM")
	case keyLogLine:
		return s.add(log, s.label)
	}
	return errRecord
}

func (s *secret) add(log *tlskeys.Log, label string) error {
	var r tlskeys.Random
	if len(s.context) < len(r) || len(s.key) == 0 {
		return errRecord
	}
	copy(r[:], s.context)
	log.Add(&r, label, s.key)
	return nil
}

// parseInfo reads HkdfLabel (RFC 8446, section 7.1).
func parseInfo(info string) (label, context string, ok bool) {
	if len(info) < 3 {
		return "", "", false
	}
	n := int(info[2])
	if len(info) < 3+n+1 {
		return "", "", false
	}
	label, rest := info[3:3+n], info[3+n:]
	label, ok = strings.CutPrefix(label, prefix)
	if context = rest[1:]; len(context) != int(rest[0]) {
		return "", "", false
	}
	return label, context, ok
}

// expand derives the secret as the library does: HKDF-Expand-Label (RFC 8446, section
// 7.1). The length of a secret says which hash it is.
func (s *secret) expand(log *tlskeys.Log, label, context string) error {
	known, ok := labels(label)
	if !ok {
		return errRecord
	}
	h, size := hashOf(len(s.key))
	if h == nil || len(context) != size {
		return errRecord
	}
	info := binary.BigEndian.AppendUint16(nil, uint16(size))
	info = append(append(info, byte(len(prefix)+len(label))), prefix+label...)
	info = append(append(info, byte(len(context))), context...)
	out, err := hkdf.Expand(h, []byte(s.key), string(info), size)
	if err != nil {
		return err
	}
	log.AddLoose(known, []byte(context), string(out))
	return nil
}

func hashOf(size int) (func() hash.Hash, int) {
	switch size {
	case sha256.Size:
		return sha256.New, size
	case sha512.Size384:
		return sha512.New384, size
	}
	return nil, 0
}

// expandStates is expand where the key is not known, but HMAC's two hashes (RFC 2104) that
// have taken it. The secret is the first block of HKDF-Expand (RFC 5869).
func (s *secret) expandStates(log *tlskeys.Log) error {
	name, context, ok := parseInfo(s.label)
	label, known := labels(name)
	if !ok || !known || len(s.key)%2 != 0 {
		return errRecord
	}
	half := len(s.key) / 2
	inner, err := resume(s.key[half:])
	if err != nil {
		return err
	}
	outer, err := resume(s.key[:half])
	if err != nil {
		return err
	}
	if len(context) != inner.Size() {
		return errRecord
	}
	inner.Write([]byte(s.label + "\x01"))
	outer.Write(inner.Sum(nil))
	log.AddLoose(label, []byte(context), string(outer.Sum(nil)))
	return nil
}

// resume returns a hash that has taken one block, by its state: words in the machine's
// order.
func resume(state string) (hash.Hash, error) {
	var h hash.Hash
	var b []byte
	switch len(state) {
	case sha256.Size:
		h, b = sha256.New(), []byte("sha\x03")
		for ; len(state) > 0; state = state[4:] {
			b = binary.BigEndian.AppendUint32(b, binary.NativeEndian.Uint32([]byte(state[:4])))
		}
	case sha512.Size:
		h, b = sha512.New384(), []byte("sha\x04")
		for ; len(state) > 0; state = state[8:] {
			b = binary.BigEndian.AppendUint64(b, binary.NativeEndian.Uint64([]byte(state[:8])))
		}
	default:
		return nil, errRecord
	}
	// As the hashes marshal themselves: the state, a block that is not full, the length.
	b = append(b, make([]byte, h.BlockSize())...)
	b = binary.BigEndian.AppendUint64(b, uint64(h.BlockSize()))
	return h, h.(encoding.BinaryUnmarshaler).UnmarshalBinary(b)
}
