package scram

// Passwords are those of the tests in package scram.
func Passwords() []string { return passwords() }
