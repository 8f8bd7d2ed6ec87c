package protobuf

import "strings"

// The types of fields (FieldDescriptorProto.Type).
const (
	typeDouble   = 1
	typeFloat    = 2
	typeInt64    = 3
	typeUint64   = 4
	typeInt32    = 5
	typeFixed64  = 6
	typeFixed32  = 7
	typeBool     = 8
	typeString   = 9
	typeGroup    = 10
	typeMessage  = 11
	typeBytes    = 12
	typeUint32   = 13
	typeEnum     = 14
	typeSfixed32 = 15
	typeSfixed64 = 16
	typeSint32   = 17
	typeSint64   = 18
)

// Message is the descriptor of a message.
type Message struct {
	Name   string // in full, without a dot before it
	fields map[uint32]*Field
}

func (m *Message) field(number uint32) *Field {
	if m == nil {
		return nil
	}
	return m.fields[number]
}

// Field is the descriptor of a field.
type Field struct {
	Name     string
	Type     int    // as FieldDescriptorProto.Type
	TypeName string // in full, of a message or an enum
}

// Method is the descriptor of a service's method.
type Method struct {
	// Input and Output are the names of messages, in full.
	Input, Output string
	// ClientStreaming and ServerStreaming report that there may be any number of
	// messages in that direction.
	ClientStreaming, ServerStreaming bool
}

// file is what is read of a FileDescriptorProto.
type file struct {
	name     string
	messages map[string]*Message
	enums    map[string]map[int32]string
	methods  map[string]Method
	cost     int // of entries, for a bound
}

// parseFile reads a FileDescriptorProto.
func parseFile(b []byte) (*file, error) {
	f := &file{messages: map[string]*Message{}, enums: map[string]map[int32]string{}, methods: map[string]Method{}}
	scope := ""
	err := each(b, func(x field) error {
		switch x.number {
		case 1:
			f.name = string(x.bytes)
		case 2:
			scope = string(x.bytes)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return f, each(b, func(x field) error {
		switch x.number {
		case 4:
			return f.message(x.bytes, scope, 0)
		case 5:
			return f.enum(x.bytes, scope)
		case 6:
			return f.service(x.bytes, scope)
		}
		return nil
	})
}

// each calls f with each field of a message; groups have no meaning here.
func each(b []byte, f func(field) error) error {
	for len(b) > 0 {
		x, rest, err := next(b)
		if err != nil {
			return err
		}
		if err := f(x); err != nil {
			return err
		}
		b = rest
	}
	return nil
}

// text returns the first string of a number in a message.
func text(b []byte, number uint32) (s string) {
	_ = each(b, func(x field) error {
		if x.number == number && s == "" {
			s = string(x.bytes)
		}
		return nil
	})
	return s
}

func join(scope, name string) string {
	if scope == "" {
		return name
	}
	return scope + "." + name
}

// message reads a DescriptorProto.
func (f *file) message(b []byte, scope string, depth int) error {
	if depth > maxDepth {
		return errWire
	}
	m := &Message{Name: join(scope, text(b, 1)), fields: map[uint32]*Field{}}
	f.messages[m.Name] = m
	f.cost++
	return each(b, func(x field) error {
		switch x.number {
		case 2:
			return f.field(x.bytes, m)
		case 3:
			return f.message(x.bytes, m.Name, depth+1)
		case 4:
			return f.enum(x.bytes, m.Name)
		}
		return nil
	})
}

// field reads a FieldDescriptorProto.
func (f *file) field(b []byte, m *Message) error {
	d := &Field{}
	var number uint64
	err := each(b, func(x field) error {
		switch x.number {
		case 1:
			d.Name = string(x.bytes)
		case 3:
			number = x.value
		case 5:
			d.Type = int(x.value & 0xff)
		case 6:
			d.TypeName = strings.TrimPrefix(string(x.bytes), ".")
		}
		return nil
	})
	if err != nil || d.Name == "" || number == 0 || number > maxNumber {
		return errWire
	}
	m.fields[uint32(number)] = d
	f.cost++
	return nil
}

// enum reads an EnumDescriptorProto.
func (f *file) enum(b []byte, scope string) error {
	values := map[int32]string{}
	f.enums[join(scope, text(b, 1))] = values
	return each(b, func(x field) error {
		if x.number != 2 {
			return nil
		}
		var number int32
		err := each(x.bytes, func(v field) error {
			if v.number == 2 {
				number = int32(v.value)
			}
			return nil
		})
		if _, ok := values[number]; !ok {
			values[number] = text(x.bytes, 1) // of aliases, the first
		}
		f.cost++
		return err
	})
}

// service reads a ServiceDescriptorProto.
func (f *file) service(b []byte, scope string) error {
	name := join(scope, text(b, 1))
	return each(b, func(x field) error {
		if x.number != 2 {
			return nil
		}
		var m Method
		var method string
		err := each(x.bytes, func(v field) error {
			switch v.number {
			case 1:
				method = string(v.bytes)
			case 2:
				m.Input = strings.TrimPrefix(string(v.bytes), ".")
			case 3:
				m.Output = strings.TrimPrefix(string(v.bytes), ".")
			case 5:
				m.ClientStreaming = v.value != 0
			case 6:
				m.ServerStreaming = v.value != 0
			}
			return nil
		})
		f.methods[name+"/"+method] = m
		f.cost++
		return err
	})
}
