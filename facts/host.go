package facts

import "slices"

// Layout is how a machine arranges PostgreSQL's files.
type Layout string

// The layouts that are discovered.
const (
	LayoutDebian Layout = "debian" // pg_lsclusters, /etc/postgresql/V/NAME
	LayoutRPM    Layout = "rpm"    // /var/lib/pgsql/V/data
	LayoutBare   Layout = "bare"   // a data directory and nothing else
)

// Host is a machine as found, with the one PostgreSQL instance on it that the
// node names: by data_dir, else by our block, else by port, else the one that would be
// made (discover_layout.sh).
type Host struct {
	Hostname string
	Machine  Machine
	OSUser   string // who owns the data directory, and whom we become
	// StateDir is repltool's own directory on the host: jobs and locks.
	StateDir string
	Layout   Layout
	// Instance is Debian's name of the cluster ("main"), else "".
	Instance string

	Version   int // major version of the binaries in BinDir
	BinDir    string
	DataDir   string
	ConfigDir string // DataDir where the layout has no other
	SocketDir string

	Data DataDir
	// ConfigState is what ConfigDir holds where it is not DataDir and no cluster is there.
	ConfigState DataState `json:",omitempty"`
	// ServerLog is the log that pg_ctl wrote for this node's server; "" when there is none.
	ServerLog string `json:",omitempty"`
	// Unmounted are the file systems that belong on the way to a directory of the cluster
	// and are not mounted; asked only when no server runs.
	Unmounted []Mount `json:",omitempty"`
	// Aside reports whether the directory of an earlier clone waits beside the data
	// directory, under its name and ".repltool-old".
	Aside bool `json:",omitempty"`
	// AsideDirs are what its links lead to: its pg_wal, its tablespaces.
	AsideDirs []string `json:",omitempty"`
	// AsideJob is the detached command that moved, or moves, it there: the record that it
	// is repltool's to remove.
	AsideJob *Job `json:",omitempty"`
	Service  Service
	Running  bool
	// Port is where the server listens, or, while it is down, what its configuration
	// files say; 0 where there is no configuration.
	Port int `json:",omitempty"`
	// PortOwner names what else listens on the node's port; "" when free or ours.
	PortOwner string
	Control   *Control `json:",omitempty"`
	// Created is when the data directory was initialized or copied to where it is, in
	// seconds since 1970, and SlotsCreated when each replication slot was; 0 and none where
	// the file system does not tell.
	Created      int64            `json:",omitempty"`
	SlotsCreated map[string]int64 `json:",omitempty"`
	// Dirs are the data directory, what its links lead to, and those that a copy
	// would fill beside it.
	Dirs []Dir `json:",omitempty"`
	// UpstreamError is why the port of the upstream does not answer this machine; ""
	// when it does, or was not asked since the standby follows it already.
	UpstreamError string `json:",omitempty"`
	// PublisherErrors are, by "address port", why publishers of the node's subscriptions do
	// not answer this machine; of those only that no subscription here has used yet.
	PublisherErrors map[string]string `json:",omitempty"`

	// Managers are the programs that run here and may promote, demote or stop the server:
	// patroni, pg_autoctl, repmgrd, stolon-keeper.
	Managers []string `json:",omitempty"`

	// LackedLibraries are those of the shared_preload_libraries, wanted or copied, of which
	// PostgreSQL's library directory has no file.
	LackedLibraries []string `json:",omitempty"`

	Conf File // postgresql.conf
	// NewClusterConf is what Debian's createcluster.conf has for new clusters, and NewClusterTLS
	// the lines by which pg_createcluster gives one the certificate of ssl-cert; read where
	// no postgresql.conf is.
	NewClusterConf string   `json:",omitempty"`
	NewClusterTLS  []string `json:",omitempty"`
	// AutoConf is postgresql.auto.conf, read while no server runs: it may hold a password.
	// AsideAutoConf is that of the data directory that waits aside.
	AutoConf      SecretFile `json:",omitzero"`
	AsideAutoConf SecretFile `json:",omitzero"`
	HBA           File       // pg_hba.conf
	Passfile      SecretFile // the one that repltool writes for this node
	// StandbyPassfile is the one that a running standby's primary_conninfo names, or
	// libpq's own, where that is not repltool's.
	StandbyPassfile *SecretFile `json:",omitempty"`
	// SubscriptionPassfile is the one for the subscriptions of the node's cluster.
	SubscriptionPassfile SecretFile
	// EarlierPassfiles are password files of other names in which the data directory has a
	// block: the node, or its cluster, was named otherwise.
	EarlierPassfiles []SecretFile `json:",omitempty"`
	StandbySignal    bool
	// WALTimeline is the newest timeline of which pg_wal has a segment; 0 is not known.
	WALTimeline int `json:",omitempty"`
	// OldestWAL is where the oldest segment in pg_wal begins; "" is not known.
	OldestWAL string `json:",omitempty"`
	// History is the newest history file in pg_wal.
	History History `json:",omitzero"`
	// WALEnd is the last record in pg_wal; read while no server runs, and zero where it could
	// not be.
	WALEnd WALEnd `json:",omitzero"`

	// Jobs are the detached commands that name the data directory: a copy in the
	// making, running or ended.
	Jobs []Job `json:",omitempty"`
	// Resolved holds the addresses of the other nodes' names, as this host sees
	// them. A name that did not resolve is absent.
	Resolved map[string][]string `json:",omitempty"`
	// Sources are, by the address of another node, the address from which this machine
	// connects there. One that is not known is absent.
	Sources map[string]string `json:",omitempty"`
	// ParameterError is what the server's binary says of the wanted parameters,
	// asked when no server runs; "" when it accepts them.
	ParameterError string `json:",omitempty"`
	// Locales are those that the operating system has, as it writes them; none: unknown.
	Locales []string `json:",omitempty"`
	// Locale reports whether the wanted initdb locale exists; only asked when no
	// cluster is there.
	LocaleMissing bool `json:",omitempty"`
}

