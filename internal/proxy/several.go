package proxy

// SeveralError is returned by Config.Start for a name that could mean several
// services.
type SeveralError struct {
	Host string   // the name
	URLs []string // of the services
}

func (e *SeveralError) Error() string { return e.Host + " could mean several services" }
