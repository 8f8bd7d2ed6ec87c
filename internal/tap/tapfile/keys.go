package tapfile

import (
	"bytes"
	"io"
	"slices"

	"lodge/internal/capture/pcapfile"
)

// keySpace is a block for the lines of a key log whose content is written later: keys
// are known after the first packets that they are for, and Wireshark needs them before.
// Until then it has one comment.
type keySpace struct {
	at    int64 // of its content in the file
	size  int
	lines []byte
}

// secretsHead is what comes before the content of a block of secrets: its type, its
// length, and those of the secrets.
const secretsHead = 16

func newKeySpace(w *pcapfile.Writer, out *counter, size int) (keySpace, error) {
	k := keySpace{at: out.n + secretsHead, size: size}
	if size == 0 {
		return k, nil
	}
	b := bytes.Repeat([]byte(" "), size)
	b[0], b[size-1] = '#', '\n'
	return k, w.WriteSecrets(pcapfile.Secrets{Type: pcapfile.SecretsTLS, Data: b})
}

// Secrets writes lines of a TLS key log: into the space for them while there is room,
// else where the file is now.
func (w *Writer) Secrets(keylog []byte) error {
	k := &w.keys
	if len(k.lines)+len(keylog) <= k.size {
		k.lines = append(k.lines, keylog...)
		return nil
	}
	return w.w.WriteSecrets(pcapfile.Secrets{Type: pcapfile.SecretsTLS, Data: keylog})
}

// KeySpace returns what is to be written into the space for keys, and where in the
// file, when all else is written. It is empty where there is nothing.
func (w *Writer) KeySpace() (at int64, b []byte) {
	k := &w.keys
	b = k.lines
	if n := k.size - len(b); len(b) > 0 && n > 1 {
		b = append(b[:len(b):len(b)], '#') // the rest of the space remains a comment
	}
	return k.at, b
}

// withoutSpace returns the lines of a key log without the comment that is the rest of a
// space for keys.
func withoutSpace(lines []byte) []byte {
	at := bytes.LastIndexByte(lines, '#')
	if at < 0 || at > 0 && lines[at-1] != '\n' || len(bytes.TrimSpace(lines[at+1:])) > 0 {
		return lines
	}
	return lines[:at]
}

// counter counts what is written.
type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}

// WriteParts implements [pcapfile.PartsWriter], also where the writer below does not.
func (c *counter) WriteParts(head, data, tail []byte) (int, error) {
	w, ok := c.w.(pcapfile.PartsWriter)
	if !ok {
		return c.Write(slices.Concat(head, data, tail))
	}
	n, err := w.WriteParts(head, data, tail)
	c.n += int64(n)
	return n, err
}