// Machine is what tells a machine and its parts from others, whatever names lead there.
// Containers share a kernel, and with it Boot, but neither file systems nor, mostly, a
// network. What is not known is "".
type Machine struct {
	Boot    string `json:",omitempty"` // the kernel's boot id
	Network string `json:",omitempty"` // the network namespace
	// DataDir is the data directory's device and inode, or those of its nearest ancestor
	// that exists and the rest of its path.
	DataDir string `json:",omitempty"`
}

// DataState is what a data directory holds.
type DataState string

// The states of a data directory.
const (
	DataAbsent  DataState = "absent"
	DataEmpty   DataState = "empty"
	DataCluster DataState = "cluster" // has PG_VERSION and pg_control
	DataForeign DataState = "foreign" // has files that are no cluster
)

// DataDir is the data directory as found. With Host.Jobs, a directory that is
// not empty may be an incomplete clone of ours.
type DataDir struct {
	State   DataState
	Version int    // of PG_VERSION
	Owner   string // OS user
	Mode    uint32 `json:",omitempty"` // permission bits, of a cluster's
	Bytes   int64  // what it holds, where cheaply known; 0 unknown
	// Unstarted marks a cluster that is as pg_basebackup leaves it: backup_label is
	// there, and postmaster.opts, which a server writes, is not.
	Unstarted bool `json:",omitempty"`
	// Initdb marks a cluster that is as initdb leaves it: neither backup_label nor
	// postmaster.opts is there.
	Initdb bool `json:",omitempty"`
	// Manifest reports whether backup_manifest is there: it gets its name last of all.
	Manifest bool `json:",omitempty"`
}

// Service is how the instance is started and stopped: the first that fits.
type Service struct {
	Kind string // "systemd", "pg_ctlcluster", "pg_ctl"
	Unit string // systemd only
	// Outside reports whether the server runs but is not the unit's process: systemd
	// neither stops nor restarts it.
	Outside bool `json:",omitempty"`
	// Disabled reports whether nothing starts the unit at boot.
	Disabled bool `json:",omitempty"`
	// StartConf is what Debian's start.conf says: auto, manual or disabled; "" elsewhere.
	StartConf string `json:",omitempty"`
}

