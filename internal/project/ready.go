package project

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"

	"lodge/internal/project/syntax"
)

const readyForms = `write { http = "/healthz" }, { tcp = 5672 }, { command = "…" } or { log = "regexp" }`

// readReady reads false or one of { http = … }, { tcp = … }, { command = … },
// { log = … }.
func readReady(t *syntax.Tree, it *syntax.Item, key string) (ready Ready, err error) {
	v := it.Value
	if v.Kind == unstable.Bool {
		if v.Text == "true" {
			return ready, t.Fail(v.Offset, key, "found true, want false or a table",
				"leave ready out to wait until the service listens; false means ready once started")
		}
		return Ready{None: true}, nil
	}
	if v.Table == nil {
		return ready, t.WrongType(v, key, "false or a table", readyForms)
	}
	if len(v.Table.Keys) == 0 {
		return ready, t.Fail(v.Offset, key, "the table is empty", readyForms)
	}
	for i, name := range v.Table.Keys {
		sub := v.Table.Items[name]
		if i > 0 && slices.Contains(readyKeys, name) {
			return ready, t.Fail(sub.Offset, key, fmt.Sprintf("%s and %s are both set", v.Table.Keys[0], name), "choose one")
		}
		switch name {
		case "http":
			ready.HTTP, err = t.HealthPath(sub, key+".http")
		case "command":
			if ready.Command, err = t.Str(sub, key+".command"); err == nil {
				if problem := commandProblem(ready.Command); problem != "" {
					err = t.Fail(sub.Value.Offset, key+".command", problem, "")
				}
			}
		case "tcp":
			ready.TCP, err = readTCPPorts(t, sub, key+".tcp")
		case "log":
			ready.Log, err = t.Regexp(sub, key+".log")
		default:
			hint := syntax.DidYouMean(syntax.Nearest(name, readyKeys))
			if hint == "" {
				hint = "known here: " + strings.Join(readyKeys, ", ")
			}
			err = t.Fail(sub.Offset, key, fmt.Sprintf("unknown key %s", syntax.Ellipsis(name)), hint)
		}
		if err != nil {
			return Ready{}, err
		}
	}
	return ready, nil
}

// readTCPPorts reads a port, or an array of them.
func readTCPPorts(t *syntax.Tree, it *syntax.Item, key string) ([]uint16, error) {
	elems := []*syntax.Value{it.Value}
	if it.Value.Kind == unstable.Array && !it.Value.Tables {
		if elems = it.Value.Elems; len(elems) == 0 {
			return nil, t.Fail(it.Value.Offset, key, "the array is empty", "write tcp = 5672")
		}
	}
	var out []uint16
	for _, v := range elems {
		port, err := t.PortNumber(&syntax.Item{Key: it.Key, Offset: it.Offset, Value: v}, key, "")
		if err != nil {
			return nil, err
		}
		if slices.Contains(out, port) {
			return nil, t.Fail(v.Offset, key, fmt.Sprintf("port %d is named twice", port), "remove one of the two")
		}
		out = append(out, port)
	}
	return out, nil
}
