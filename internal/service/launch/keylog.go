package launch

import (
	"strings"

	"lodge/internal/service"
)

// The variables by which programs are told where to write the keys of their TLS
// connections. Node reads no SSLKEYLOGFILE, but takes an option in NODE_OPTIONS
// (https://nodejs.org/api/cli.html#--tls-keylogfile).
const (
	keyLogVariable = "SSLKEYLOGFILE"
	nodeOptions    = "NODE_OPTIONS"
	nodeKeyLog     = "--tls-keylog"
)

// KeyLogEnv returns an environment with which programs write the keys of their TLS
// connections to the file at path. own is the part of it that the project's file sets:
// what says there where keys go is left as it is.
func KeyLogEnv(env, own []string, path string) []string {
	var add []string
	if _, set := service.Getenv(own, keyLogVariable); !set {
		add = append(add, keyLogVariable+"="+path)
	}
	if text, _ := service.Getenv(own, nodeOptions); !strings.Contains(text, nodeKeyLog) {
		text, _ = service.Getenv(env, nodeOptions)
		text = strings.TrimSpace(text + " " + quoteNodeOption(nodeKeyLog+"="+path))
		add = append(add, nodeOptions+"="+text)
	}
	return service.MergeEnv(env, add...)
}

// quoteNodeOption quotes an option as NODE_OPTIONS has it, where it needs that.
func quoteNodeOption(s string) string {
	if !strings.ContainsAny(s, ` "`) {
		return s
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}
