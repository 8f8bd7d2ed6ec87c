package localapi

import (
	"time"

	"lodge/internal/keeperapi"
	"lodge/internal/loopback"
)

// Capability is one thing that works here, or does not.
type Capability struct {
	Name   string `json:"name"`
	Status string `json:"status"` // yes, no, unknown
	Reason string `json:"reason"`
	Hint   string `json:"hint,omitempty"`
}

// Doctor is what works here and why.
type Doctor struct {
	Version      string          `json:"version"`
	Engine       loopback.Engine `json:"engine"`
	EngineReason string          `json:"engine_reason"`
	Capabilities []Capability    `json:"capabilities"`
	Warnings     []string        `json:"warnings,omitempty"`
}

// Info is what the daemon says of itself.
type Info struct {
	Version   string    `json:"version"`
	PID       int       `json:"pid"`
	StartedAt time.Time `json:"started_at"`
}

// Error travels as the body of an answer that is no 2xx.
type Error = keeperapi.Error
