package cli

import (
	"lodge/internal/localapi"
	"lodge/internal/selection"
)

// isCalled reports whether a word is the name or the label of a project.
func isCalled(p localapi.Project, word string) bool { return selection.Called(p, word) }
