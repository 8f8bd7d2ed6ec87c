package tlscrypt

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"encoding/binary"
)

const masterSize = 48

// Session returns what opens the records of the client and of the server of a
// connection of TLS 1.2. encryptThenMAC is the extension of RFC 7366, which counts
// with AES-CBC only.
func (s *Suite) Session(master string, clientRandom, serverRandom []byte, encryptThenMAC bool) (client, server *Records, err error) {
	if len(master) != masterSize {
		return nil, nil, errSize
	}
	mac, iv := 0, 4
	switch s.kind {
	case chacha:
		iv = nonceSize
	case cbc:
		mac, iv = s.mac().Size(), 0
	}
	// The random of the server is the first here (RFC 5246, section 6.3).
	block := s.prf([]byte(master), "key expansion", append(append([]byte(nil), serverRandom...), clientRandom...), 2*(mac+s.key+iv))
	take := func(n int) []byte {
		b := block[:n:n]
		block = block[n:]
		return b
	}
	macs := [2][]byte{take(mac), take(mac)}
	keys := [2][]byte{take(s.key), take(s.key)}
	ivs := [2][]byte{take(iv), take(iv)}
	var out [2]*Records
	for i := range out {
		if out[i], err = s.records(macs[i], keys[i], ivs[i], encryptThenMAC); err != nil {
			return nil, nil, err
		}
	}
	return out[0], out[1], nil
}

func (s *Suite) records(mac, key, iv []byte, encryptThenMAC bool) (*Records, error) {
	if s.kind == cbc {
		block, err := aes.NewCipher(key)
		if err != nil {
			return nil, err
		}
		c := &macCBC{block: block, suite: s, key: mac, first: encryptThenMAC}
		return &Records{open: c.open, Prefix: aes.BlockSize}, nil
	}
	aead, err := s.aead(key)
	if err != nil {
		return nil, err
	}
	explicit := 0
	if s.kind == gcm {
		explicit = nonceSize - len(iv)
	}
	var fixed [nonceSize]byte
	copy(fixed[:], iv)
	return &Records{Prefix: explicit, open: func(dst []byte, seq uint64, header, payload []byte) ([]byte, bool) {
		n := len(payload) - explicit - aead.Overhead()
		if n < 0 {
			return nil, false
		}
		nonce := fixed
		if explicit > 0 {
			copy(nonce[nonceSize-explicit:], payload)
		} else {
			nonce = xorNonce(&fixed, seq)
		}
		data := additional(seq, header, n)
		plain, err := aead.Open(dst, nonce[:], payload[explicit:], data[:])
		return plain, err == nil
	}}, nil
}

// additional is the data that is authenticated with a record: its number, its
// type and version, and the length of what is protected.
func additional(seq uint64, header []byte, n int) (b [13]byte) {
	binary.BigEndian.PutUint64(b[:], seq)
	copy(b[8:], header[:3])
	binary.BigEndian.PutUint16(b[11:], uint16(n))
	return b
}

// prf is the pseudorandom function of TLS 1.2 (RFC 5246, section 5).
func (s *Suite) prf(secret []byte, label string, seed []byte, size int) []byte {
	seed = append([]byte(label), seed...)
	h := hmac.New(s.hash, secret)
	sum := func(parts ...[]byte) []byte {
		h.Reset()
		for _, p := range parts {
			h.Write(p)
		}
		return h.Sum(nil)
	}
	var out []byte
	for a := sum(seed); len(out) < size; a = sum(a) {
		out = append(out, sum(a, seed)...)
	}
	return out[:size]
}

// macCBC is AES-CBC with HMAC.
type macCBC struct {
	block cipher.Block
	suite *Suite
	key   []byte // of HMAC
	first bool   // encrypt-then-MAC: the code is of what is encrypted
}

func (c *macCBC) open(dst []byte, seq uint64, header, payload []byte) ([]byte, bool) {
	size := c.suite.mac().Size()
	if c.first {
		n := len(payload) - size
		if n < 0 || !c.check(seq, header, payload[:n], payload[n:]) {
			return nil, false
		}
		payload = payload[:n]
	}
	if len(payload) < 2*aes.BlockSize || len(payload)%aes.BlockSize != 0 {
		return nil, false
	}
	iv, payload := payload[:aes.BlockSize], payload[aes.BlockSize:]
	begin := len(dst)
	out := append(dst, payload...)
	plain := out[begin:]
	cipher.NewCBCDecrypter(c.block, iv).CryptBlocks(plain, plain)
	pad := int(plain[len(plain)-1])
	if pad >= len(plain) {
		return nil, false
	}
	for _, b := range plain[len(plain)-1-pad:] {
		if int(b) != pad {
			return nil, false
		}
	}
	n := len(plain) - 1 - pad
	if !c.first {
		if n -= size; n < 0 || !c.check(seq, header, plain[:n], plain[n:n+size]) {
			return nil, false
		}
	}
	return out[:begin+n], true
}

// check reports whether the code of a record is right.
func (c *macCBC) check(seq uint64, header, of, code []byte) bool {
	h := hmac.New(c.suite.mac, c.key)
	data := additional(seq, header, len(of))
	h.Write(data[:])
	h.Write(of)
	return hmac.Equal(h.Sum(nil), code)
}
