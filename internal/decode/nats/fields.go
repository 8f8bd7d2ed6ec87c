package nats

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"

	"lodge/internal/decode"
	"lodge/internal/decode/secret"
)

// members returns the members of a JSON object in their order. What is not a
// string is its JSON text.
func members(c *decode.Conn, text []byte) ([]decode.Field, error) {
	var fields []decode.Field
	dec := json.NewDecoder(bytes.NewReader(text))
	if _, err := dec.Token(); err != nil {
		return nil, err
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return fields, err
		}
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return fields, err
		}
		value := string(raw)
		if raw[0] == '"' {
			if err := json.Unmarshal(raw, &value); err != nil {
				return fields, err
			}
		}
		f := decode.Field{Name: name.(string), Value: value}
		if secret.Name(f.Name) {
			f.Value = c.Secret(f.Value)
		}
		fields = append(fields, f)
	}
	_, err := dec.Token()
	return fields, err
}

func field(fields []decode.Field, name string) string {
	for _, f := range fields {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}

// headers reads the header fields of a message: a line "NATS/1.0" that may have a
// status and its text, lines "name: value", an empty line.
func headers(b []byte) (fields []decode.Field, status string) {
	line, rest, _ := strings.Cut(string(b), "\n")
	status = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(line), "NATS/1.0"))
	for rest != "" {
		line, rest, _ = strings.Cut(rest, "\n")
		line = strings.TrimSuffix(line, "\r")
		if line == "" {
			continue
		}
		name, value, _ := strings.Cut(line, ":")
		fields = append(fields, decode.Field{Name: name, Value: strings.TrimSpace(value)})
	}
	return fields, status
}

// code returns the number that a status begins with, or 0.
func code(status string) int {
	n, err := strconv.Atoi(status[:min(3, len(status))])
	if err != nil || n < 0 {
		return 0
	}
	return n
}