// Branch is a place in the WAL: up to LSN on a timeline.
type Branch struct {
	Timeline int
	LSN      string
}

// WALEnd is the last record of the newest timeline of which a server that is down has WAL: how
// far it would recover (PostgreSQL docs, pg_waldump).
type WALEnd struct {
	Timeline  int
	Last, LSN string // where it begins, and where it ends
	Sum       WALSum `json:",omitzero"`
}

// WALSum is the checksum of a WAL segment's first bytes. Up to and with a record's header, in which its
// own checksum is, it tells whether two servers have the same record: that both have one there does not.
type WALSum struct {
	Segment string // its file
	Bytes   int
	SHA256  string
}

// History is a timeline's history file: which timelines came before it, and where each was
// left (PostgreSQL docs, 26.3.6 "Timelines").
type History struct {
	Timeline int
	Left     []Branch
}

// Control is what pg_controldata says.
type Control struct {
	SystemIdentifier string
	Timeline         int
	State            string // "in production", "shut down", "in archive recovery", …
	// Reached is how far a standby has replayed at least; its LSN is "" on a primary.
	Reached Branch `json:",omitzero"`
	// Limits are the parameters that a standby must not have lower than its primary: those
	// of a primary's last start, on a standby those of its primary that it replayed last.
	Limits map[string]int `json:",omitempty"`
}

// Dir is a directory that a cluster's files are in, or will be.
type Dir struct {
	Path  string
	State DataState // never DataCluster: what it holds is not looked at
	// Link is the data directory's link that leads to it: "pg_wal", "pg_tblspc/16384".
	Link string `json:",omitempty"`
	// Locked reports whether nothing can be made in it, or where it would be.
	Locked bool `json:",omitempty"`
	// Aside reports whether its name with ".repltool-old" is there.
	Aside bool `json:",omitempty"`
	// Pinned is why it cannot be moved aside; "" when it can.
	Pinned string `json:",omitempty"`
	Disk   Disk
}

// Disk is the file system that a directory lies on, or will.
type Disk struct {
	Mount string
	Free  int64 // bytes, for an unprivileged user
	Total int64
}

// Mount is a mount point on which nothing is mounted.
type Mount struct {
	Point  string
	Source string // what says that something belongs there: "/etc/fstab"
	Dir    string // the directory of the cluster that is below it
}

// Dir returns the directory of that path, or nil.
func (h *Host) Dir(path string) *Dir {
	return find(h.Dirs, func(d *Dir) bool { return d.Path == path })
}

// Job is a detached command of an earlier apply: its directory under StateDir
// is the marker of an incomplete data directory.
type Job struct {
	ID       string
	Argv     []string
	Running  bool
	PID      int  `json:",omitempty"` // of its process group, while it runs
	ExitCode *int // nil while it runs, or when it was killed
	// Absent are the directories that did not exist or were empty when the job was begun:
	// what they hold is the job's.
	Absent []string `json:",omitempty"`
	// Refused marks a copy that found a directory not empty: it wrote nothing.
	Refused bool `json:",omitempty"`
}

// Job returns the job of that ID, or nil.
func (h *Host) Job(id string) *Job {
	return find(h.Jobs, func(j *Job) bool { return j.ID == id })
}

// Making reports whether a detached command is at work on the data directory.
func (h *Host) Making() bool {
	return slices.ContainsFunc(h.Jobs, func(j Job) bool { return j.Running })
}

// WasAbsent reports whether a job recorded that the directory did not exist or was empty
// when the job was begun.
func (h *Host) WasAbsent(dir string) bool {
	return slices.ContainsFunc(h.Jobs, func(j Job) bool { return slices.Contains(j.Absent, dir) })
}

// Done reports whether it ended well.
func (j *Job) Done() bool { return j != nil && j.ExitCode != nil && *j.ExitCode == 0 }

// Failed reports whether it ended otherwise, or was killed.
func (j *Job) Failed() bool { return j != nil && !j.Running && !j.Done() }
