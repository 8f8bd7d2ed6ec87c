package project

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

const readyForms = `write { http = "/healthz" }, { tcp = 5672 }, { command = "…" } or { log = "regexp" }`

// ready reads false or one of { http = … }, { tcp = … }, { command = … },
// { log = … }.
func (r *reader) ready(it *item, key string) (ready Ready, err error) {
	v := it.value
	if v.kind == unstable.Bool {
		if v.text == "true" {
			return ready, r.fail(v.offset, key, "found true, want false or a table",
				"leave ready out to wait until the service listens; false means ready once started")
		}
		return Ready{None: true}, nil
	}
	if v.table == nil {
		return ready, r.wrongType(v, key, "false or a table", readyForms)
	}
	if len(v.table.keys) == 0 {
		return ready, r.fail(v.offset, key, "the table is empty", readyForms)
	}
	for i, name := range v.table.keys {
		sub := v.table.items[name]
		if i > 0 && slices.Contains(readyKeys, name) {
			return ready, r.fail(sub.offset, key, fmt.Sprintf("%s and %s are both set", v.table.keys[0], name), "choose one")
		}
		switch name {
		case "http":
			ready.HTTP, err = r.healthPath(sub, key+".http")
		case "command":
			if ready.Command, err = r.str(sub, key+".command"); err == nil {
				if problem := commandProblem(ready.Command); problem != "" {
					err = r.fail(sub.value.offset, key+".command", problem, "")
				}
			}
		case "tcp":
			ready.TCP, err = r.tcpPorts(sub, key+".tcp")
		case "log":
			ready.Log, err = r.regexp(sub, key+".log")
		default:
			hint := didYouMean(Nearest(name, readyKeys))
			if hint == "" {
				hint = "known here: " + strings.Join(readyKeys, ", ")
			}
			err = r.fail(sub.offset, key, fmt.Sprintf("unknown key %s", ellipsis(name)), hint)
		}
		if err != nil {
			return Ready{}, err
		}
	}
	return ready, nil
}

// tcpPorts reads a port, or an array of them.
func (r *reader) tcpPorts(it *item, key string) ([]uint16, error) {
	elems := []*value{it.value}
	if it.value.kind == unstable.Array && !it.value.tables {
		if elems = it.value.elems; len(elems) == 0 {
			return nil, r.fail(it.value.offset, key, "the array is empty", "write tcp = 5672")
		}
	}
	var out []uint16
	for _, v := range elems {
		port, err := r.portNumber(&item{it.key, it.offset, v}, key, "")
		if err != nil {
			return nil, err
		}
		if slices.Contains(out, port) {
			return nil, r.fail(v.offset, key, fmt.Sprintf("port %d is named twice", port), "remove one of the two")
		}
		out = append(out, port)
	}
	return out, nil
}
