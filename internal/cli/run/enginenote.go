package run

import (
	"fmt"
	"os"
	"path/filepath"

	"lodge/internal/cli/kit"
	"lodge/internal/localapi"
	"lodge/internal/loopback"
	"lodge/internal/statefile"
)

// noteEngine prints why projects have another engine than ebpf: once, and again
// when the reason is another. `lodge doctor` always says it.
func noteEngine(k *kit.Kit, ps []localapi.Project) {
	for _, p := range ps {
		if p.Engine == "" || p.Engine == loopback.EBPF || p.EngineReason == "asked for" {
			continue
		}
		text := fmt.Sprintf("engine %s: %s\n", p.Engine, p.EngineReason)
		path := filepath.Join(k.Dirs().State, "engine-notice")
		if old, err := statefile.Read(path); err == nil && string(old) == text {
			continue
		}
		fmt.Fprint(k.Err, text)
		f, err := statefile.Create(path, os.O_WRONLY|os.O_TRUNC, 0o600)
		if err != nil {
			continue // it is said again next time
		}
		_, _ = f.WriteString(text)
		_ = f.Close()
	}
}
