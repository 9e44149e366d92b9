package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/repltool/repltool/internal/lab"
)

// onHost does one thing to one host.
func onHost(ctx context.Context, name string, l *lab.Lab, h *lab.Host, args []string) error {
	switch name {
	case "exec":
		return execIn(ctx, h, args)
	case "cut":
		return cut(ctx, l, h, args)
	case "drop":
		return h.DropAll(ctx)
	case "heal":
		return h.Heal(ctx)
	case "crash":
		return h.Crash(ctx)
	case "stop":
		return h.Stop(ctx)
	case "boot":
		return h.Boot(ctx)
	case "freeze":
		return h.Freeze(ctx)
	case "thaw":
		return h.Thaw(ctx)
	case "delay", "hold-delay":
		return delay(ctx, name, l, h, args)
	case "fill":
		return fill(ctx, h, args)
	case "unfill":
		return h.Unfill(ctx)
	}
	return fmt.Errorf("lab has no %q: `lab help` shows what it has", name)
}

func execIn(ctx context.Context, h *lab.Host, args []string) error {
	if len(args) == 0 {
		args = []string{"bash", "-l"}
	}
	cmd, err := h.Command(ctx, "root", args...)
	if err != nil {
		return err
	}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	return cmd.Run()
}

func cut(ctx context.Context, l *lab.Lab, h *lab.Host, args []string) error {
	if len(args) == 0 {
		return h.Cut(ctx)
	}
	peer, err := l.Host(args[0])
	if err != nil {
		return err
	}
	return h.CutPeer(ctx, peer)
}

// delay ends a delay here; a new one needs a process that lives for it.
func delay(ctx context.Context, name string, l *lab.Lab, h *lab.Host, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("lab %s: how long? 20ms, or 0 to end it", name)
	}
	d, err := time.ParseDuration(args[0])
	if err != nil {
		return err
	}
	switch {
	case name == "hold-delay":
		return h.HoldDelay(ctx, d, func() { fmt.Println("ready") })
	case d <= 0:
		return h.Delay(ctx, 0)
	}
	return daemon(l.Name()+"/"+h.Name, args[0])
}

func fill(ctx context.Context, h *lab.Host, args []string) error {
	var keep int64
	if len(args) > 0 {
		var err error
		if keep, err = strconv.ParseInt(args[0], 10, 64); err != nil {
			return err
		}
	}
	return h.Fill(ctx, keep)
}
