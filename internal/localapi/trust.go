package localapi

// TrustRequest asks for the variables that make a program trust the HTTPS names.
type TrustRequest struct {
	// Set are the names of the variables that the program has already.
	Set []string `json:"set"`
}

// TrustEnviron is what makes a program trust the HTTPS names.
type TrustEnviron struct {
	// Environ is what to add to the program's environment, as KEY=value.
	Environ []string `json:"environ"`
	// Problem is why a program does not trust the names, or not all programs do; or "".
	Problem string `json:"problem,omitempty"`
}
