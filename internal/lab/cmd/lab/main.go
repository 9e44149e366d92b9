// Command lab boots hosts on this machine and plays faults on them: see usage.
package main

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"

	"github.com/repltool/repltool/internal/lab"
)

const usage = `lab boots hosts with sshd and PostgreSQL's packages on this machine. It needs root.

  lab up [-n 3] [-suite bookworm[,trixie…]] [-disk MB]   host1 has the first suite, …; the last repeats
  lab down [LAB|all]       all: every kept lab, and what killed tests left
  lab list                 labs and their hosts
  lab tree SUITE…          build root file systems ahead (bullseye bookworm trixie forky; bookworm+systemd, bookworm+repmgr)
  lab exec HOST CMD…       as root in the host, without ssh

  lab cut HOST [PEER]      pull the cable; with PEER only what goes between the two is dropped
  lab drop HOST            drop every packet, the link stays up
  lab heal HOST            undo cut and drop
  lab delay HOST 20ms      make round trips longer; 0 ends it
  lab freeze|thaw HOST     every process stands still; goes on
  lab crash|stop|boot HOST cut the power; shut down in order; start again
  lab fill HOST [KEEP]     eat the data disk but KEEP bytes (of a lab made with -disk)
  lab unfill HOST          give it back

HOST is host1, of the only lab, or lab2/host1.
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := dispatch(ctx, os.Args[1:])
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() > 0 && len(os.Args) > 1 && os.Args[1] == "exec" {
		os.Exit(exit.ExitCode()) // the program said itself what was wrong
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func dispatch(ctx context.Context, args []string) error {
	if len(args) == 0 {
		fmt.Print(usage)
		return nil
	}
	switch name, args := args[0], args[1:]; name {
	case "up":
		return up(ctx, args)
	case "down":
		return down(ctx, args)
	case "list":
		return list()
	case "tree":
		for _, suite := range args {
			dir, err := lab.Tree(ctx, suite, os.Stderr)
			if err != nil {
				return err
			}
			fmt.Println(dir)
		}
		return nil
	case "help", "-h", "-help", "--help":
		fmt.Print(usage)
		return nil
	default:
		if len(args) == 0 {
			return fmt.Errorf("lab %s: of which host? `lab help` tells more", name)
		}
		l, h, err := find(args[0])
		if err != nil {
			return err
		}
		return onHost(ctx, name, l, h, args[1:])
	}
}

func up(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("lab up", flag.ContinueOnError)
	hosts := f.Int("n", 3, "how many hosts")
	suites := f.String("suite", "bookworm", "Debian suites, host by host, with commas between; the last one repeats")
	disk := f.Int("disk", 0, "MiB of a disk of its own for each host's clusters")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() > 0 {
		return fmt.Errorf("lab up: %q is not understood", f.Args())
	}
	o := lab.Options{Hosts: *hosts, Suites: strings.Split(*suites, ","), DiskMB: *disk, Keep: true}
	for _, suite := range o.Suites { // here, to show a build's progress
		if _, err := lab.Tree(ctx, suite, os.Stderr); err != nil {
			return err
		}
	}
	l, err := lab.Up(ctx, o)
	if err != nil {
		return err
	}
	show(l)
	fmt.Printf("\nssh -F %s host1\nexport REPLTOOL_SSH_CONFIG=%s\n", l.SSHConfig, l.SSHConfig)
	return nil
}

func down(ctx context.Context, args []string) error {
	labs, err := lab.List()
	if err != nil {
		return err
	}
	var chosen []*lab.Lab
	for _, l := range labs {
		all := len(args) == 0 || args[0] == "all"
		// A running test's lab is that test's: only its name takes it down.
		if all && (l.Kept || l.Orphan()) || !all && args[0] == l.Name() {
			chosen = append(chosen, l)
		}
	}
	if len(args) > 0 && args[0] != "all" && len(chosen) == 0 {
		return fmt.Errorf("there is no lab %q", args[0])
	}
	if len(args) == 0 && len(chosen) > 1 {
		return errors.New("there are several labs: name one of `lab list`, or all")
	}
	for _, l := range chosen {
		err = errors.Join(err, l.Down(ctx))
	}
	return err
}

func list() error {
	labs, err := lab.List()
	for _, l := range labs {
		show(l)
	}
	return err
}

func show(l *lab.Lab) {
	state := "a test's"
	switch {
	case l.Kept:
		state = "kept"
	case l.Orphan():
		state = "left over"
	}
	fmt.Printf("%s  %s  %s\n", l.Name(), state, l.SSHConfig)
	for _, h := range l.Hosts {
		state := "down"
		switch {
		case h.Frozen():
			state = "frozen"
		case h.Up():
			state = "up"
		}
		fmt.Printf("  %-8s %-12s %-7s %s, PostgreSQL %d\n", h.Name, h.Addr, state, h.Suite, h.Version)
	}
}

// find finds a host by its name, with its lab's name before it or not.
func find(name string) (*lab.Lab, *lab.Host, error) {
	labs, err := lab.List()
	if err != nil {
		return nil, nil, err
	}
	of, host, named := strings.Cut(name, "/")
	if !named {
		host = of
	}
	var chosen *lab.Lab
	for _, l := range labs {
		if named && l.Name() != of || !named && !l.Kept {
			continue
		}
		if chosen != nil {
			return nil, nil, fmt.Errorf("there are several labs: say which, as in %s/%s", chosen.Name(), host)
		}
		chosen = l
	}
	if chosen == nil {
		return nil, nil, fmt.Errorf("no lab for %q: `lab list` shows those there are", name)
	}
	h, err := chosen.Host(host)
	return chosen, h, err
}

// daemon starts this program again as a process that holds a delay, and waits
// until the delay is on.
func daemon(name, delay string) error {
	cmd := exec.Command("/proc/self/exe", "hold-delay", name, delay)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	var said strings.Builder
	problems, err := cmd.StderrPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	if line, _ := bufio.NewReader(out).ReadString('\n'); line == "ready\n" {
		return nil
	}
	_, _ = io.Copy(&said, problems)
	return fmt.Errorf("%s: %w", strings.TrimSpace(said.String()), cmd.Wait())
}
