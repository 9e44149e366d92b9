//go:build !linux

package lab

import (
	"context"
	"syscall"
	"time"
)

// There are no labs here: usable says so before any of this is called.

type delayer struct{}

func isolated() *syscall.SysProcAttr { return nil }

func mortal() *syscall.SysProcAttr { return nil }

func startDelayer(string, time.Duration) (*delayer, error) { return nil, usable() }

func (*delayer) stop(context.Context) error { return usable() }
