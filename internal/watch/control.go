package watch

// control is what the parts of a Watcher share: where errors go, and the end.
type control struct {
	errs chan error
	stop chan struct{}   // closed by Close
	done <-chan struct{} // Options.Done
}

func newControl(done <-chan struct{}) *control {
	return &control{errs: make(chan error, 16), stop: make(chan struct{}), done: done}
}

// report sends an error to Err, and drops it if there are too many that were not received.
func (c *control) report(err error) {
	select {
	case c.errs <- err:
	default:
	}
}

// stopping reports whether the watching ends.
func (c *control) stopping() bool {
	select {
	case <-c.stop:
		return true
	case <-c.done:
		return true
	default:
		return false
	}
}
