package tlssecrets

import (
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"errors"
	"hash"
	"strings"

	"lodge/internal/decode/tlskeys"
)

// The kinds of records of the ring (enum secret_kind in bpf/src/secrets.h).
const (
	expandLabel = 1 + iota
	expandInfo
	masterSecret
	keyLogLine
)

// The parts of a record (struct secret there).
const (
	sizeLabel   = 96
	sizeKey     = 64
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
	case expandInfo:
		label, context, ok := parseInfo(s.label)
		if !ok {
			return errRecord
		}
		return s.expand(log, label, context)
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
