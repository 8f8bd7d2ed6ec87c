package tlscrypt

import (
	"crypto/hkdf"
	"hash"
)

// Hash returns a new hash of the cipher suite's, as that of the handshake's messages.
func (s *Suite) Hash() hash.Hash { return s.hash() }

// Traffic returns what opens the records of TLS 1.3 that a traffic secret protects.
func (s *Suite) Traffic(secret string) (*Records, error) {
	if s.kind == cbc || len(secret) != s.hash().Size() {
		return nil, errSize
	}
	key, err := s.expand(secret, "key", s.key)
	if err != nil {
		return nil, err
	}
	iv, err := s.expand(secret, "iv", nonceSize)
	if err != nil {
		return nil, err
	}
	aead, err := s.aead(key)
	if err != nil {
		return nil, err
	}
	fixed := [nonceSize]byte(iv)
	return &Records{inner: true, open: func(dst []byte, seq uint64, header, payload []byte) ([]byte, bool) {
		if header[0] != typeData {
			return nil, false
		}
		nonce := xorNonce(&fixed, seq)
		plain, err := aead.Open(dst, nonce[:], payload, header[:HeaderSize])
		return plain, err == nil
	}}, nil
}

// Next returns the traffic secret after KeyUpdate.
func (s *Suite) Next(secret string) (string, error) {
	next, err := s.expand(secret, "traffic upd", s.hash().Size())
	return string(next), err
}

// expand is HKDF-Expand-Label with an empty context (RFC 8446, section 7.1).
func (s *Suite) expand(secret, label string, size int) ([]byte, error) {
	label = "tls13 " + label
	info := string([]byte{byte(size >> 8), byte(size), byte(len(label))}) + label + "\x00"
	return hkdf.Expand(s.hash, []byte(secret), info, size)
}
