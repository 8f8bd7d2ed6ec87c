package content

// SecretName reports whether the value of a field of this name is a secret: of a
// parameter, a member of JSON, a field of a message.
func SecretName(name string) bool { return isSecretName(name) }
