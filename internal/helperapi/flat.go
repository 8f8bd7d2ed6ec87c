package helperapi

import (
	"encoding/json"
	"errors"
)

// UnmarshalJSON reads a request. Its fields may also stand beside id and op, not
// in args, as up to version 3 of the protocol.
func (r *Request) UnmarshalJSON(b []byte) error {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(b, &fields); err != nil {
		return err
	}
	*r = Request{}
	for name, to := range map[string]any{"id": &r.ID, "op": &r.Op, "args": &r.Args} {
		v, ok := fields[name]
		if !ok {
			continue
		}
		if err := json.Unmarshal(v, to); err != nil {
			return err
		}
		delete(fields, name)
	}
	switch {
	case len(fields) == 0:
		return nil
	case r.Op == "":
		return errors.New("fields without op")
	case r.Args != nil:
		return errors.New("fields beside args")
	}
	args, err := json.Marshal(fields)
	r.Args = args
	return err
}
