package pcapfile

import "io"

// ReadSecrets returns the decryption secrets of a whole capture file, wherever they stand
// in it, in the order of [Reader.Secrets]. It reads from the begin of the file to its end,
// or to the first part that cannot be read, and decodes nothing else. A pcap file has none.
func ReadSecrets(file io.Reader) []Secrets {
	r, err := open(file, true)
	if err != nil {
		return nil // reading the packets tells
	}
	if r.end != nil { // pcapng
		_, _ = r.next() // no block has a packet: it ends at the end, or at an error that reading the packets tells
	}
	return r.Secrets()
}
