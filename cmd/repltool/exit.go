package main

import "fmt"

// Exit codes.
const (
	exitError       exit = 1
	exitChanges     exit = 2
	exitIncomplete  exit = 3
	exitUnformatted exit = 3
	exitStale       exit = 4
	exitInterrupted exit = 130
)

// exit is an error that has been told already: only its code is left.
type exit int

func (e exit) Error() string { return fmt.Sprintf("exit code %d", int(e)) }
