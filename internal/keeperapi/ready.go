package keeperapi

// Ready is the keeper's first and only word on ReadyFD.
type Ready struct {
	Error *Error `json:"error,omitempty"`
}
