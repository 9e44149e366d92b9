package host

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/repltool/repltool/facts"
)

func TestUnmounted(t *testing.T) {
	f := &fields{text: map[string]string{
		"mounts":      "/dev/sda1 / ext4 rw 0 0\n/dev/sdb1 /srv/with\\040blank ext4 rw 0 0\n/dev/sdc1 /wal ext4 rw 0 0\n",
		"fstab":       "# /dev/old /var/lib ext4\n/dev/sda1 / ext4 defaults 0 1\nUUID=1\t/var/lib/postgresql/  ext4 noauto 0 2\n/dev/sdb1 /srv/with\\040blank ext4 rw 0 0\n/dev/x /srv/also\\040blank ext4 rw 0 0\n/dev/y none swap sw 0 0\n",
		"mount_units": "/mnt/vol\n/sys/fs/fuse/connections\n",
		"places": "/var/lib/postgresql/15/main\x00/var/lib/postgresql/15/main\x00/var/lib/postgresql2\x00/var/lib/postgresql2\x00" +
			"/data\x00/mnt/vol/data\x00/srv/with blank/x\x00/srv/with blank/x\x00/srv/also blank/x\x00/srv/also blank/x\x00/wal/main\x00/wal/main\x00",
	}}
	want := []facts.Mount{
		{Point: "/mnt/vol", Source: "a mount unit of systemd", Dir: "/data"},
		{Point: "/srv/also blank", Source: "/etc/fstab", Dir: "/srv/also blank/x"},
		{Point: "/var/lib/postgresql", Source: "/etc/fstab", Dir: "/var/lib/postgresql/15/main"},
	}
	if d := cmp.Diff(want, f.unmounted()); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
	f.text["mounts"] = ""
	if got := f.unmounted(); got != nil {
		t.Errorf("the machine does not say what is mounted, and yet: %v", got)
	}
}
