package seccomphome

// programs are what the test's executable can be inside a home.
func programs() map[string]func([]string) error {
	return map[string]func([]string) error{}
}
