// Package tlscrypt opens the encrypted records of TLS 1.3
// (https://www.rfc-editor.org/rfc/rfc8446, section 5) and of TLS 1.2
// (https://www.rfc-editor.org/rfc/rfc5246, section 6) with the secrets of a key
// log.
//
// It knows AES-GCM, ChaCha20-Poly1305 and, in TLS 1.2, AES-CBC with HMAC. It
// keeps no state of a connection: the caller counts records.
package tlscrypt

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"errors"
	"hash"
	"strings"

	"golang.org/x/crypto/chacha20poly1305"
)

// HeaderSize is the size of a record's header.
const HeaderSize = 5

// typeData is the type of all encrypted records of TLS 1.3.
const typeData = 23

// Suite is how the records of a cipher suite are protected.
type Suite struct {
	name string
	key  int // the size of the key
	kind kind
	// hash is that of the key schedule and of the pseudorandom function.
	hash func() hash.Hash
	// mac is that of HMAC, with AES-CBC.
	mac func() hash.Hash
}

type kind uint8

const (
	gcm kind = iota
	chacha
	cbc
)

// suites are known by the end of their names.
var suites = [...]Suite{
	{"AES_128_GCM_SHA256", 16, gcm, sha256.New, nil},
	{"AES_256_GCM_SHA384", 32, gcm, sha512.New384, nil},
	{"CHACHA20_POLY1305_SHA256", 32, chacha, sha256.New, nil},
	{"AES_128_CBC_SHA", 16, cbc, sha256.New, sha1.New},
	{"AES_256_CBC_SHA", 32, cbc, sha256.New, sha1.New},
	{"AES_128_CBC_SHA256", 16, cbc, sha256.New, sha256.New},
	{"AES_256_CBC_SHA256", 32, cbc, sha256.New, sha256.New},
	{"AES_256_CBC_SHA384", 32, cbc, sha512.New384, sha512.New384},
}

// Find returns the protection of a cipher suite by its name, such as
// TLS_AES_128_GCM_SHA256, and reports whether it is known.
func Find(name string) (*Suite, bool) {
	for i := range suites {
		if rest, ok := strings.CutSuffix(name, "_"+suites[i].name); ok && (rest == "TLS" || strings.HasSuffix(rest, "_WITH")) {
			return &suites[i], true
		}
	}
	return nil, false
}

// Records opens the records that one side protects with one key.
type Records struct {
	open func(dst []byte, seq uint64, header, payload []byte) ([]byte, bool)
	// Prefix is how many bytes of a record's payload come before what is encrypted.
	Prefix int
	inner  bool // TLS 1.3: the type is encrypted
}

// Open decrypts a record: its header, its payload, and its number from 0 on. It
// returns the type and the plaintext, which is appended to dst, and reports
// whether the record is authentic.
func (r *Records) Open(dst []byte, seq uint64, header, payload []byte) (kind byte, plain []byte, ok bool) {
	plain, ok = r.open(dst, seq, header, payload)
	if !ok {
		return 0, nil, false
	}
	if !r.inner {
		return header[0], plain, true
	}
	for n := len(plain); n > len(dst); n-- {
		if plain[n-1] != 0 { // padding
			return plain[n-1], plain[:n-1], true
		}
	}
	return 0, nil, false
}

var errSize = errors.New("tls: a secret of another size than its cipher suite's")

// aead returns a cipher of a suite.
func (s *Suite) aead(key []byte) (cipher.AEAD, error) {
	if s.kind == chacha {
		return chacha20poly1305.New(key)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

const nonceSize = 12

// xorNonce returns a nonce: the initialisation vector with the number of the
// record.
func xorNonce(iv *[nonceSize]byte, seq uint64) [nonceSize]byte {
	n := *iv
	binary.BigEndian.PutUint64(n[4:], binary.BigEndian.Uint64(n[4:])^seq)
	return n
}
