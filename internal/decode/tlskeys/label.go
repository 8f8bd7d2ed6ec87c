// Package tlskeys reads key logs of TLS, the files that programs write where
// SSLKEYLOGFILE or an option of theirs asks for it
// (https://www.rfc-editor.org/rfc/rfc9850): the secrets of connections, by the
// random of their ClientHello.
//
// A [Log] is fed with the bytes of a file, of any number of files, as they come.
// It reads no file and decrypts nothing.
package tlskeys

// Label is what a secret is for.
type Label uint8

// The labels of secrets with which records are decrypted. Others, such as
// EXPORTER_SECRET, are not kept.
const (
	Master          Label = iota // TLS 1.2 and before: the master secret
	ClientEarly                  // TLS 1.3: what the client sends with 0-RTT
	ClientHandshake              // TLS 1.3: the client's part of the handshake
	ServerHandshake
	ClientTraffic // TLS 1.3: what the client sends after the handshake
	ServerTraffic
	labels
)

// names are the labels as a file has them.
var names = [labels]string{
	"CLIENT_RANDOM", "CLIENT_EARLY_TRAFFIC_SECRET", "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
	"SERVER_HANDSHAKE_TRAFFIC_SECRET", "CLIENT_TRAFFIC_SECRET_0", "SERVER_TRAFFIC_SECRET_0",
}

// String returns the label as a file has it.
func (l Label) String() string {
	if l < labels {
		return names[l]
	}
	return "?"
}

// Random is the random of a ClientHello.
type Random [32]byte

// Secrets are those of one connection.
type Secrets struct {
	of [labels]string
	n  int
}

// Get returns a secret, or "" where it is not known.
func (s *Secrets) Get(l Label) string { return s.of[l] }

// Whole reports whether there are all that a connection has, but for 0-RTT data.
func (s *Secrets) Whole() bool {
	return s.of[Master] != "" ||
		s.of[ClientHandshake] != "" && s.of[ServerHandshake] != "" && s.of[ClientTraffic] != "" && s.of[ServerTraffic] != ""
}

// Len returns how many secrets there are. It grows when one is added.
func (s *Secrets) Len() int { return s.n }
