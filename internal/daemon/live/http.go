package live

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"

	"lodge/internal/daemon/api"
)

// ServeHTTP answers with the bytes of package owners. Where there is no map the
// status is 501.
func (m *Map) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f, err := m.Owners(r.Context())
	var none *noLiveError
	switch {
	case errors.As(err, &none):
		api.Refuse(w, http.StatusNotImplemented, err)
		return
	case err != nil:
		api.Refuse(w, http.StatusConflict, err)
		return
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		api.Refuse(w, http.StatusConflict, fmt.Errorf("read the helper's answer: %w", err))
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Length", strconv.FormatInt(st.Size(), 10))
	_, _ = io.Copy(w, io.NewSectionReader(f, 0, st.Size())) // the client may be gone
}
