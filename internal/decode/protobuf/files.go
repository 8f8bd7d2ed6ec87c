package protobuf

import (
	"errors"
	"fmt"
	"sync"
)

// The bounds of what is kept of descriptors that come from the wire.
const (
	maxFiles   = 1024
	maxEntries = 1 << 18
)

// Files are the descriptors that are known. The zero Files has none; it may be
// used by several goroutines.
type Files struct {
	mu       sync.RWMutex // guards all below
	files    map[string]bool
	messages map[string]*Message
	enums    map[string]map[int32]string
	methods  map[string]Method
	entries  int
}

// Add adds a FileDescriptorProto. One of a file that is known changes nothing.
func (fs *Files) Add(b []byte) error {
	f, err := parseFile(b)
	if err != nil {
		return fmt.Errorf("read file descriptor: %w", err)
	}
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if fs.files[f.name] {
		return nil
	}
	if len(fs.files) >= maxFiles || fs.entries+f.cost > maxEntries {
		return fmt.Errorf("add file descriptor %q: there are too many", f.name)
	}
	if fs.files == nil {
		fs.files, fs.messages = map[string]bool{}, map[string]*Message{}
		fs.enums, fs.methods = map[string]map[int32]string{}, map[string]Method{}
	}
	fs.files[f.name] = true
	fs.entries += f.cost
	for name, m := range f.messages {
		fs.messages[name] = m
	}
	for name, e := range f.enums {
		fs.enums[name] = e
	}
	for name, m := range f.methods {
		fs.methods[name] = m
	}
	return nil
}

// AddSet adds the files of a FileDescriptorSet, which protoc writes with
// --descriptor_set_out. It is an error if there are none.
func (fs *Files) AddSet(b []byte) error {
	n := 0
	err := each(b, func(x field) error {
		if x.number != 1 || x.wire != wireBytes {
			return nil
		}
		n++
		return fs.Add(x.bytes)
	})
	if err == nil && n == 0 {
		err = errors.New("it has no file descriptors")
	}
	return err
}

// FindMethod returns a method of a service, whose name is in full.
func (fs *Files) FindMethod(service, method string) (Method, bool) {
	fs.mu.RLock()
	defer fs.mu.RUnlock()
	m, ok := fs.methods[service+"/"+method]
	return m, ok
}

// FindMessage returns a message by its name in full, or nil.
func (fs *Files) FindMessage(name string) *Message {
	fs.mu.RLock()
	defer fs.mu.RUnlock()
	return fs.messages[name]
}

// FindEnum returns the name of an enum's value, or "".
func (fs *Files) FindEnum(enum string, value int32) string {
	fs.mu.RLock()
	defer fs.mu.RUnlock()
	return fs.enums[enum][value]
}
