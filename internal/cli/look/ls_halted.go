package look

import (
	"fmt"

	"lodge/internal/localapi"
	"lodge/internal/stall"
)

// warnHalted adds a warning to each service whose main process does not run:
// it is stopped, frozen, or held by a debugger. Its sockets are still there, so
// its state says nothing of that. One that waits for a device is left out, since
// it mostly goes on within moments.
func warnHalted(ps []localapi.Project) {
	for i := range ps {
		for j := range ps[i].Services {
			s := &ps[i].Services[j]
			if s.PID == 0 {
				continue
			}
			h, halted := stall.Look(s.PID)
			if !halted || h.State == stall.Blocked {
				continue
			}
			text := fmt.Sprintf("its process %d is %s, and answers nobody", s.PID, h.Reason())
			if hint := h.Hint(); hint != "" {
				text += " (hint: " + hint + ")"
			}
			s.Warnings = append(s.Warnings, text)
		}
	}
}
