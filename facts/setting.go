package facts

// InForce returns the value of a setting as the server's configuration has it,
// in the setting's base unit or as a file writes it. Where the session that read
// it has a value of its own (ALTER ROLE or DATABASE SET, or the session itself),
// it is what the files say.
func (s *Server) InForce(name string) string {
	setting := s.Settings[name]
	switch setting.Source {
	case "client", "session", "database", "user", "database user":
		return s.fromFiles(name, setting, func(FileSetting) bool { return true })
	default:
		return setting.Value
	}
}

// Outside returns the value that a setting would have without the lines of that file
// that leave returns true for; nil leaves nothing out.
func (s *Server) Outside(name, file string, leave func(line int) bool) string {
	return s.fromFiles(name, s.Settings[name], func(f FileSetting) bool {
		return f.File != file || leave == nil || !leave(f.Line)
	})
}

// fromFiles returns the last value that the files give, else the built-in one.
// A value from the command line or the environment comes before all files.
func (s *Server) fromFiles(name string, setting Setting, counts func(FileSetting) bool) string {
	if setting.Source == "command line" || setting.Source == "environment variable" {
		return setting.Value
	}
	value := setting.Boot
	for _, f := range s.FileSettings {
		if f.Name == name && counts(f) {
			value = f.Value
		}
	}
	return value
}
