package tls

import (
	"hash"

	"lodge/internal/decode"
	"lodge/internal/decode/tlscrypt"
	"lodge/internal/decode/tlskeys"
)

const messageHeader = 4

// transcript is the hash of a handshake's messages in TLS 1.3 (RFC 8446, section 4.4.1),
// with which the secrets of the connection are derived.
type transcript struct {
	// What was sent before the ServerHello, which says which hash it is: the ClientHello,
	// HelloRetryRequest, and the second ClientHello.
	first, retry, second []byte
	hash                 hash.Hash
	over                 bool // all was told, or a message is missing
}

// maxHello bounds what is kept until the ServerHello comes.
const maxHello = 64 << 10

// binder is told what secrets are derived from: [Config.Bind].
type binder func(r *tlskeys.Random, l tlskeys.Label, transcript []byte)

// message takes a message of the handshake and tells what the connection's secrets are
// derived from, as soon as that is known. The session has taken it already.
func (t *transcript) message(session *session, tell binder, s decode.Side, message []byte) {
	if tell == nil || t.over {
		return
	}
	kind := message[0]
	switch {
	case t.hash != nil:
		if s != decode.Server {
			return // the client's messages do not count before its Finished
		}
		t.hash.Write(message)
		if kind == typeFinished {
			sum := t.hash.Sum(nil)
			tell(&session.client.random, tlskeys.ClientTraffic, sum)
			tell(&session.client.random, tlskeys.ServerTraffic, sum)
			*t = transcript{over: true}
		}
	case s == decode.Client && kind == typeClientHello:
		to := &t.first
		if t.retry != nil {
			to = &t.second
		}
		if *to = append([]byte(nil), message...); len(message) > maxHello {
			*t = transcript{over: true}
		}
	case s == decode.Server && kind == typeServerHello && !session.hasServer:
		t.retry = append([]byte(nil), message...) // HelloRetryRequest, or it is malformed
	case s == decode.Server && kind == typeServerHello:
		t.begin(session, tell, message)
	}
}

// begin begins the hash with the messages until the ServerHello.
func (t *transcript) begin(session *session, tell binder, serverHello []byte) {
	suite, ok := tlscrypt.Find(suiteName(session.server.suite))
	if !ok || !isTLS13(session.server.version) || t.first == nil || t.retry != nil && t.second == nil {
		*t = transcript{over: true}
		return
	}
	h := suite.Hash()
	if t.retry == nil {
		h.Write(t.first)
		if session.client.early {
			tell(&session.client.random, tlskeys.ClientEarly, h.Sum(nil))
		}
	} else {
		sum := suite.Hash()
		sum.Write(t.first)
		h.Write([]byte{typeMessageHash, 0, 0, byte(sum.Size())})
		h.Write(sum.Sum(nil))
		h.Write(t.retry)
		h.Write(t.second)
	}
	h.Write(serverHello)
	*t = transcript{hash: h}
	sum := h.Sum(nil)
	tell(&session.client.random, tlskeys.ClientHandshake, sum)
	tell(&session.client.random, tlskeys.ServerHandshake, sum)
}
