package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

const (
	dataDir = "/var/lib/postgresql"
	balloon = dataDir + "/.lab-balloon"
)

// makeDisk makes the file of a file system of its own for the host's clusters.
// Nothing is held back for root: root fills it, postgres must feel it.
func (h *Host) makeDisk(ctx context.Context, mb int) error {
	image := h.file("disk.img")
	f, err := os.OpenFile(image, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	err = errors.Join(f.Truncate(int64(mb)<<20), f.Close())
	if err == nil {
		_, err = run(ctx, "", "mkfs.ext4", "-q", "-F", "-m", "0", image)
	}
	if err != nil {
		return fmt.Errorf("%s: make its disk: %w", h.Name, err)
	}
	return nil
}

// Fill eats the free space of the host's data disk but keepBytes. The lab must
// have been made with DiskMB: without it the disk is the machine's.
func (h *Host) Fill(ctx context.Context, keepBytes int64) error {
	if !exists(h.file("disk.img")) {
		return fmt.Errorf("%s: fill: the host has no disk of its own (Options.DiskMB)", h.Name)
	}
	if err := h.Unfill(ctx); err != nil {
		return err
	}
	out, err := h.Exec(ctx, "df", "-B1", "--output=avail", dataDir)
	if err != nil {
		return fmt.Errorf("fill: %w", err)
	}
	lines := strings.Fields(out)
	free, err := strconv.ParseInt(lines[len(lines)-1], 10, 64)
	if err != nil {
		return fmt.Errorf("%s: fill: %w", h.Name, err)
	}
	if eat := free - keepBytes; eat > 0 {
		if err := h.inflate(ctx, eat); err != nil {
			return fmt.Errorf("fill: %w", err)
		}
	}
	return nil
}

// inflate takes space. Nearly all of it can be asked for at once; to take the
// very last blocks, which the balloon's own map needs, it has to be written.
func (h *Host) inflate(ctx context.Context, bytes int64) error {
	_, err := h.Exec(ctx, "fallocate", "-l", strconv.FormatInt(bytes, 10), balloon)
	if err == nil {
		return nil
	}
	_, err = h.Exec(ctx, "sh", "-c", `head -c "$1" /dev/zero > "$2" 2>/dev/null; test -s "$2"`, "sh",
		strconv.FormatInt(bytes, 10), balloon)
	return err
}

// Unfill gives the space back that Fill took.
func (h *Host) Unfill(ctx context.Context) error {
	if _, err := h.Exec(ctx, "rm", "-f", balloon); err != nil {
		return fmt.Errorf("unfill: %w", err)
	}
	return nil
}
