package service

import "time"

// A service that has failed, or ended well, is started anew when a file that it
// watches changes: most likely that is the mend. What failed only because it
// needs that service is started once the service is ready.

// mendable reports whether a changed file starts a service in this state.
func mendable(s State) bool { return s == Failed || s == Exited }

// mends returns the changes of files while the service rests in such a state;
// nil where it does not, or watches none.
func (r *runner) mends() <-chan []string {
	if r.files == nil || !mendable(r.status().State) {
		return nil
	}
	return r.files.Changes()
}

// mended starts the service for changed files.
func (r *runner) mended(files []string) {
	if r.giveUp.Load() {
		return // a stop is on its way
	}
	if ok, reason := r.breaker.Allow(time.Now(), files); !ok {
		r.say("not started: " + reason)
		return
	}
	r.say("started: " + changedText(files))
	r.startNow()
}

// startNow asks for a start from a loop, which may not wait: where commands wait
// already, one of them starts the service or stops it.
func (r *runner) startNow() {
	r.expect()
	select {
	case r.cmds <- command{ask: askStart}:
	default:
		r.taken()
	}
}

func (r *runner) setLacks(need string) {
	r.mu.Lock()
	r.lacks = need
	r.mu.Unlock()
}

// startLacking starts what failed because it needs this service, which has just
// become ready.
func (r *runner) startLacking() {
	r.sup.mu.Lock()
	var others []*runner
	for _, o := range r.sup.runners {
		if o != r {
			others = append(others, o)
		}
	}
	r.sup.mu.Unlock()
	for _, o := range others {
		o.mu.Lock()
		lacks := o.st.State == Failed && o.lacks == r.name
		o.mu.Unlock()
		if lacks && !o.giveUp.Load() {
			o.say("started: " + r.name + ", which it needs, is ready")
			o.startNow()
		}
	}
}
