//go:build !linux

package local

import (
	"errors"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/providers/host"
)

// become runs f as the OS user. Only Linux can change one thread's user.
func (c *conn) become(f func() error) error {
	if !c.other {
		return f()
	}
	return &host.Error{
		Kind: facts.NoPrivilege, Node: c.node, Op: "become " + c.as.name,
		Err:  errors.New("on this system, a socket cannot be opened as another user"),
		Hint: "Run repltool as " + c.as.name + ", or reach the node over SSH.",
	}
}
