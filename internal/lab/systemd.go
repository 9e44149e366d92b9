package lab

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
)

// A suite NAME+systemd boots the real systemd as pid 1, for what is true only
// there: units, and processes that belong to them. Its tree is a layer on the plain
// one. The host has a control group of its own, in a control group namespace.

func (h *Host) systemd() bool {
	_, layer := parts(h.Suite)
	return layer == "systemd"
}

// shutdown is the signal that tells pid 1 to stop the host in order: systemd's is
// SIGRTMIN+4.
func (h *Host) shutdown() syscall.Signal {
	if h.systemd() {
		return 38
	}
	return syscall.SIGTERM
}

// group is the host's control group; systemd makes those of its units below it.
func (h *Host) group() string {
	root := "/sys/fs/cgroup"
	if !exists(filepath.Join(root, "cgroup.procs")) {
		root = filepath.Join(root, "unified")
	}
	return filepath.Join(root, "repltool-lab-systemd", h.netns())
}

// dropGroup removes the control groups of a host that is down.
func (h *Host) dropGroup(ctx context.Context) error {
	dir := h.group()
	if !h.systemd() || !exists(dir) {
		return nil
	}
	err := poll(ctx, func() bool {
		var dirs []string
		_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				dirs = append(dirs, path)
			}
			return nil
		})
		for _, d := range slices.Backward(dirs) {
			_ = os.Remove(d)
		}
		return !exists(dir)
	})
	if err != nil {
		return fmt.Errorf("remove control group %s: %w", dir, err)
	}
	_ = os.Remove(filepath.Dir(dir)) // the last one out
	return nil
}
