package tui

import (
	"time"

	"lodge/internal/tui/view/samples"
)

var (
	at0  = samples.Start()
	shop = samples.NewShop()
)

// shopFrame is the machine of the samples after n seconds.
func shopFrame(n int) *Frame {
	return &Frame{Time: at0.Add(time.Duration(n) * time.Second), Rows: shop.Rows(n), UnknownOwners: 1, Projects: shop.Projects()}
}
